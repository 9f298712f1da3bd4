"""Holds a run, lets it go on, or ends it, wherever its jobs are."""

from collections import defaultdict
from collections.abc import Sequence

from arq.connections import ArqRedis
from arq.constants import job_key_prefix

from .budgets import Budget
from .cancellation import Cancelled, cancel_jobs
from .connection import expecting_answer
from .errors import UsageError
from .feeding import place_of_run
from .keys import Keys
from .lanes import Lane, lane_of
from .payloads import job_in
from .queue import JobQueue
from .runs import RunState, find_run, get_run, unknown_run_in
from .scanning import all_of_run, waiting_of_run
from .schedules.templates import forget_feeding
from .scripts import PAGE, run_script
from .ways import Way

# A run, the state that it is to be in, why, and what paused it if nobody did; gives the state that it was in, or
# nothing where there is no such run.
_SET_STATE = """
local run, state, reason, cause = unpack(ARGV)
if redis.call('EXISTS', RUN .. run) == 0 then return false end
local was = state_of(run)
if was == 'cancelled' then return was end
-- Whatever stopped it by itself says nothing on top of another stop; a person's word stays when that is mended.
if was == state and cause ~= '' then return was end
redis.call('HSET', RUN .. run, 'state', state, 'reason', reason, 'cause', cause)
stop_clock(run)
if state == 'cancelled' then stop_feeding(run) end
redis.call('EXPIRE', RUN .. run, RUN_SECONDS)
return was
"""

# A run and a state, and whether nobody may have chosen it: takes that state, and no other, from it.
_CLEAR_STATE = """
if state_of(ARGV[1]) ~= ARGV[2] then return 0 end
if ARGV[3] == 'unchosen' and (redis.call('HGET', RUN .. ARGV[1], 'cause') or '') == '' then return 0 end
redis.call('HDEL', RUN .. ARGV[1], 'state', 'reason', 'cause')
redis.call('EXPIRE', RUN .. ARGV[1], RUN_SECONDS)
return 1
"""

# A run, a lane, what paused the run (nothing is anything), and ids of jobs of that run: sets those aside that wait
# there, for as long as it is paused by that.
_HOLD = """
local run, lane, cause = ARGV[1], ARGV[2], ARGV[3]
if state_of(run) ~= 'paused' then return 0 end
if cause ~= '' and redis.call('HGET', RUN .. run, 'cause') ~= cause then return 0 end
local n = 0
for i = 4, #ARGV do
    local due = redis.call('ZSCORE', WAITING .. lane, ARGV[i])
    if due then
        redis.call('ZADD', HELD .. run, due, ARGV[i])
        redis.call('ZREM', WAITING .. lane, ARGV[i])
        n = n + 1
    end
end
forget_empty(lane)
return n
"""

# A run, a lane, and ids of jobs that are to wait there: lets them, unless the run is paused again, or cancelled.
_LET_GO = """
local run, lane = ARGV[1], ARGV[2]
if state_of(run) ~= '' then return -1 end
local n = 0
for i = 3, #ARGV do
    local due = redis.call('ZSCORE', HELD .. run, ARGV[i])
    if due and redis.call('EXISTS', JOB .. ARGV[i]) == 1 then
        redis.call('ZADD', WAITING .. lane, due, ARGV[i])
        n = n + 1
    end
    if n == 1 then redis.call('SADD', LANES, lane) end
    redis.call('ZREM', HELD .. run, ARGV[i])
end
call_out('due')
return n
"""
_NOT_ANY_MORE = -1

# A run, and how many jobs at most are queued again that were cancelled: these count as if there had been none.
_FORGET_CANCELLED = """
local run = ARGV[1]
local n = math.min(tonumber(redis.call('HGET', RUN .. run, 'cancelled') or 0), tonumber(ARGV[2]))
if n > 0 then
    count(run, 'cancelled', -n)
    count(run, 'submitted', -n)
end
return n
"""

# A run, then names and values.
_SET_BUDGET = """
redis.call('HSET', RUN .. ARGV[1], unpack(ARGV, 2))
redis.call('EXPIRE', RUN .. ARGV[1], RUN_SECONDS)
"""

# A run.
_LIFT_USD = "redis.call('HDEL', RUN .. ARGV[1], 'max:nanoUsd')"

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


async def pause_run(queue: JobQueue, run_id: str, reason: str) -> int:
    """Let no job of the run be started, and set aside those that wait; gives the number of those.

    Those that are running stop before their next attempt, and lose nothing. Jobs that are still to be submitted to the
    run are set aside as well.

    Raises:
        RunNotFoundError: there is no such run.
        UsageError: it was cancelled.
        RedisUnreachableError: Redis did not answer; pausing it again sets aside the rest.
    """
    with expecting_answer(f"run {run_id!r} is not paused as a whole", note="pause it again"):
        await _set_state(queue, run_id, RunState.PAUSED, reason)
        return await _hold(queue, run_id, "")


async def hold_stopped_run(queue: JobQueue, run_id: str, *, cause: str) -> None:
    """Set aside what waits of a run that was stopped short, so long as nothing but `cause` is what keeps it.

    Raises:
        RedisUnreachableError: Redis did not answer.
    """
    with expecting_answer(f"run {run_id!r} is not set aside as a whole"):
        await _hold(queue, run_id, cause)


async def stop_run_short(
    redis: ArqRedis, keys: Keys, run_id: str, reason: str, *, cause: str
) -> None:
    """Pause a run for a reason that nobody chose: `cause` is the kind of the error that every job of it would meet.

    Its jobs are set aside as workers come to them. One that is paused already, or cancelled, stays as it is; one that
    is not known goes without.

    Raises:
        RedisError, OSError: Redis did not answer; the run may go on.
    """
    await run_script(redis, keys, _SET_STATE, [run_id, RunState.PAUSED, reason, cause])


async def resume_run(queue: JobQueue, run_id: str) -> int:
    """Let a paused run go on; gives the number of the jobs that had been set aside.

    Raises:
        RunNotFoundError: there is no such run.
        UsageError: it is not paused; or jobs of it are left, because this version cannot read them.
        RedisUnreachableError: Redis did not answer; resuming it again lets go of the rest.
    """
    run = await get_run(queue, run_id)
    if run.state is RunState.CANCELLED or (run.state is RunState.ACTIVE and not run.held):
        raise UsageError(
            f"run {run_id!r} is {run.state}, not paused",
            fixes=[f"see how it is: promptmill run show {run_id}"],
        )
    with expecting_answer(f"run {run_id!r} is not resumed as a whole", note="resume it again"):
        await run_script(queue.redis, queue.keys, _CLEAR_STATE, [run_id, RunState.PAUSED, ""])
        return await _let_go(queue, run_id)


async def cancel_run(queue: JobQueue, run_id: str, reason: str) -> Cancelled:
    """Take every job of the run out of the queue, and have workers stop those that they have.

    What is recorded stays. Who is still submitting to the run is told that it was cancelled.

    Raises:
        RunNotFoundError: there is no such run.
        RedisUnreachableError: Redis did not answer; cancelling it again does the rest.
        StoreError: jobs that were still to be queued cannot be removed; cancelling it again does.
    """
    with expecting_answer(f"run {run_id!r} is not cancelled as a whole", note="cancel it again"):
        await _set_state(queue, run_id, RunState.CANCELLED, reason)
        # Only now: until a run is cancelled, somebody may begin to hand it over.
        place = await place_of_run(queue.redis, queue.keys, run_id)
        await forget_feeding(queue.redis, queue.keys, queue.records, run_id, place)
        total, running = Cancelled(0, 0), 0
        while True:
            found = Cancelled(0, 0)
            async for page in all_of_run(queue, run_id):
                found += await cancel_jobs(queue.redis, queue.keys, queue.records, page.job_ids)
            running = found.n_running
            total += Cancelled(found.n_taken, 0)
            # A job may have moved from where it was still to be looked for to where it was looked for before.
            if not found.n_taken:
                return total + Cancelled(0, running)


async def begin_run(queue: JobQueue, run_id: str) -> None:
    """Take back that the run was cancelled, or stopped short: somebody starts it again under its name.

    What a person has paused stays so, until a person resumes it.

    Raises:
        UsageError: jobs of it are left, because this version cannot read them.
        RedisUnreachableError: Redis did not answer.
    """
    with expecting_answer(f"run {run_id!r} was not begun again"):
        for words in ([RunState.CANCELLED, ""], [RunState.PAUSED, "unchosen"]):
            await run_script(queue.redis, queue.keys, _CLEAR_STATE, [run_id, *words])
        await _let_go(queue, run_id)


async def count_again(queue: JobQueue, run_id: str, n_jobs: int) -> None:
    """Count jobs as cancelled no more that are about to be submitted again: `n_jobs` are all that will be.

    Those of them that have neither ended nor are open are new to the run, or were cancelled.

    Raises:
        RedisUnreachableError: Redis did not answer.
    """
    run = await find_run(queue, run_id)
    if run is None or n_jobs <= run.ended + run.open:
        return
    with expecting_answer(f"jobs of run {run_id!r} that were cancelled still count so"):
        n_again = n_jobs - run.ended - run.open
        await run_script(queue.redis, queue.keys, _FORGET_CANCELLED, [run_id, n_again])


async def _set_state(queue: JobQueue, run_id: str, state: RunState, reason: str) -> None:
    was = await run_script(queue.redis, queue.keys, _SET_STATE, [run_id, state, reason, ""])
    if was is None:
        raise await unknown_run_in(queue, run_id)
    if was == RunState.CANCELLED.encode() and state is not RunState.CANCELLED:
        raise UsageError(
            f"run {run_id!r} was cancelled", fixes=["to go on with it, start it again by its name"]
        )


async def _hold(queue: JobQueue, run_id: str, cause: str) -> int:
    n = 0
    async for page in waiting_of_run(queue, run_id):
        if page.lane is not None:
            words = [run_id, page.lane.name, cause, *page.job_ids]
            n += await run_script(queue.redis, queue.keys, _HOLD, words)
    return n


async def _let_go(queue: JobQueue, run_id: str) -> int:
    """Queue again what was set aside, so long as the run is neither paused nor cancelled; gives the number."""
    n, unreadable = 0, 0
    while job_ids := await _first_held(queue, run_id, unreadable):
        lanes = await _lanes_of(queue, job_ids)
        unreadable += len(job_ids) - sum(map(len, lanes.values()))
        for lane, ids in lanes.items():
            n_moved = await run_script(queue.redis, queue.keys, _LET_GO, [run_id, lane.name, *ids])
            if n_moved == _NOT_ANY_MORE:
                return n
            n += n_moved
    if unreadable:
        raise UsageError(
            f"{unreadable} jobs of run {run_id!r} were not queued by this version of promptmill, and stay held",
            fixes=["resume the run with that version"],
            note=f"{n} jobs go on",
        )
    return n


async def _first_held(queue: JobQueue, run_id: str, n_skipped: int) -> list[bytes]:
    place, last = queue.keys.held(run_id), n_skipped + PAGE - 1
    found: list[bytes] = await queue.redis.zrange(place, n_skipped, last)
    return found


async def _lanes_of(queue: JobQueue, job_ids: Sequence[bytes]) -> dict[Lane, list[str]]:
    payloads = await queue.redis.mget([job_key_prefix.encode() + job_id for job_id in job_ids])
    lanes: dict[Lane, list[str]] = defaultdict(list)
    for job_id, payload in zip(job_ids, payloads, strict=True):
        try:
            lanes[lane_of(job_in(payload or b""))].append(job_id.decode())
        except ValueError:
            continue
    return lanes


async def set_budget(queue: JobQueue, run_id: str, budget: Budget) -> None:
    """Give the run this budget from now on; what is not set in it stays as it is, and what is used stays used.

    Raises:
        UsageError: nothing is set in it.
        RedisUnreachableError: Redis did not answer.
    """
    if not budget.is_set:
        raise UsageError("a budget without any limit is none", note="nothing was changed")
    words = [word for pair in budget.fields().items() for word in pair]
    with expecting_answer(f"run {run_id!r} was not given its budget"):
        await run_script(queue.redis, queue.keys, _SET_BUDGET, [run_id, *words])


async def lift_usd_limit(queue: JobQueue, run_id: str) -> None:
    """Let the run cost whatever it takes; its other limits stay as they are.

    Raises:
        RedisUnreachableError: Redis did not answer.
    """
    with expecting_answer(f"the limit of run {run_id!r} was not lifted"):
        await run_script(queue.redis, queue.keys, _LIFT_USD, [run_id])


async def settle_way(queue: JobQueue, run_id: str, way: Way) -> Way:
    """How the run is asked: this way from now on, unless it was begun the other way and not cancelled since.

    Raises:
        RedisUnreachableError: Redis did not answer.
    """
    with expecting_answer(f"it cannot be told how run {run_id!r} is asked"):
        settled: bytes = await run_script(queue.redis, queue.keys, _SETTLE, [run_id, way])
    return Way(settled.decode())
