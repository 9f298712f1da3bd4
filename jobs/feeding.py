"""Runs that workers queue themselves: their jobs lie in the record store by the batch, until there is room for them."""

import gzip
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from enum import IntEnum

from arq.connections import ArqRedis

from . import wire
from .clock import derived_id, milliseconds_of, utcnow
from .keys import Keys
from .models import PromptJob
from .payloads import as_lines, job_in, payload_of
from .scanning import members_of
from .scripts import PAGE, run_script

_FORGOTTEN_MS = 3_600_000

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
