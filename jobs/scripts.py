"""What our Lua scripts share: the names of keys, the server's clock, where a job is, and how one is queued."""

from collections.abc import Sequence
from typing import Any

from arq.connections import ArqRedis
from arq.constants import in_progress_key_prefix, job_key_prefix, retry_key_prefix

from .events import TELL
from .keys import RUN_SECONDS, Keys
from .lanes import ANYBODY, Lane
from .priorities import Priority

PAGE = 500
"""Jobs that one call of a script looks at: about a millisecond in which the server does nothing else."""

PAGE_BYTES = 4 * 2**20
"""Their size in one call that queues them, about, should they be long ones."""

# A name that ends in a colon is the beginning of keys. All is done in one step, and by the server's clock, which every
# producer and every worker shares.
_PRELUDE = f"""
local LANES, WAITING, LEASED, HELD, RUN, RUNS, EVENTS, WAKE, JOB, DELIVERIES, CLAIM, CHECKPOINT, WISH, DEAD, LETTER,
    FEEDING, LIMIT, SLOTS, ASKED, SPOKEN_FOR, SETTLED, PLACES = unpack(KEYS)
local RUN_SECONDS = {RUN_SECONDS}
{TELL}
local function now()
    local time = redis.call('TIME')
    return time[1] * 1000 + time[2] / 1000
end

-- Heard at once by whoever listens. Where nobody may call out, workers look now and then; that must break off no step.
local function call_out(word)
    redis.pcall('PUBLISH', WAKE, word)
end

-- As a command is given it; where Lua itself makes a number text, digits are lost.
local function exact(number)
    return string.format('%.17g', number)
end

-- The job as it was queued, or nil; false where it is none that can be read here.
local function job_of(id)
    local raw = redis.call('GET', JOB .. id)
    if not raw then return nil end
    local is_read, message = pcall(cjson.decode, raw)
    local job = is_read and type(message) == 'table' and type(message.a) == 'table' and message.a[1]
    return type(job) == 'table' and job or false
end

local function run_of(job)
    return job and type(job.runId) == 'string' and job.runId or nil
end

-- Whether a queued job is of this run. It is only read where the words are: in no text of a job, but in its metadata.
local function is_of(id, run)
    local raw = redis.call('GET', JOB .. id)
    return raw and string.find(raw, '"runId":"' .. run .. '"', 1, true) and run_of(job_of(id)) == run
end

-- What a place is, its lane or run, and the score there; nil where the job is in none of ours.
local function place_of(id)
    for _, lane in ipairs(redis.call('SMEMBERS', LANES)) do
        local due = redis.call('ZSCORE', WAITING .. lane, id)
        if due then return 'waiting', lane, due end
        local ending = redis.call('ZSCORE', LEASED .. lane, id)
        if ending then return 'leased', lane, ending end
    end
    local run = run_of(job_of(id))
    local due = run and redis.call('ZSCORE', HELD .. run, id)
    if due then return 'held', run, due end
end

local function forget_empty(lane)
    if redis.call('EXISTS', WAITING .. lane, LEASED .. lane) == 0 then redis.call('SREM', LANES, lane) end
end

-- All that is kept of a job goes with it.
local function forget(id)
    redis.call('DEL', JOB .. id, DELIVERIES .. id, CLAIM .. id, CHECKPOINT .. id, WISH .. id)
end

local function count(run, field, n)
    redis.call('HINCRBY', RUN .. run, field, n)
    redis.call('EXPIRE', RUN .. run, RUN_SECONDS)
end

-- Cancelled after a retry, a job has failed because of us as it had before; gives whether it is one of those.
local function fail_again(id, run)
    if redis.call('EXISTS', LETTER .. id) == 0 or redis.call('ZSCORE', DEAD, id) then return false end
    redis.call('ZADD', DEAD, now(), id)
    redis.call('EXPIRE', LETTER .. id, RUN_SECONDS)
    if run then count(run, 'verdict:internal_error', 1) end
    return true
end

local function state_of(run)
    return run ~= '' and redis.call('HGET', RUN .. run, 'state') or ''
end

-- The time for which a run is paused is none of its duration.
local function stop_clock(run)
    local since = redis.call('HGET', RUN .. run, 'ranSince')
    if not since then return end
    redis.call('HINCRBY', RUN .. run, 'ranMs', string.format('%.0f', math.max(0, now() - since)))
    redis.call('HDEL', RUN .. run, 'ranSince')
end

-- A key lives until this time at least.
local function live_till(key, till)
    local left = math.ceil(till - now())
    if left > redis.call('PTTL', key) then redis.call('PEXPIRE', key, math.max(1, left)) end
end

-- Where its batches lie stays known until they are removed.
local function stop_feeding(run)
    redis.call('HDEL', RUN .. run, 'batches', 'fed', 'toFeed', 'lane', 'due', 'handingTill')
end

local function end_feeding(run)
    stop_feeding(run)
    redis.call('HDEL', RUN .. run, 'place')
    redis.call('SREM', FEEDING, run)
end

-- Jobs that are due count against the high-water mark, and those of a paused run, which all will be due at once. For
-- jobs that are for later, those that are for later count as well.
local function backlog_of(lane, run, due)
    if state_of(run) == 'paused' then return redis.call('ZCARD', HELD .. run) end
    local soon = now() + 1
    if due and due > soon then return redis.call('ZCARD', WAITING .. lane) end
    return redis.call('ZCOUNT', WAITING .. lane, '-inf', soon)
end

-- Queues jobs, which come as lines: an id, its payload, and so on. What is queued already stays as it is. The first
-- write of all is one that a full server refuses, so that it refuses everything.
local function enqueue(lane, run, due, lines)
    local began, places, stale, strangers, at = now(), {{}}, {{}}, {{}}, 1
    -- What was due long ago has waited since now, as anything that is queued now.
    due = math.max(due or began, began)
    while at <= #lines do
        local id_end = string.find(lines, '\\n', at, true)
        local payload_end = string.find(lines, '\\n', id_end + 1, true)
        local id, n = string.sub(lines, at, id_end - 1), #places / 2
        if redis.call('SET', JOB .. id, string.sub(lines, id_end + 1, payload_end - 1), 'NX') then
            -- First in, first out: a double holds no smaller part of a millisecond for certain.
            places[#places + 1] = due + n / 1000
            places[#places + 1] = id
            stale[#stale + 1] = WISH .. id
            stale[#stale + 1] = DELIVERIES .. id
        elseif not place_of(id) then
            strangers[#strangers + 1] = id
        end
        at = payload_end + 1
    end
    local n_queued = #places / 2
    if n_queued == 0 then return 0, strangers end
    if state_of(run) == 'paused' then
        redis.call('ZADD', HELD .. run, unpack(places))
    else
        redis.call('ZADD', WAITING .. lane, unpack(places))
        redis.call('SADD', LANES, lane)
        if due <= began then call_out('due') end
    end
    redis.call('DEL', unpack(stale))
    return n_queued, strangers
end

-- Lists a run with its beginning, if it is new here.
local function note_run(run, created)
    if redis.call('HSETNX', RUN .. run, 'createdAt', created) == 1 then
        local ms = now()
        redis.call('ZADD', RUNS, 'NX', ms, run)
        redis.call('EXPIRE', RUNS, RUN_SECONDS)
        redis.call('ZREMRANGEBYSCORE', RUNS, '-inf', ms - RUN_SECONDS * 1000)
    end
    redis.call('EXPIRE', RUN .. run, RUN_SECONDS)
end

local function count_queued(run, n, created)
    if run == '' or n == 0 then return end
    count(run, 'submitted', n)
    note_run(run, created)
end
"""


def key_words(keys: Keys) -> list[str]:
    """The names that every script is given, in the order in which it reads them."""
    lane = Lane("any", ANYBODY, Priority.NORMAL)
    return [
        keys.lanes,
        lane.waiting(keys).removesuffix(lane.name),
        lane.leased(keys).removesuffix(lane.name),
        keys.held(""),
        keys.run(""),
        keys.runs,
        keys.events(""),
        keys.wake,
        job_key_prefix,
        retry_key_prefix,
        in_progress_key_prefix,
        keys.checkpoint(""),
        keys.cancelled(""),
        keys.dead,
        keys.dead_letter(""),
        keys.feeding,
        keys.limit("", "").removesuffix(":"),
        keys.under_way("", "").removesuffix(":"),
        keys.asked("", "", "").removesuffix("::"),
        keys.spoken_for(""),
        keys.settled(""),
        keys.places,
    ]


async def run_script(
    redis: ArqRedis, keys: Keys, script: str, args: Sequence[str | bytes | float | int]
) -> Any:  # noqa: ANN401  (whatever the script returns)
    """Run a script that builds on what is shared here; all of it happens, or nothing."""
    return await redis.register_script(_PRELUDE + script)(keys=key_words(keys), args=args)
