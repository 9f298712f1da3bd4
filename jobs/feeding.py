"""Runs that workers queue themselves: their jobs lie in the record store by the batch, until there is room for them."""

import gzip
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from arq.connections import ArqRedis

from . import wire
from .clock import derived_id, milliseconds_of, utcnow
from .connection import expecting_answer
from .errors import RunCancelledError, UsageError
from .keys import Keys
from .lanes import lane_of
from .models import PromptJob
from .payloads import as_lines, job_in, payload_of
from .queue import JobQueue
from .recorded import recorded_of
from .records import RecordStore
from .scanning import members_of
from .scripts import PAGE, PAGE_BYTES, run_script

# A run, its batches, its jobs, their lane, when they are due or nothing, and the time now.
_REGISTER = """
local run, batches, jobs, lane, due, created = unpack(ARGV)
if state_of(run) == 'cancelled' then return -1 end
if redis.call('HEXISTS', RUN .. run, 'batches') == 1 then return 0 end
redis.call('HSET', RUN .. run, 'batches', batches, 'fed', 0, 'toFeed', jobs, 'lane', lane, 'due', due)
redis.call('SADD', FEEDING, run)
note_run(run, created)
return 1
"""
_CANCELLED = -1

# A run and the high-water mark: which batch is next, or why none is.
_NEXT = f"""
local run, high_water = ARGV[1], tonumber(ARGV[2])
local fed, batches, lane = unpack(redis.call('HMGET', RUN .. run, 'fed', 'batches', 'lane'))
if not batches or tonumber(fed) >= tonumber(batches) then return -2 end
local backlog = backlog_of(lane, run)
if state_of(run) ~= '' or backlog > 0 and backlog + {PAGE} > high_water then return -1 end
return tonumber(fed)
"""

# A run, the number of a batch, how many jobs it holds, and the time now, then the jobs. Nothing is done unless
# this batch is the next: of two who feed at once one comes too late, and whoever is killed has fed all of it or none.
_FEED = """
local run, number, n_jobs, created = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local fed, lane, due = unpack(redis.call('HMGET', RUN .. run, 'fed', 'lane', 'due'))
if fed ~= number or state_of(run) ~= '' then return {-1, {}} end
local n, strangers = enqueue(lane, run, tonumber(due), ARGV[5])
count_queued(run, n, created)
count(run, 'fed', 1)
count(run, 'toFeed', -n_jobs)
return {n, strangers}
"""

_END = """
local fed, batches = unpack(redis.call('HMGET', RUN .. ARGV[1], 'fed', 'batches'))
if not batches or tonumber(fed) >= tonumber(batches) then end_feeding(ARGV[1]) end
"""


class NoBatch(IntEnum):
    """Why no batch is fed now."""

    NOT_YET = -1
    """Enough jobs are due, or the run is paused."""
    ALL_FED = -2
    """All have been, or the run was cancelled."""


@dataclass(frozen=True)
class Fed:
    """What feeding a batch came to."""

    n_queued: int
    """Less than none: another feeder was first, or the run is paused or cancelled by now."""
    strangers: tuple[str, ...]
    """Jobs that were left out, because another installation has jobs of these ids."""


async def hand_over(
    queue: JobQueue, run_id: str, jobs: Iterator[PromptJob], *, at: datetime | None
) -> int:
    """Leave the jobs of a run, which are all of one kind, to whichever workers there are; gives their number.

    They are in the record store when it returns, and queued as workers make room for them. What is recorded already is
    left out. Broken off anywhere before the end, nothing is queued; done again, nothing is queued twice.

    Raises:
        UsageError: the run is being fed already.
        RunCancelledError: it was cancelled.
        StoreError: the jobs cannot be kept.
        RedisUnreachableError: Redis did not answer.
    """
    await _refuse_if_fed(queue, run_id)
    recorded = (await recorded_of(queue.records, run_id)).ids
    fresh = (job for job in jobs if job.job_id not in recorded)
    kept = await keep_batches(queue.records, run_id, fresh)
    if kept.n_jobs:
        due = "" if at is None else str(milliseconds_of(at))
        began = utcnow().isoformat()
        await _register(queue, [run_id, kept.n_batches, kept.n_jobs, kept.lane, due, began])
    return kept.n_jobs


@dataclass(frozen=True)
class Kept:
    """Jobs of one kind that lie in the record store."""

    n_batches: int
    n_jobs: int
    lane: str


async def keep_batches(records: RecordStore, name: str, jobs: Iterator[PromptJob]) -> Kept:
    """Write jobs, which are all of one kind, into the record store under the name of a run, or of a template.

    Raises:
        StoreError: they cannot be kept.
    """
    number, n_jobs, lane = 0, 0, ""
    for first, payloads in _batches(jobs):
        content = gzip.compress(b"\n".join(payloads), 1)
        await records.put_batch(name, number, content)
        number, n_jobs, lane = number + 1, n_jobs + len(payloads), lane_of(first).name
    return Kept(number, n_jobs, lane)


def _batches(jobs: Iterator[PromptJob]) -> Iterator[tuple[PromptJob, list[bytes]]]:
    """The first job of each batch, and the payloads of all of it."""
    while (first := next(jobs, None)) is not None:
        queued_ms = milliseconds_of(utcnow())
        payloads = [payload_of(first, queued_ms)]
        n_bytes = len(payloads[0])
        while len(payloads) < PAGE and n_bytes < PAGE_BYTES and (job := next(jobs, None)):
            payloads.append(payload_of(job, queued_ms))
            n_bytes += len(payloads[-1])
        yield first, payloads


async def _refuse_if_fed(queue: JobQueue, run_id: str) -> None:
    with expecting_answer(f"it cannot be told whether run {run_id!r} is being fed"):
        async with queue.redis.pipeline(transaction=False) as pipe:
            pipe.sismember(queue.keys.feeding, run_id)
            [is_fed] = await pipe.execute()
    if is_fed:
        raise _fed_already(run_id)


async def _register(queue: JobQueue, words: list[str | int]) -> None:
    run_id = str(words[0])
    with expecting_answer(f"run {run_id!r} was not handed over"):
        answer = await run_script(queue.redis, queue.keys, _REGISTER, words)
    if answer == _CANCELLED:
        raise RunCancelledError(f"run {run_id!r} was cancelled while its jobs were written")
    if not answer:
        raise _fed_already(run_id)


def _fed_already(run_id: str) -> UsageError:
    return UsageError(
        f"workers are queueing the jobs of run {run_id!r} already",
        fixes=[f"see how far they are:  promptmill run show {run_id}"],
    )


async def runs_to_feed(redis: ArqRedis, keys: Keys) -> list[str]:
    """The runs whose jobs are to be queued by workers.

    Raises:
        RedisError, OSError: Redis did not answer.
    """
    return await members_of(redis, keys.feeding)


async def template_of(redis: ArqRedis, keys: Keys, run_id: str) -> str | None:
    """Where the jobs of a run lie that was started by a schedule; None of one that brought its own.

    Raises:
        RedisError, OSError: Redis did not answer.
    """
    async with redis.pipeline(transaction=False) as pipe:
        pipe.hget(keys.run(run_id), "template")
        [name] = await pipe.execute()
    return None if name is None else str(name.decode())


async def is_still_read(redis: ArqRedis, keys: Keys, template: str) -> bool:
    """Whether a run has batches of this template still to be queued.

    Raises:
        RedisError, OSError: Redis did not answer.
    """
    async with redis.pipeline(transaction=False) as pipe:
        for run_id in await runs_to_feed(redis, keys):
            pipe.hmget(keys.run(run_id), ["template", "fed", "batches"])
        answers = await pipe.execute()
    return any(
        name == template.encode() and int(fed) < int(batches) for name, fed, batches in answers
    )


async def jobs_to_feed(redis: ArqRedis, keys: Keys) -> dict[str, int]:
    """The same runs, each with the number of jobs that are still to be queued.

    Raises:
        RedisError, OSError: Redis did not answer.
    """
    runs = await runs_to_feed(redis, keys)
    async with redis.pipeline(transaction=False) as pipe:
        for run_id in runs:
            pipe.hget(keys.run(run_id), "toFeed")
        answers = await pipe.execute()
    return {run_id: int(n) for run_id, n in zip(runs, answers, strict=True) if n and int(n)}


async def is_any_fed_into(redis: ArqRedis, keys: Keys, lanes: Collection[str]) -> bool:
    """Whether a run whose jobs go into one of these lanes, by name, is to be queued by workers and is not paused.

    Raises:
        RedisError, OSError: Redis did not answer.
    """
    async with redis.pipeline(transaction=False) as pipe:
        for run_id in await runs_to_feed(redis, keys):
            pipe.hmget(keys.run(run_id), ["state", "lane"])
        answers = await pipe.execute()
    return any(state is None and lane and lane.decode() in lanes for state, lane in answers)


async def next_batch(redis: ArqRedis, keys: Keys, run_id: str, high_water: int) -> int | NoBatch:
    """The number of the batch that is to be fed now, or why there is none.

    Raises:
        RedisError, OSError: Redis did not answer.
    """
    number: int = await run_script(redis, keys, _NEXT, [run_id, high_water])
    return number if number >= 0 else NoBatch(number)


async def feed_batch(redis: ArqRedis, keys: Keys, run_id: str, number: int, content: bytes) -> Fed:
    """Queue the jobs of a batch, unless it is not the next, and go on to the next, all in one step.

    Raises:
        RedisError, OSError: Redis did not answer; feeding it again changes nothing if it did.
        ValueError: it is no batch.
    """
    payloads = _payloads_in(run_id, number, content)
    now = utcnow().isoformat()
    words: list[str | bytes | int] = [run_id, number, len(payloads), now, as_lines(payloads)]
    n_queued, strangers = await run_script(redis, keys, _FEED, words)
    return Fed(n_queued, tuple(name.decode() for name in strangers))


def _payloads_in(run_id: str, number: int, content: bytes) -> list[tuple[str, bytes]]:
    try:
        payloads = gzip.decompress(content).split(b"\n")
        if wire.decode(payloads[0])["a"][0]["runId"] != run_id:
            return [_made_for(run_id, job_in(payload)) for payload in payloads]
        return [(wire.decode(payload)["a"][0]["jobId"], payload) for payload in payloads]
    except (OSError, EOFError, zlib.error, LookupError, TypeError, ValueError) as error:
        raise ValueError(
            f"batch {number} of run {run_id!r} is damaged ({error}); cancel the run, and start it again by its name"
        ) from None


def _made_for(run_id: str, model: PromptJob) -> tuple[str, bytes]:
    """The job of this run that is like one of a template."""
    job_id = derived_id("job", run_id, model.task_id or "", model.sample)
    job = model.model_copy(update={"run_id": run_id, "job_id": job_id})
    return job_id, payload_of(job, milliseconds_of(utcnow()))


async def end_feeding(redis: ArqRedis, keys: Keys, run_id: str) -> None:
    """Forget that the run was fed, once all of it is and its batches are dropped.

    Raises:
        RedisError, OSError: Redis did not answer.
    """
    await run_script(redis, keys, _END, [run_id])
