"""The one step of Redis that decides on instants and starts their runs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from arq.connections import ArqRedis

from jobs.budgets import BUDGET
from jobs.clock import milliseconds_of, time_at, utcnow
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
local fates = {{}}

local function read(found)
    return cjson.decode(string.sub(found, string.find(found, ' ', 1, true) + 1))
end

local function row_at(at)
    local found = redis.call('ZRANGEBYSCORE', INSTANTS, at, at)[1]
    return found and read(found)
end

local function has_run(row)
    return row and row.runId ~= cjson.null
end

local function note(at, fate, reason, run)
    local row = {{fate = fate, reason = reason, runId = run or cjson.null, decidedAt = plan.created}}
    redis.call('ZREMRANGEBYSCORE', INSTANTS, at, at)
    redis.call('ZADD', INSTANTS, at, at .. ' ' .. cjson.encode(row))
    redis.call('ZREMRANGEBYRANK', INSTANTS, 0, -{HISTORY + 1})
    fates[#fates + 1] = at
    fates[#fates + 1] = fate
end

local function pause(reason)
    redis.call('HSETNX', SCHEDULE, 'paused', reason)
end

local function is_paused()
    return redis.call('HEXISTS', SCHEDULE, 'paused') == 1
end

-- Whether a run is not over, and what went wrong with it because of us, with the instant that it was started for.
local function look_at(run)
    local fields, raw = {{}}, redis.call('HGETALL', RUN .. run)
    for i = 1, #raw, 2 do fields[raw[i]] = raw[i + 1] end
    local ended, failed = 0, tonumber(fields['verdict:internal_error'] or 0)
    for name, n in pairs(fields) do
        if string.sub(name, 1, 8) == 'verdict:' then ended = ended + n end
    end
    local open = math.max(0, (fields.submitted or 0) - ended - (fields.cancelled or 0)) + (fields.toFeed or 0)
    local cause, fault = fields.cause or '', ''
    local is_open = open > 0 and fields.state ~= 'cancelled' and cause ~= '{BUDGET}'
    if cause ~= '' then
        fault = 'it stands still: ' .. (fields.reason or cause)
    elseif not is_open and failed > 0 then
        fault = failed .. ' of its jobs failed because of us'
    end
    return is_open, fault, fields
end

-- A fault is put down once: whoever resumes the schedule knows of it.
local function heed(run, fault, fields)
    if fault == (fields.fault or '') then return end
    redis.call('HSET', RUN .. run, 'fault', fault)
    if fault == '' then return end
    if row_at(fields.instant) then note(fields.instant, 'failed', fault, run) end
    if plan.pauseOnFailure then pause('run ' .. run .. ' failed: ' .. fault) end
end

-- The runs that are not over. The one that was started last may be begun again when it is.
local function look_round()
    local last = redis.call('HGET', SCHEDULE, 'last') or ''
    local still, seen = {{}}, {{}}
    for run in string.gmatch((redis.call('HGET', SCHEDULE, 'running') or '') .. ' ' .. last, '%S+') do
        if not seen[run] then
            seen[run] = true
            local is_open, fault, fields = look_at(run)
            if fields.instant then heed(run, fault, fields) end
            if is_open then still[#still + 1] = run end
        end
    end
    return still
end

local function start(step, running, reason)
    if redis.call('EXISTS', RUN .. step.run) == 1 then
        if not row_at(step.at) then note(step.at, 'failed', 'there is a run of this name already', step.run) end
        return
    end
    note_run(step.run, plan.created)
    redis.call('HSET', RUN .. step.run, 'batches', plan.batches, 'fed', 0, 'toFeed', plan.jobs, 'lane', plan.lane,
        'due', step.due, 'place', plan.template, 'instant', step.at, 'part', plan.part, 'begun', plan.begun)
    if #plan.budget > 0 then redis.call('HSET', RUN .. step.run, unpack(plan.budget)) end
    redis.call('SADD', FEEDING, step.run)
    redis.call('HSET', SCHEDULE, 'last', step.run)
    running[#running + 1] = step.run
    note(step.at, step.fate, reason, step.run)
end

local function consider(step, running)
    local first = running[1]
    if is_paused() and not step.byHand then
        note(step.at, 'paused', redis.call('HGET', SCHEDULE, 'paused'))
    elseif not first or step.pastOverlap or plan.overlap == '{Overlap.ALLOW}' then
        start(step, running, step.reason)
    elseif plan.overlap == '{Overlap.CANCEL_OLD}' then
        for i = #running, 1, -1 do
            redis.call('SADD', SUPERSEDED, running[i])
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

-- The clock was set back: what seemed to have been missed is still to come.
local function forget_after(at)
    for _, found in ipairs(redis.call('ZRANGEBYSCORE', INSTANTS, '(' .. at, '+inf')) do
        if not has_run(read(found)) then redis.call('ZREM', INSTANTS, found) end
    end
end

-- A full server refuses this one, and with it everything.
redis.call('HSET', SCHEDULE, 'decidedTo', plan.decidedTo)
if tonumber(plan.decidedTo) < tonumber(plan.seenTo) then forget_after(plan.decidedTo) end
local running = look_round()
local waiting = redis.call('HGET', SCHEDULE, 'waiting')
if waiting and (#running == 0 or is_paused()) then
    redis.call('HDEL', SCHEDULE, 'waiting')
    local step = cjson.decode(waiting)
    step.reason = 'it waited for the run before'
    consider(step, running)
end
for _, step in ipairs(plan.steps) do
    -- One that has its run was decided on before the clock was set back.
    if step.byHand or not has_run(row_at(step.at)) then
        if step.fate == 'missed' and not is_paused() then
            note(step.at, step.fate, step.reason)
        else
            consider(step, running)
        end
    end
end
redis.call('HSET', SCHEDULE, 'running', table.concat(running, ' '))
local look = plan.nextAt
if #running > 0 then look = math.min(look, now() + {_LOOK_MS}) end
redis.call('ZADD', SCHEDULES, look, plan.name)
if #plan.steps > 0 then call_out('due') end
return fates
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
) -> dict[datetime, Fate] | None:
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
        "part": "" if schedule.part is None else schedule.part.to_json(),
        "begun": "" if schedule.begun is None else schedule.begun.to_json(),
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
    if answer == [_TOO_LATE]:
        return None
    pairs = zip(answer[::2], answer[1::2], strict=True)
    return {time_at(int(at)): Fate(fate.decode()) for at, fate in pairs}


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
