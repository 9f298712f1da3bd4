"""What a batch may use of the budget of its run: set aside in Redis in the step that writes the batch down."""

from .admission import OF_BUDGETS

# Google ends a batch after two days.
_LONGEST_MS = 3 * 24 * 3600 * 1000

# A run, where its batches are written down and under what name the number of the newest, a batch that is to be made, as
# it will be written down there, and what each of its requests may use, all of one model. Gives what was written down,
# with those of its requests, from the first on, that the run can pay for; nothing while others may use what is left;
# and less than nothing where the run stands still.
RESERVE = f"""
local run, sent, number, ms = ARGV[1], ARGV[2], ARGV[3], now()
local note, tolls = cjson.decode(ARGV[4]), cjson.decode(ARGV[5])
local batch, spoken_for, toll = note.ownId, SPOKEN_FOR .. run, tolls[1]
{OF_BUDGETS}
-- It was there before, and the answer was lost.
local kept = redis.call('HGET', sent, batch)
if kept then return kept end
if state_of(run) ~= '' then return -1 end
for _, words in ipairs(redis.call('ZRANGE', spoken_for, 0, -1)) do
    -- One that has come to nothing.
    local other = string.match(words, '^(.*):%d+:%d+:%d+$')
    if other and redis.call('HEXISTS', sent, other) == 0 then redis.call('ZREM', spoken_for, words) end
end
local used_requests, used_tokens, used_nano, most_tokens, most_nano, requests =
    numbers_of_run('used:requests', 'used:tokens', 'used:nanoUsd', 'most:tokens', 'most:nanoUsd', 'max:requests')
used_requests, used_tokens, used_nano = used_requests or 0, used_tokens or 0, used_nano or 0
local n_others, their_tokens, their_nano = sum_of_those_under_way()
local reason, cause, tokens, nano = reason_to_pause(used_requests, used_tokens, used_nano)
if reason then
    if n_others > 0 then return 0 end
    pause_for_want_of_budget(reason, cause)
    return -1
end
local n, its_tokens, its_nano = 0, 0, 0
for _, each in ipairs(tolls) do
    local next_tokens = its_tokens + (most_tokens or each.tokens)
    local next_nano = its_nano + (most_nano or each.nanoUsd or 0)
    local is_too_much = requests and used_requests + n_others + n + 1 > requests
        or tokens and used_tokens + their_tokens + next_tokens > tokens
        or nano and used_nano + their_nano + next_nano > nano
    -- A run that has anything left may send one.
    if is_too_much and n_others + n > 0 then break end
    n, its_tokens, its_nano = n + 1, next_tokens, next_nano
end
if n == 0 then return 0 end
if requests or tokens or nano then
    local ending = ms + {_LONGEST_MS}
    redis.call('ZADD', spoken_for, ending, string.format('%s:%d:%.0f:%.0f', batch, n, its_tokens, its_nano))
    live_till(spoken_for, ending)
end
redis.call('HSETNX', RUN .. run, 'ranSince', string.format('%.0f', ms))
redis.call('EXPIRE', RUN .. run, RUN_SECONDS)
note.number = redis.call('HINCRBY', sent, number, 1)
for i = #note.keys, n + 1, -1 do note.keys[i] = nil end
kept = cjson.encode(note)
redis.call('HSET', sent, batch, kept)
redis.call('EXPIRE', sent, RUN_SECONDS)
return kept
"""
