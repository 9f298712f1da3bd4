"""Leaves the jobs of a run to the workers: they are written into the record store, and then registered in Redis."""

import contextlib
import gzip
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from redis.exceptions import RedisError

from .clock import milliseconds_of, new_id, utcnow
from .connection import expecting_answer
from .errors import PromptmillError, RunCancelledError, UsageError
from .feeding import end_feeding
from .lanes import lane_of
from .models import PromptJob
from .payloads import payload_of
from .queue import JobQueue
from .recorded import recorded_of
from .records import RecordStore
from .scripts import PAGE, PAGE_BYTES, run_script

# Each of these may come twice, and does the same as once: the connection repeats what it has heard no answer to.

# Batches lie in a place of their own for each hand-over, so that whoever is late touches none of another's.
# A run, who hands it over, for how long a sign of life counts, and the time now; gives the place, and that of the
# hand-over before, which may have left something behind.
_BEGIN = """
local run, who, term, created = unpack(ARGV)
if state_of(run) == 'cancelled' then return {-1} end
local batches, till, their, n = unpack(
    redis.call('HMGET', RUN .. run, 'batches', 'handingTill', 'handing', 'handOvers'))
if batches then return {0} end
if their ~= who then
    if till and tonumber(till) > now() then return {-3} end
    n = redis.call('HINCRBY', RUN .. run, 'handOvers', 1)
end
local place = run .. '+' .. exact(n)
redis.call('HSET', RUN .. run, 'place', place, 'handing', who, 'handingTill', exact(now() + term))
redis.call('SADD', FEEDING, run)
note_run(run, created)
return {1, place, run .. '+' .. exact(n - 1)}
"""

# The next two go on only while the place is still that of the run.
_IS_OURS = """
local run, place = ARGV[1], ARGV[2]
local mine, till, registered = unpack(redis.call('HMGET', RUN .. run, 'place', 'handingTill', 'handedOver'))
if registered == place then return 1 end
if state_of(run) == 'cancelled' then return -1 end
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
redis.call('HSET', RUN .. run, 'batches', ARGV[3], 'fed', 0, 'toFeed', ARGV[4], 'lane', ARGV[5], 'due', ARGV[6],
    'handedOver', place)
redis.call('HDEL', RUN .. run, 'handing', 'handingTill')
redis.call('EXPIRE', RUN .. run, RUN_SECONDS)
return 1
"""

# A run, and a place: whether what lies there may be removed. What is registered is not, and nothing is from now on.
_GIVE_UP = """
local run, place = ARGV[1], ARGV[2]
local mine, registered = unpack(redis.call('HMGET', RUN .. run, 'place', 'handedOver'))
if registered == place then return 0 end
if mine == place then redis.call('HDEL', RUN .. run, 'handing', 'handingTill') end
return 1
"""
_TERM_MS = 15_000
_LOST, _UNDER_WAY = -2, -3
_CANCELLED = -1


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
    place, before = await _begin(queue, run_id)
    try:
        await queue.records.drop_batches(before)
        recorded = (await recorded_of(queue.records, run_id)).ids
        fresh = (job for job in jobs if job.job_id not in recorded)
        silent = f"run {run_id!r} was not handed over"
        renew = partial(_say, queue, _RENEW, [run_id, place, _TERM_MS], silent)
        kept = await keep_batches(queue.records, place, fresh, before_each=renew)
        if kept.n_jobs:
            due = "" if at is None else str(milliseconds_of(at))
            words = (run_id, place, kept.n_batches, kept.n_jobs, kept.lane, due)
            unsure = f"it cannot be told whether run {run_id!r} is handed over"
            await _say(queue, _REGISTER, words, unsure)
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
    """Where the jobs are to lie, and where those of the hand-over before lie, if they do."""
    with expecting_answer(f"it cannot be told whether run {run_id!r} is being fed"):
        words: list[str | int] = [run_id, new_id("hand"), _TERM_MS, utcnow().isoformat()]
        answer, *places = await run_script(queue.redis, queue.keys, _BEGIN, words)
    _refuse(run_id, answer)
    place, before = places
    return place.decode(), before.decode()


async def _say(queue: JobQueue, script: str, words: Sequence[str | int], what_failed: str) -> None:
    with expecting_answer(what_failed, note="do it again: no job is queued twice"):
        answer = await run_script(queue.redis, queue.keys, script, words)
    _refuse(str(words[0]), answer)


async def _withdraw(queue: JobQueue, run_id: str, place: str) -> None:
    """Remove what was written, unless it is registered: whoever is stopped may not have heard that it is."""
    with expecting_answer(f"run {run_id!r} was not handed over"):
        if await run_script(queue.redis, queue.keys, _GIVE_UP, [run_id, place]):
            await queue.records.drop_batches(place)
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
            f"run {run_id!r} was given up, or taken over by another command, while this one was silent",
            fixes=[see, "or type this again: no job is queued twice"],
            note="none was added",
        )
    if not answer:
        raise UsageError(
            f"workers are queueing the jobs of run {run_id!r} already",
            fixes=[see],
            note="none was added",
        )
