"""What a run is of and was begun with: settled when it begins, so that it is of one part to its end."""

from .begun import Begun
from .connection import expecting_answer
from .models import Record
from .parts import Part
from .queue import JobQueue
from .runs import find_run, unknown_run_in
from .scripts import run_script

# A run, the part that it is to be of, or nothing for all of it, and what else it is begun with, or nothing; gives which
# part it is of. What else it was begun with is what it was last gone on with.
_SETTLE = """
local run, part, begun = RUN .. ARGV[1], ARGV[2], ARGV[3]
local was, n_submitted, n_to_feed = unpack(redis.call('HMGET', run, 'part', 'submitted', 'toFeed'))
local is_begun = n_submitted or n_to_feed or redis.call('EXISTS', HELD .. ARGV[1]) == 1
local goes_on = is_begun and state_of(ARGV[1]) ~= 'cancelled'
if goes_on and (was or '') ~= part then return was or '' end
redis.call('HSET', run, 'part', part)
if begun ~= '' or not goes_on then redis.call('HSET', run, 'begun', begun) end
redis.call('EXPIRE', run, RUN_SECONDS)
return part
"""


async def settle_part(
    queue: JobQueue, run_id: str, part: Part | None, begun: Begun | None = None
) -> Part | None:
    """What the run is of: this part from now on, unless it was begun with another and not cancelled since.

    What else it is begun with is kept where the part is its own; None leaves that of a run that goes on as it was.

    Raises:
        RedisUnreachableError: Redis did not answer.
    """
    words = ["" if each is None else each.to_json() for each in (part, begun)]
    with expecting_answer(f"it cannot be told what run {run_id!r} is of"):
        settled: bytes = await run_script(queue.redis, queue.keys, _SETTLE, [run_id, *words])
    return Part.model_validate_json(settled) if settled else None


async def how_begun(queue: JobQueue, run_id: str) -> tuple[Part | None, Begun | None]:
    """Which part of its dataset a run is of that was begun before, and what else it was begun with.

    No part is all of it; nothing else is known of a run that is of no dataset.

    Raises:
        RunNotFoundError: there is none, neither in Redis nor among the records.
        RedisUnreachableError: Redis did not answer.
        StoreError: the records cannot be read.
    """
    run = await find_run(queue, run_id)
    if run is not None:
        return run.part, run.begun
    # Redis forgets what ended long ago.
    job_id, n_samples = "", 0
    async for summary in queue.records.summaries(run_id=run_id):
        job_id, n_samples = summary.job_id, max(n_samples, summary.sample + 1)
    if not job_id:
        raise await unknown_run_in(queue, run_id)
    record = await queue.records.get(job_id)
    return record.job.part, _as_recorded_in(record, n_samples)


def _as_recorded_in(record: Record, samples: int) -> Begun:
    # As much of it as one of its records tells.
    job = record.job
    return Begun(
        samples=samples,
        model=record.requested_model,
        conversation=job.conversation,
        cache=job.cache,
        code_execution=job.code_execution,
        as_recorded=job.as_recorded,
        in_batches=any(attempt.reply.batch is not None for attempt in record.attempts),
        queue=job.queue,
        priority=job.priority,
    )
