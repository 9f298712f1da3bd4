"""What a worker has taken from the queue: claims in Redis, kept while it lives and anybody's when it does not."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import chain
from typing import Any

from arq.connections import ArqRedis

from jobs.keys import Keys
from jobs.lanes import Lane
from jobs.scripts import run_script

_SUSPICIOUS_DELIVERIES = 2
_FURTHEST_LOOK = 100
SHARE = 25
"""Jobs that one look takes where fewer are due than could be taken: workers that are woken together share those."""

# Takes jobs that are due, those of dead workers first, from the lanes of the highest priority that has some. A job that
# runs stands in no queue: however many run, here or elsewhere, none has to be looked past. Every time is the server's.
_CLAIM = f"""
local want, token, lease, spare_suspects = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), ARGV[5] == '1'
local ms, paused, claims, wake_at = now(), ARGV[6], {{}}, false

local function gather(found, lane, set, is_again)
    local most = is_again and math.max(want, {_FURTHEST_LOOK}) or want
    local page = redis.call('ZRANGEBYSCORE', set, '-inf', ms, 'WITHSCORES', 'LIMIT', 0, most)
    for i = 1, #page, 2 do
        found[#found + 1] = {{
            id = page[i], due = page[i + 1], at = tonumber(page[i + 1]), again = is_again, lane = lane}}
    end
    local later = redis.call('ZRANGEBYSCORE', set, '(' .. exact(ms), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
    if later and (not wake_at or tonumber(later) < wake_at) then wake_at = tonumber(later) end
end

local function is_suspect(job)
    local delivered = job.again and redis.call('GET', DELIVERIES .. job.id)
    return delivered and tonumber(delivered) >= {_SUSPICIOUS_DELIVERIES}
end

local function claim(job)
    local suspect = is_suspect(job)
    if suspect and spare_suspects then return end
    spare_suspects = spare_suspects or suspect
    redis.call('ZREM', WAITING .. job.lane, job.id)
    redis.call('ZADD', LEASED .. job.lane, ms + lease, job.id)
    redis.call('SET', CLAIM .. job.id, token)
    claims[#claims + 1] = {{
        job.id, job.due, job.lane, redis.call('GET', JOB .. job.id),
        redis.call('INCR', DELIVERIES .. job.id), suspect and 1 or 0}}
end

for _, lanes in ipairs(cjson.decode(ARGV[4])) do
    local found = {{}}
    for _, lane in ipairs(lanes) do
        if redis.call('HEXISTS', paused, lane.queue) == 0 then
            gather(found, lane.name, LEASED .. lane.name, true)
            gather(found, lane.name, WAITING .. lane.name, false)
        end
    end
    table.sort(found, function(a, b)
        if a.again ~= b.again then return a.again end
        if a.at ~= b.at then return a.at < b.at end
        return a.id < b.id
    end)
    local most = #claims + #found < want and math.min(want, {SHARE}) or want
    for _, job in ipairs(found) do
        if #claims >= most then break end
        claim(job)
    end
    if #claims >= most then break end
end
return {{wake_at and math.max(0, math.ceil(wake_at - ms)) or -1, claims}}
"""

_RENEW = """
local till, answers = now() + tonumber(ARGV[1]), {}
for i = 2, #ARGV, 3 do
    local id, token, lane = ARGV[i], ARGV[i + 1], ARGV[i + 2]
    if redis.call('GET', CLAIM .. id) ~= token then
        answers[#answers + 1] = 0
    else
        -- A full server refuses a first write that could take memory, and none after it. No job has an empty id.
        redis.call('ZREM', LEASED .. lane, '')
        redis.call('ZADD', LEASED .. lane, 'XX', till, id)
        answers[#answers + 1] = 1 + redis.call('EXISTS', WISH .. id)
    end
end
return answers
"""

_COUNT_DUE = """
local till, n = now() + tonumber(ARGV[1]), 0
for i = 2, #ARGV do
    for _, set in ipairs({WAITING .. ARGV[i], LEASED .. ARGV[i]}) do
        n = n + redis.call('ZCOUNT', set, '-inf', till)
    end
end
return n
"""


@dataclass(frozen=True)
class Claim:
    """A job that this worker has, for as long as nobody else has it."""

    job_id: str
    token: str
    """Whoever finds another one in Redis has lost the job."""
    lane: Lane
    due_ms: float
    payload: bytes | None
    """The job as arq keeps it; None where somebody else has deleted it."""
    delivery: int
    """How often the job was handed over, this time included."""
    is_suspect: bool
    """Whether its worker died, or fell silent, and not at its first delivery: the job may be what brought it down."""


@dataclass(frozen=True)
class Taken:
    """What one look at the queue gave."""

    claims: tuple[Claim, ...]
    next_due_seconds: float | None
    """Until something else becomes due, as far as is known by now."""


class Hold(IntEnum):
    """What became of a claim, as `_RENEW` says it."""

    LOST = 0
    HELD = 1
    TO_STOP = 2


class Claims:
    """Takes jobs of these lanes and keeps them, under one worker's name."""

    def __init__(
        self,
        redis: ArqRedis,
        keys: Keys,
        owner: str,
        lanes: Sequence[Sequence[Lane]],
        lease_seconds: float,
    ) -> None:
        """Take from `lanes`, which stand by falling priority; an unrenewed claim is good for `lease_seconds`."""
        self.lease_seconds = lease_seconds
        self.redis = redis
        self.keys = keys
        self._owner = owner
        self._n_looks = 0
        self._by_name = {lane.name: lane for lane in chain.from_iterable(lanes)}
        self._spelled = json.dumps(
            [[{"name": lane.name, "queue": lane.queue} for lane in group] for group in lanes]
        )

    async def take(self, n_jobs: int, *, spare_suspects: bool = False) -> Taken:
        """Up to so many jobs that are due; the first of an equal priority first, but those of dead workers before.

        One suspect at most is among them, and none if they are to be spared: a job that brings workers down may take
        along what is beside it, but not the same jobs again and again.

        Raises:
            RedisError, OSError: it cannot be told whether some were taken; their leases end by themselves.
        """
        # Another for each look: of two claims of one worker on one job, the older is lost like anybody's.
        self._n_looks += 1
        token = f"{self._owner}:{self._n_looks}"
        words = (n_jobs, token, int(self.lease_seconds * 1000), self._spelled, int(spare_suspects))
        wait_ms, found = await self._run(_CLAIM, *words, self.keys.paused)
        claims = tuple(self._claimed(token, each) for each in found)
        return Taken(claims, None if wait_ms < 0 else wait_ms / 1000)

    def _claimed(
        self, token: str, found: tuple[bytes, bytes, bytes, bytes | None, int, int]
    ) -> Claim:
        job_id, due, lane, payload, delivery, suspect = found
        return Claim(
            job_id.decode(),
            token,
            self._by_name[lane.decode()],
            float(due),
            payload,
            delivery,
            is_suspect=bool(suspect),
        )

    async def renew(self, claims: Sequence[Claim]) -> list[Hold]:
        """Keep these for another lease, and say of each, in the same order, how it stands.

        Raises:
            RedisError, OSError: it cannot be told; another try may be in time.
        """
        if not claims:
            return []
        words = chain.from_iterable(
            (claim.job_id, claim.token, claim.lane.name) for claim in claims
        )
        answers = await self._run(_RENEW, int(self.lease_seconds * 1000), *words)
        return [Hold(answer) for answer in answers]

    async def n_due(self, within_seconds: float) -> int:
        """Jobs of these lanes that wait and are due by then, or are held by any worker.

        Raises:
            RedisError, OSError: it cannot be told.
        """
        n: int = await self._run(_COUNT_DUE, int(within_seconds * 1000), *self._by_name)
        return n

    async def _run(self, script: str, *words: str | int) -> Any:  # noqa: ANN401  (whatever the script returns)
        return await run_script(self.redis, self.keys, script, words)
