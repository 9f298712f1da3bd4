"""Whether a run is asked live or in batches: its jobs wait in one place, and only those who serve it work on them."""

from enum import StrEnum

from .connection import expecting_answer
from .queue import JobQueue
from .scripts import run_script

# A run, and how it is to be asked; gives how it is. What is queued without a word of it is asked live.
_SETTLE = """
local run, way = RUN .. ARGV[1], ARGV[2]
local was, n_submitted, n_to_feed = unpack(redis.call('HMGET', run, 'asked', 'submitted', 'toFeed'))
if n_submitted or n_to_feed or redis.call('EXISTS', HELD .. ARGV[1]) == 1 then was = was or 'live' end
if was and state_of(ARGV[1]) ~= 'cancelled' then return was end
redis.call('HSET', run, 'asked', way)
redis.call('EXPIRE', run, RUN_SECONDS)
return way
"""


class Way(StrEnum):
    """How the model is asked for the jobs of a run."""

    LIVE = "live"
    """Job by job, by whichever worker."""
    BATCH = "batch"
    """By the Batch API, by the command that waits for it."""


async def settle_way(queue: JobQueue, run_id: str, way: Way) -> Way:
    """How the run is asked: this way from now on, unless it was begun the other way and not cancelled since.

    Raises:
        RedisUnreachableError: Redis did not answer.
    """
    with expecting_answer(f"it cannot be told how run {run_id!r} is asked"):
        settled: bytes = await run_script(queue.redis, queue.keys, _SETTLE, [run_id, way])
    return Way(settled.decode())
