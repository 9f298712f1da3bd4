"""The one step of Redis that decides on instants and starts their runs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from arq.connections import ArqRedis

from jobs.clock import milliseconds_of, utcnow
from jobs.keys import Keys
from jobs.scripts import run_script

from .deciding import Plan, Step
from .models import Fate, Schedule, ScheduleState, run_id_of
from .policies import Overlap

HISTORY = 1000
"""Instants of each schedule whose fate is kept."""
_LOOK_MS = 2000

# Nothing is done unless the schedule is as it was when its instants were decided on: of two who decide at once, one
# comes too late, and whoever is killed has decided and started all of it or nothing.
_FIRE = f"""
local SCHEDULE, INSTANTS, SCHEDULES, SUPERSEDED = unpack(ARGV, 1, 4)
local plan = cjson.decode(ARGV[5])
if redis.call('HGET', SCHEDULE, 'decidedTo') ~= plan.seenTo
    or redis.call('HGET', SCHEDULE, 'definition') ~= ARGV[6] then return {{-1}} end
local counts = {{}}

local function note(at, fate, reason, run)
    local row = {{fate = fate, reason = reason, runId = run or cjson.null, decidedAt = plan.created}}
    redis.call('ZREMRANGEBYSCORE', INSTANTS, at, at)
    redis.call('ZADD', INSTANTS, at, at .. ' ' .. cjson.encode(row))
    redis.call('ZREMRANGEBYRANK', INSTANTS, 0, -{HISTORY + 1})
    counts[#counts + 1] = fate
end

local function pause(reason)
    redis.call('HSETNX', SCHEDULE, 'paused', reason)
end

-- Whether a run is not over, and what went wrong with it because of us.
local function look_at(run)
    local fields, raw = {{}}, redis.call('HGETALL', RUN .. run)
    for i = 1, #raw, 2 do fields[raw[i]] = raw[i + 1] end
    local ended, failed = 0, tonumber(fields['verdict:internal_error'] or 0)
    for name, n in pairs(fields) do
        if string.sub(name, 1, 8) == 'verdict:' then ended = ended + n end
    end
    local open = math.max(0, (fields.submitted or 0) - ended - (fields.cancelled or 0)) + (fields.toFeed or 0)
    local cause = fields.cause or ''
    local is_open = open > 0 and fields.state ~= 'cancelled' and cause ~= 'budget-reached'
    if cause ~= '' then return is_open, 'it stands still: ' .. (fields.reason or cause) end
    if not is_open and failed > 0 then return is_open, failed .. ' of its jobs failed because of us' end
    return is_open, nil
end

local function row_of(run)
    local at = redis.call('HGET', SCHEDULE, 'at:' .. run)
    local found = at and redis.call('ZRANGEBYSCORE', INSTANTS, at, at)[1]
    return at, found and cjson.decode(string.sub(found, string.find(found, ' ', 1, true) + 1))
end

-- The runs that are not over; the others are put down with what came of them.
local function look_round()
    local still = {{}}
    for run in string.gmatch(redis.call('HGET', SCHEDULE, 'running') or '', '%S+') do
        local is_open, fault = look_at(run)
        if fault then
            local at, row = row_of(run)
            if row and row.fate ~= 'failed' then note(at, 'failed', fault, run) end
            if plan.pauseOnFailure then pause('run ' .. run .. ' failed: ' .. fault) end
        end
        if is_open then still[#still + 1] = run else redis.call('HDEL', SCHEDULE, 'at:' .. run) end
    end
    return still
end

local function start(step, running, reason)
    if redis.call('EXISTS', RUN .. step.run) == 1 then
        local known = redis.call('ZCOUNT', INSTANTS, step.at, step.at) > 0
        if not known then note(step.at, 'failed', 'there is a run of this name already', step.run) end
        return
    end
    note_run(step.run, plan.created)
    redis.call('HSET', RUN .. step.run, 'batches', plan.batches, 'fed', 0, 'toFeed', plan.jobs, 'lane', plan.lane,
        'due', step.due, 'template', plan.template)
    if #plan.budget > 0 then redis.call('HSET', RUN .. step.run, unpack(plan.budget)) end
    redis.call('SADD', FEEDING, step.run)
    redis.call('HSET', SCHEDULE, 'at:' .. step.run, step.at)
    running[#running + 1] = step.run
    note(step.at, step.fate, reason, step.run)
end

local function consider(step, running)
    local first = running[1]
    if redis.call('HEXISTS', SCHEDULE, 'paused') == 1 and not step.byHand then
        note(step.at, 'paused', redis.call('HGET', SCHEDULE, 'paused'))
    elseif not first or step.pastOverlap or plan.overlap == '{Overlap.ALLOW}' then
        start(step, running, step.reason)
    elseif plan.overlap == '{Overlap.CANCEL_OLD}' then
        for i = #running, 1, -1 do
            redis.call('SADD', SUPERSEDED, running[i])
            redis.call('HDEL', SCHEDULE, 'at:' .. running[i])
            running[i] = nil
        end
        start(step, running, 'in the place of ' .. first)
    elseif plan.overlap == '{Overlap.QUEUE_ONE}' and redis.call('HEXISTS', SCHEDULE, 'waiting') == 0 then
        redis.call('HSET', SCHEDULE, 'waiting', cjson.encode(step))
        note(step.at, 'waiting', 'for the end of ' .. first, step.run)
    else
        note(step.at, 'skipped', first .. ' was not over')
    end
end

-- A full server refuses this one, and with it everything.
redis.call('HSET', SCHEDULE, 'decidedTo', plan.decidedTo)
local running = look_round()
local waiting = redis.call('HGET', SCHEDULE, 'waiting')
if waiting and #running == 0 then
    redis.call('HDEL', SCHEDULE, 'waiting')
    local step = cjson.decode(waiting)
    step.reason = 'it waited for the run before'
    consider(step, running)
end
for _, step in ipairs(plan.steps) do
    if step.fate == 'missed' then
        note(step.at, step.fate, step.reason)
    else
        consider(step, running)
    end
end
redis.call('HSET', SCHEDULE, 'running', table.concat(running, ' '))
local look = plan.nextAt
if #running > 0 then look = math.min(look, now() + {_LOOK_MS}) end
redis.call('ZADD', SCHEDULES, look, plan.name)
if #plan.steps > 0 then call_out('due') end
return counts
"""
_NEVER_MS = 2**52
_TOO_LATE = -1


@dataclass(frozen=True)
class Found:
    """A schedule as it stands in Redis, and the words that stand there."""

    state: ScheduleState
    definition: bytes
    decided_to: str


async def fire(
    redis: ArqRedis, keys: Keys, found: Found, decided: Plan, *, by_hand: bool = False
) -> list[Fate] | None:
    """Put a plan into effect, all of it or nothing; gives what became of the instants that it touched.

    None if the schedule is not as it was found by now, and nothing was done. `by_hand` starts runs of a paused
    schedule, too.

    Raises:
        RedisError, OSError: Redis did not answer; doing it again changes nothing if it did.
    """
    schedule = found.state.schedule
    next_at = _NEVER_MS if decided.next_at is None else milliseconds_of(decided.next_at)
    told = {
        "name": schedule.name,
        "seenTo": found.decided_to,
        "decidedTo": str(milliseconds_of(decided.decided_to)),
        "nextAt": next_at,
        "created": utcnow().isoformat(),
        "steps": [_told(schedule, step, by_hand=by_hand) for step in decided.steps],
        "overlap": schedule.overlap,
        "pauseOnFailure": schedule.pause_on_failure,
        "template": schedule.template.name,
        "batches": schedule.template.n_batches,
        "jobs": schedule.template.n_jobs,
        "lane": schedule.template.lane,
        "budget": [str(word) for pair in schedule.budget.fields().items() for word in pair],
    }
    places = [
        keys.schedule(schedule.name),
        keys.instants(schedule.name),
        keys.schedules,
        keys.superseded,
    ]
    words: Sequence[str | bytes] = [*places, json.dumps(told), found.definition]
    answer = await run_script(redis, keys, _FIRE, words)
    return None if answer == [_TOO_LATE] else [Fate(fate.decode()) for fate in answer]


def _told(schedule: Schedule, step: Step, *, by_hand: bool) -> dict[str, object]:
    return {
        "at": _score(step.at),
        "run": run_id_of(schedule.name, step.at),
        "fate": step.fate,
        "reason": step.reason,
        "due": "" if step.due is None else _score(step.due),
        "pastOverlap": step.past_overlap,
        "byHand": by_hand,
    }


def _score(at: datetime) -> str:
    return str(milliseconds_of(at))
