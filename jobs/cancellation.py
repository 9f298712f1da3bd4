"""Takes jobs out of the queue, and asks workers to stop those that they have."""

from collections.abc import Sequence
from dataclasses import dataclass

from arq.connections import ArqRedis

from .events import JobCancelled
from .keys import CANCEL_SECONDS, Keys
from .scripts import run_script

# How long a wish is kept, then ids and the events that tell of their end. Answers with the numbers of those that were
# taken out and of those that are running. In one step, so that no wish outlives the run of the job that it is about.
_CANCEL = """
local n_taken, n_running = 0, 0
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
        if run then count(run, 'cancelled', 1) end
        tell(EVENTS .. (run or id), ARGV[i + 1])
        n_taken = n_taken + 1
    end
end
return {n_taken, n_running}
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


async def cancel_jobs(redis: ArqRedis, keys: Keys, job_ids: Sequence[str]) -> Cancelled:
    """Cancel so many jobs, a page at most, wherever they are; those that are nowhere are left out of the count."""
    words = [word for job_id in job_ids for word in (job_id, JobCancelled(job_id=job_id).to_json())]
    n_taken, n_running = await run_script(redis, keys, _CANCEL, [CANCEL_SECONDS, *words])
    return Cancelled(n_taken, n_running)
