"""Runs that workers queue themselves: their jobs lie in the record store by the batch, until there is room for them."""

import contextlib
import gzip
import zlib
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from functools import partial

from arq.connections import ArqRedis
from redis.exceptions import RedisError

from . import wire
from .clock import derived_id, milliseconds_of, utcnow
from .connection import expecting_answer
from .errors import PromptmillError, RunCancelledError, UsageError
from .keys import Keys
from .lanes import lane_of
from .models import PromptJob
from .payloads import as_lines, job_in, payload_of
from .queue import JobQueue
from .recorded import recorded_of
from .records import RecordStore
from .scanning import members_of
from .scripts import PAGE, PAGE_BYTES, run_script

# Batches lie in a place of their own for each hand-over, so that whoever is late touches none of another's.
# A run, for how long a sign of life counts, and the time now; gives the place, and what an earlier one has left behind.
_BEGIN = """
local run, term, created = unpack(ARGV)
if state_of(run) == 'cancelled' then return {-1} end
local batches, till, left = unpack(redis.call('HMGET', RUN .. run, 'batches', 'handingTill', 'place'))
if batches then return {0} end
if till and tonumber(till) > now() then return {-3} end
local place = run .. '+' .. exact(redis.call('HINCRBY', RUN .. run, 'handOvers', 1))
redis.call('HSET', RUN .. run, 'place', place, 'handingTill', exact(now() + term))
redis.call('SADD', FEEDING, run)
note_run(run, created)
return {1, place, left or ''}
"""

# Both go on only while the place is still that of the run.
_IS_OURS = """
local run, place = ARGV[1], ARGV[2]
if state_of(run) == 'cancelled' then return -1 end
local mine, till = unpack(redis.call('HMGET', RUN .. run, 'place', 'handingTill'))
if mine ~= place or not till then return -2 end
"""

# A run, its place, and for how long a sign of life counts.
_RENEW = f"""
{_IS_OURS}
redis.call('HSET', RUN .. run, 'handingTill', exact(now() + ARGV[3]))
return 1
"""

# A run, its place, its batches, its jobs, their lane, and when they are due or nothing.
_REGISTER = f"""
{_IS_OURS}
redis.call('HSET', RUN .. run, 'batches', ARGV[3], 'fed', 0, 'toFeed', ARGV[4], 'lane', ARGV[5], 'due', ARGV[6])
redis.call('HDEL', RUN .. run, 'handingTill')
redis.call('EXPIRE', RUN .. run, RUN_SECONDS)
return 1
"""
_TERM_MS = 15_000
_FORGOTTEN_MS = 3_600_000
_LOST, _UNDER_WAY = -2, -3
_CANCELLED = -1

# A run and the high-water mark: where its batches lie, and which is next, or why none is.
_NEXT = f"""
local run, high_water = ARGV[1], tonumber(ARGV[2])
local fed, batches, lane, place, till, due = unpack(
    redis.call('HMGET', RUN .. run, 'fed', 'batches', 'lane', 'place', 'handingTill', 'due'))
if not batches and till and tonumber(till) + {_FORGOTTEN_MS} > now() then return {{-1, place}} end
if not batches or tonumber(fed) >= tonumber(batches) then return {{-2, place or ''}} end
local backlog = backlog_of(lane, run, tonumber(due or ''))
if state_of(run) ~= '' or backlog > 0 and backlog + {PAGE} > high_water then return {{-1, place}} end
return {{tonumber(fed), place}}
"""

# A run, where its batches lie, the number of a batch, how many jobs it holds, and the time now, then the jobs. Nothing
# is done unless this batch is the next: of two who feed at once one comes too late, and whoever is killed has fed all
# of it or none.
_FEED = """
local run, from, number, n_jobs, created = unpack(ARGV, 1, 5)
local fed, lane, due, place = unpack(redis.call('HMGET', RUN .. run, 'fed', 'lane', 'due', 'place'))
if fed ~= number or place ~= from or state_of(run) ~= '' then return {-1, {}} end
local n, strangers = enqueue(lane, run, tonumber(due), ARGV[6])
count_queued(run, n, created)
count(run, 'fed', 1)
count(run, 'toFeed', -n_jobs)
return {n, strangers}
"""

# A run, and where its batches lay.
_END = """
local fed, batches, place = unpack(redis.call('HMGET', RUN .. ARGV[1], 'fed', 'batches', 'place'))
if (place or '') ~= ARGV[2] then return end
if not batches or tonumber(fed) >= tonumber(batches) then end_feeding(ARGV[1]) end
"""


class NoBatch(IntEnum):
    """Why no batch is fed now."""

    NOT_YET = -1
    """Enough jobs are due, or the run is paused, or its jobs are still being written."""
    ALL_FED = -2
    """All have been, or the run was cancelled, or whoever wrote its jobs broke off an hour ago."""


@dataclass(frozen=True)
class Next:
    """What is to be fed now."""

    batch: int | NoBatch
    place: str
    """Where the batches of the run lie in the record store; nothing where there never were any."""


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
    left out. Broken off anywhere before the end, nothing is queued; done again, nothing is queued twice, and what was
    left behind is removed. Of two that do it at once, one hands over.

    Raises:
        UsageError: the run is being handed over or fed already.
        RunCancelledError: it was cancelled.
        StoreError: the jobs cannot be kept.
        RedisUnreachableError: Redis did not answer.
    """
    place, left = await _begin(queue, run_id)
    try:
        if left:
            await queue.records.drop_batches(left)
        recorded = (await recorded_of(queue.records, run_id)).ids
        fresh = (job for job in jobs if job.job_id not in recorded)
        renew = partial(_say, queue, _RENEW, [run_id, place, _TERM_MS])
        kept = await keep_batches(queue.records, place, fresh, before_each=renew)
        if kept.n_jobs:
            due = "" if at is None else str(milliseconds_of(at))
            words = (run_id, place, kept.n_batches, kept.n_jobs, kept.lane, due)
            await _say(queue, _REGISTER, words)
            return kept.n_jobs
    except BaseException:
        # What cannot be removed now is, by a worker, an hour later.
        with contextlib.suppress(PromptmillError, RedisError, OSError):
            await _withdraw(queue, run_id, place)
        raise
    await _withdraw(queue, run_id, place)
    return 0


@dataclass(frozen=True)
class Kept:
    """Jobs of one kind that lie in the record store."""

    n_batches: int
    n_jobs: int
    lane: str


async def _nothing() -> None:
    pass


async def keep_batches(
    records: RecordStore,
    place: str,
    jobs: Iterator[PromptJob],
    *,
    before_each: Callable[[], Awaitable[None]] = _nothing,
) -> Kept:
    """Write jobs, which are all of one kind, into a place in the record store, that of a hand-over or of a template.

    Raises:
        StoreError: they cannot be kept.
    """
    number, n_jobs, lane = 0, 0, ""
    for first, payloads in _batches(jobs):
        content = gzip.compress(b"\n".join(payloads), 1)
        await before_each()
        await records.put_batch(place, number, content)
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


async def _begin(queue: JobQueue, run_id: str) -> tuple[str, str]:
    """Where the jobs are to lie, and where others lie that nobody needs."""
    with expecting_answer(f"it cannot be told whether run {run_id!r} is being fed"):
        words: list[str | int] = [run_id, _TERM_MS, utcnow().isoformat()]
        answer, *places = await run_script(queue.redis, queue.keys, _BEGIN, words)
    _refuse(run_id, answer)
    place, left = places
    return place.decode(), left.decode()


async def _say(queue: JobQueue, script: str, words: Sequence[str | int]) -> None:
    run_id = str(words[0])
    with expecting_answer(f"run {run_id!r} was not handed over"):
        answer = await run_script(queue.redis, queue.keys, script, words)
    _refuse(run_id, answer)


async def _withdraw(queue: JobQueue, run_id: str, place: str) -> None:
    await queue.records.drop_batches(place)
    with expecting_answer(f"run {run_id!r} was not handed over"):
        await end_feeding(queue.redis, queue.keys, run_id, place)


def _refuse(run_id: str, answer: int) -> None:
    see = f"see how far they are:  promptmill run show {run_id}"
    if answer == _CANCELLED:
        raise RunCancelledError(f"run {run_id!r} was cancelled while its jobs were written")
    if answer == _UNDER_WAY:
        raise UsageError(
            f"another command is handing over the jobs of run {run_id!r}",
            fixes=[see, f"if it was killed, type this again in {_TERM_MS // 1000} seconds"],
            note="none was added",
        )
    if answer == _LOST:
        raise UsageError(
            f"another command has begun to hand over the jobs of run {run_id!r}, since this one was silent for long",
            fixes=[see],
            note="none was added",
        )
    if not answer:
        raise UsageError(
            f"workers are queueing the jobs of run {run_id!r} already",
            fixes=[see],
            note="none was added",
        )


async def runs_to_feed(redis: ArqRedis, keys: Keys) -> list[str]:
    """The runs whose jobs are to be queued by workers.

    Raises:
        RedisError, OSError: Redis did not answer.
    """
    return await members_of(redis, keys.feeding)


async def place_of_run(redis: ArqRedis, keys: Keys, run_id: str) -> str:
    """Where the jobs of a run lie that is to be fed, or was until it was cancelled; nothing where none do.

    Raises:
        RedisError, OSError: Redis did not answer.
    """
    async with redis.pipeline(transaction=False) as pipe:
        pipe.hget(keys.run(run_id), "place")
        [place] = await pipe.execute()
    return "" if place is None else str(place.decode())


async def is_still_read(redis: ArqRedis, keys: Keys, place: str) -> bool:
    """Whether a run has batches of this place still to be queued.

    Raises:
        RedisError, OSError: Redis did not answer.
    """
    async with redis.pipeline(transaction=False) as pipe:
        for run_id in await runs_to_feed(redis, keys):
            pipe.hmget(keys.run(run_id), ["place", "fed", "batches"])
        answers = await pipe.execute()
    return any(
        name == place.encode() and batches and int(fed) < int(batches)
        for name, fed, batches in answers
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


async def next_batch(redis: ArqRedis, keys: Keys, run_id: str, high_water: int) -> Next:
    """The batch that is to be fed now, or why there is none.

    Raises:
        RedisError, OSError: Redis did not answer.
    """
    number, place = await run_script(redis, keys, _NEXT, [run_id, high_water])
    return Next(number if number >= 0 else NoBatch(number), place.decode())


async def feed_batch(
    redis: ArqRedis, keys: Keys, run_id: str, following: Next, content: bytes
) -> Fed:
    """Queue the jobs of a batch, unless it is not the next, and go on to the next, all in one step.

    Raises:
        RedisError, OSError: Redis did not answer; feeding it again changes nothing if it did.
        ValueError: it is no batch.
    """
    place, number = following.place, int(following.batch)
    payloads = _payloads_in(run_id, number, content)
    now = utcnow().isoformat()
    words: list[str | bytes | int] = [run_id, place, number, len(payloads), now]
    n_queued, strangers = await run_script(redis, keys, _FEED, [*words, as_lines(payloads)])
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


async def end_feeding(redis: ArqRedis, keys: Keys, run_id: str, place: str) -> None:
    """Forget that the run was fed from this place, once all of it is and its batches are dropped.

    Raises:
        RedisError, OSError: Redis did not answer.
    """
    await run_script(redis, keys, _END, [run_id, place])
