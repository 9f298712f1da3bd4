"""Takes jobs out of the queue, and asks workers to stop those that they have."""

from collections.abc import Sequence
from dataclasses import dataclass

from arq.connections import ArqRedis

from .events import JobCancelled
from .keys import CANCEL_SECONDS, Keys
from .models import Record
from .records import RecordStore
from .scripts import run_script

FAILURE = "record"
"""Where a dead letter that is tried again keeps the record of its failure."""

# How long a wish is kept, then ids and the events that tell of their end. Answers with the numbers of those that were
# taken out and of those that are running. In one step, so that no wish outlives the run of the job that it is about.
_CANCEL = """
local n_taken, n_running, failed = 0, 0, {}
for i = 2, #ARGV, 2 do
    local id = ARGV[i]
    local kind, where, score = place_of(id)
    if kind == 'leased' and tonumber(score) > now() then
        redis.call('SET', WISH .. id, '1', 'EX', ARGV[1])
        call_out('stop:' .. id)
        n_running = n_running + 1
    elseif kind then
        local run = run_of(job_of(id))
        if kind == 'held' then
            redis.call('ZREM', HELD .. where, id)
        else
            redis.call('ZREM', (kind == 'waiting' and WAITING or LEASED) .. where, id)
            forget_empty(where)
        end
        forget(id)
        if fail_again(id, run) then
            failed[#failed + 1] = id
        elseif run then
            count(run, 'cancelled', 1)
        end
        tell(EVENTS .. (run or id), ARGV[i + 1])
        n_taken = n_taken + 1
    end
end
return {n_taken, n_running, failed}
"""


@dataclass(frozen=True)
class Cancelled:
    """What became of jobs that were to be cancelled."""

    n_taken: int
    """Taken out of the queue."""
    n_running: int
    """Left to the workers that have them, which will stop before their next step."""

    def __add__(self, other: "Cancelled") -> "Cancelled":
        return Cancelled(self.n_taken + other.n_taken, self.n_running + other.n_running)


async def cancel_jobs(
    redis: ArqRedis, keys: Keys, records: RecordStore, job_ids: Sequence[str]
) -> Cancelled:
    """Cancel so many jobs, a page at most, wherever they are; those that are nowhere are left out of the count.

    One that was tried again after it had failed because of us has failed as before, with its record and dead letter.

    Raises:
        RedisError, OSError: Redis did not answer.
        StoreError: the record of such a job cannot be put back; its dead letter is there.
    """
    words = [word for job_id in job_ids for word in (job_id, JobCancelled(job_id=job_id).to_json())]
    n_taken, n_running, failed = await run_script(redis, keys, _CANCEL, [CANCEL_SECONDS, *words])
    for job_id in failed:
        await put_failure_back(redis, keys, records, job_id.decode())
    return Cancelled(n_taken, n_running)


async def put_failure_back(redis: ArqRedis, keys: Keys, records: RecordStore, job_id: str) -> None:
    """Keep the record again that a job had before it was tried again, if it ever was; again, it changes nothing.

    Raises:
        RedisError, OSError: Redis did not answer.
        StoreError: it cannot be kept.
    """
    async with redis.pipeline(transaction=False) as pipe:
        pipe.hget(keys.dead_letter(job_id), FAILURE)
        [kept] = await pipe.execute()
    if kept is not None:
        await records.put(Record.model_validate_json(kept))
