"""The two sides of a request in Redis: whether it may be sent now, and what it came to; each is one step."""

from pydantic import JsonValue

from jobs.budgets import BUDGET, NANO, UNPRICED

from .throttle import Toll

_SPOKEN_FOR_MS = 2000
_SLOT_TAKEN_MS = 100
_LONGEST_PAUSE_MS = 60_000
# Whatever is told: a header with a digit too many would silence all workers for years.
_LONGEST_TOLD_MS = 24 * 3600 * 1000
_DAY_SECONDS = 2 * 24 * 3600
# Twice as long as anybody tells the same again.
_TOLD_SECONDS = 1200

# What a run may use and has used. The run, the time, what a request may use, and the key of what is under way have to
# be there: `run`, `ms`, `toll` and `spoken_for`.
OF_BUDGETS = f"""
-- What requests of the run that are under way may still use: those of dead workers for no longer than they may take.
-- Those of a batch stand together, with their number before what they may use.
local function sum_of_those_under_way()
    local n, tokens, nano = 0, 0, 0
    redis.call('ZREMRANGEBYSCORE', spoken_for, '-inf', ms)
    for _, words in ipairs(redis.call('ZRANGE', spoken_for, 0, -1)) do
        local its_tokens, its_nano = string.match(words, ':(%d+):(%d+)$')
        local its_requests = string.match(words, ':(%d+):%d+:%d+$') or 1
        n, tokens, nano = n + its_requests, tokens + its_tokens, nano + its_nano
    end
    return n, tokens, nano
end

local function numbers_of_run(...)
    local found = {{}}
    for i, value in ipairs(redis.call('HMGET', RUN .. run, ...)) do found[i] = tonumber(value or nil) or false end
    return unpack(found)
end

local function reason_to_pause(used_requests, used_tokens, used_nano)
    local requests, tokens, nano, seconds, ran, since =
        numbers_of_run('max:requests', 'max:tokens', 'max:nanoUsd', 'max:seconds', 'ranMs', 'ranSince')
    local ran_seconds = ((ran or 0) + (since and ms - since or 0)) / 1000
    if requests and used_requests >= requests then
        return string.format('%d of --max-requests %d are used', used_requests, requests)
    elseif tokens and used_tokens >= tokens then
        return string.format('%.0f of --max-tokens-total %.0f are used', used_tokens, tokens)
    elseif nano and used_nano >= nano then
        return string.format('$%.6g of --max-usd %.6g are used', used_nano / 1e9, nano / 1e9)
    elseif nano and not toll.nanoUsd then
        return 'the price of ' .. toll.model .. ' is unknown, and --max-usd is set', '{UNPRICED}'
    elseif seconds and ran_seconds >= seconds then
        return string.format('%.0f s of --max-duration %.0fs are over', ran_seconds, seconds)
    end
    return nil, nil, tokens, nano
end

local function pause_for_want_of_budget(reason, cause)
    redis.call('HSET', RUN .. run, 'state', 'paused', 'reason', reason, 'cause', cause or '{BUDGET}')
    stop_clock(run)
    redis.call('EXPIRE', RUN .. run, RUN_SECONDS)
end
"""

# The dearest request is what the next ones are reckoned by.
RAISE_MOST = """
local function raise_most(run, name, value)
    if value > tonumber(redis.call('HGET', RUN .. run, name) or 0) then
        redis.call('HSET', RUN .. run, name, string.format('%.0f', value))
    end
end
"""


def words_of(toll: Toll) -> dict[str, JsonValue]:
    """What a request may use, as `OF_BUDGETS` reads it: without what is unknown, since Lua takes null for something."""
    words: dict[str, JsonValue] = {"model": toll.model, "tokens": toll.most_tokens}
    return words if toll.most_usd is None else words | {"nanoUsd": round(toll.most_usd * NANO)}


# A place (account and model), and requests in the order in which they came: what each is expected to use. Those after
# the first that has to wait are not looked at.
#
# Limits are kept by GCRA: of each window only the time is known at which all that was admitted has flowed off, by the
# server's clock. What is refused by one is taken from none. The first write is one that a full server takes, or it
# would keep work from ending.
ADMIT = f"""
local place, ms = ARGV[1], now()
local busy, slots = LIMIT .. place, SLOTS .. place
local toll, run, spoken_for
redis.call('ZREMRANGEBYSCORE', slots, '-inf', ms)

{OF_BUDGETS}
-- Whether the run can pay for the request. A run that has anything left may send one: a budget is never so small that
-- nothing fits into it. What a request may cost is at first what the longest answer would, later what the dearest did.
local function ask_run()
    if state_of(run) ~= '' then return 'held' end
    local used_requests, used_tokens, used_nano, most_tokens, most_nano =
        numbers_of_run('used:requests', 'used:tokens', 'used:nanoUsd', 'most:tokens', 'most:nanoUsd')
    used_tokens, used_nano = used_tokens or 0, used_nano or 0
    local reason, cause, tokens, nano = reason_to_pause(used_requests or 0, used_tokens, used_nano)
    if reason then
        pause_for_want_of_budget(reason, cause)
        return 'held'
    end
    if not tokens and not nano then return 'paid' end
    toll.tokens, toll.nanoUsd = most_tokens or toll.tokens, most_nano or toll.nanoUsd or 0
    local n, their_tokens, their_nano = sum_of_those_under_way()
    local is_too_much = tokens and used_tokens + their_tokens + toll.tokens > tokens
        or nano and used_nano + their_nano + toll.nanoUsd > nano
    if n > 0 and is_too_much then return 'later' end
    toll.isBudgeted = true
    return 'paid'
end

local function flowing_off(name, cost, per_minute, burst)
    if not per_minute then return 0 end
    local each, till = 60000 / per_minute, tonumber(redis.call('HGET', busy, name) or 0)
    -- One that asks for more than there ever is at once waits for all there is.
    local after = math.max(till, ms) + math.min(cost, burst) * each
    return after - burst * each - ms, after
end

local function enter(requests_till, tokens_till)
    local ending = ms + toll.mostMs
    redis.call('ZADD', slots, ending, toll.id)
    live_till(slots, ending)
    if requests_till then redis.call('HSET', busy, 'requestsTill', requests_till) end
    if tokens_till then redis.call('HSET', busy, 'tokensTill', tokens_till) end
    if requests_till or tokens_till then live_till(busy, math.max(requests_till or 0, tokens_till or 0)) end
    if run == '' then return end
    count(run, 'used:requests', 1)
    redis.call('HSETNX', RUN .. run, 'ranSince', string.format('%.0f', ms))
    if toll.isBudgeted then
        local words = string.format('%s:%.0f:%.0f', toll.id, toll.tokens, toll.nanoUsd)
        redis.call('ZADD', spoken_for, ending, words)
        live_till(spoken_for, ending)
    end
end

local function admit()
    -- Admitted before, and the answer was lost.
    if redis.call('ZSCORE', slots, toll.id) then return {{'go', 0}} end
    if run ~= '' then
        local answer = ask_run()
        if answer == 'held' then return {{'held', 0}} end
        if answer == 'later' then return {{'later', {_SPOKEN_FOR_MS}}} end
    end
    local paused_ms = tonumber(redis.call('HGET', busy, 'pausedUntil') or 0) - ms
    if paused_ms > 0 then return {{'wait', math.ceil(paused_ms)}} end
    local today = ASKED .. place .. ':' .. toll.day
    if toll.perDay and tonumber(redis.call('GET', today) or 0) >= toll.perDay then return {{'day', 0}} end
    if toll.concurrency and redis.call('ZCARD', slots) >= toll.concurrency then
        return {{'wait', {_SLOT_TAKEN_MS}}}
    end
    local requests_ms, requests_till = flowing_off('requestsTill', 1, toll.requestsPerMinute, toll.burst)
    local tokens_ms, tokens_till =
        flowing_off('tokensTill', toll.promptTokens, toll.tokensPerMinute, toll.burstTokens)
    local wait_ms = math.max(requests_ms, tokens_ms)
    if wait_ms > 0 then return {{'wait', math.ceil(wait_ms)}} end
    enter(requests_till, tokens_till)
    redis.call('INCR', today)
    redis.call('EXPIRE', today, {_DAY_SECONDS})
    redis.call('HSET', PLACES, place, toll.day)
    redis.call('EXPIRE', PLACES, {_DAY_SECONDS})
    return {{'go', 0}}
end

local answers = {{}}
for i, request in ipairs(cjson.decode(ARGV[2])) do
    toll, run = request, request.run
    spoken_for = SPOKEN_FOR .. run
    answers[i] = admit()
    if answers[i][1] == 'wait' then break end
end
return answers
"""

# Whoever tells it, the number of the message, and requests that are over, each with its place and what it came to. The
# same message changes nothing when it comes again, which it does as long as it is not known to be heard. Whether a
# request still has its slot does not say that: the slot may have ended while Redis was away.
SETTLE = f"""
local teller, message = SETTLED .. ARGV[1], ARGV[2]
if redis.call('GET', teller) == message then return end
-- A full server takes what follows a deletion.
redis.call('DEL', teller)
redis.call('SET', teller, message, 'EX', {_TOLD_SECONDS})

local function settle_tokens(busy, came)
    local more = came.promptTokens - math.min(came.reckonedTokens, came.burstTokens)
    local till = math.max(tonumber(redis.call('HGET', busy, 'tokensTill') or 0), now())
    till = till + more * 60000 / came.tokensPerMinute
    redis.call('HSET', busy, 'tokensTill', till)
    live_till(busy, till)
end

{RAISE_MOST}
local function settle_run(run, came)
    count(run, 'used:tokens', string.format('%.0f', came.tokens))
    raise_most(run, 'most:tokens', came.tokens)
    if came.nanoUsd then
        count(run, 'used:nanoUsd', string.format('%.0f', came.nanoUsd))
        raise_most(run, 'most:nanoUsd', came.nanoUsd)
    else
        count(run, 'used:unpriced', 1)
    end
end

local function settle(came)
    local busy, run = LIMIT .. came.place, came.run
    redis.call('ZREM', SLOTS .. came.place, came.id)
    for _, words in ipairs(redis.call('ZRANGE', SPOKEN_FOR .. run, 0, -1)) do
        if string.sub(words, 1, #came.id + 1) == came.id .. ':' then
            redis.call('ZREM', SPOKEN_FOR .. run, words)
        end
    end
    if not came.replied then return end
    redis.call('HDEL', busy, 'refusals')
    if came.tokensPerMinute and came.promptTokens then settle_tokens(busy, came) end
    if run ~= '' then settle_run(run, came) end
end

for _, came in ipairs(cjson.decode(ARGV[3])) do settle(came) end
"""

# A place, and for how long the service wants to be left alone, or nothing. Gives the milliseconds until requests are
# sent again, and whether this is the first that is heard of it: what was under way then is refused as well.
PAUSE = f"""
local busy, told, ms = LIMIT .. ARGV[1], tonumber(ARGV[2]), now()
told = told and math.min(told, {_LONGEST_TOLD_MS})
redis.call('ZREM', SLOTS .. ARGV[1], '')
local till = tonumber(redis.call('HGET', busy, 'pausedUntil') or 0)
local is_new = till <= ms
local n = is_new and redis.call('HINCRBY', busy, 'refusals', 1) or tonumber(redis.call('HGET', busy, 'refusals') or 1)
till = math.max(till, ms + (told or math.min({_LONGEST_PAUSE_MS}, 1000 * 2 ^ math.min(n - 1, 10))))
redis.call('HSET', busy, 'pausedUntil', till)
live_till(busy, till + {_LONGEST_PAUSE_MS})
return {{math.ceil(till - ms), is_new and 1 or 0}}
"""
