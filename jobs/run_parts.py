"""Which part of its dataset a run is of: settled when it begins, so that it is of one part to its end."""

from .connection import expecting_answer
from .parts import Part
from .queue import JobQueue
from .runs import find_run, unknown_run
from .scripts import run_script

# A run, and the part that it is to be of, or nothing for all of it; gives which it is of.
_SETTLE = """
local run, part = RUN .. ARGV[1], ARGV[2]
local was, n_submitted, n_to_feed = unpack(redis.call('HMGET', run, 'part', 'submitted', 'toFeed'))
local is_begun = n_submitted or n_to_feed or redis.call('EXISTS', HELD .. ARGV[1]) == 1
if is_begun and state_of(ARGV[1]) ~= 'cancelled' then return was or '' end
redis.call('HSET', run, 'part', part)
redis.call('EXPIRE', run, RUN_SECONDS)
return part
"""


async def settle_part(queue: JobQueue, run_id: str, part: Part | None) -> Part | None:
    """What the run is of: this part from now on, unless it was begun with another and not cancelled since.

    Raises:
        RedisUnreachableError: Redis did not answer.
    """
    words = "" if part is None else part.to_json()
    with expecting_answer(f"it cannot be told what run {run_id!r} is of"):
        settled: bytes = await run_script(queue.redis, queue.keys, _SETTLE, [run_id, words])
    return Part.model_validate_json(settled) if settled else None


async def part_of_run(queue: JobQueue, run_id: str) -> Part | None:
    """Which part of its dataset a run is of that was begun before; None is all of it.

    Raises:
        RunNotFoundError: there is none, neither in Redis nor among the records.
        RedisUnreachableError: Redis did not answer.
        StoreError: the records cannot be read.
    """
    run = await find_run(queue, run_id)
    if run is not None:
        return run.part
    # Redis forgets what ended long ago.
    async for summary in queue.records.summaries(run_id=run_id, limit=1):
        return (await queue.records.get(summary.job_id)).job.part
    raise unknown_run(run_id)
