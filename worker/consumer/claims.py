"""What a worker has taken from the queue: claims in Redis, kept while it lives and anybody's when it does not."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import chain

from arq.connections import ArqRedis
from arq.constants import in_progress_key_prefix, job_key_prefix, retry_key_prefix

from jobs.keys import Keys
from jobs.lanes import Lane

_SUSPICIOUS_DELIVERIES = 2
_FURTHEST_LOOK = 100
SHARE = 25
"""Jobs that one look takes where fewer are due than could be taken: workers that are woken together share those."""

# Takes jobs that are due, those of dead workers first, from the lanes of the highest priority that has some. A job that
# runs stands in no queue: however many run, here or elsewhere, none has to be looked past. Every time is the server's.
_CLAIM = f"""
local want, token, lease, spare_suspects = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), ARGV[5] == '1'
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local claims, wake_at = {{}}, false

local function gather(found, lane, set, is_again)
    local most = is_again and math.max(want, {_FURTHEST_LOOK}) or want
    local page = redis.call('ZRANGEBYSCORE', set, '-inf', now, 'WITHSCORES', 'LIMIT', 0, most)
    for i = 1, #page, 2 do
        found[#found + 1] = {{
            id = page[i], due = page[i + 1], at = tonumber(page[i + 1]), again = is_again, lane = lane}}
    end
    local later = redis.call('ZRANGEBYSCORE', set, '(' .. now, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
    if later and (not wake_at or tonumber(later) < wake_at) then wake_at = tonumber(later) end
end

local function is_suspect(job)
    local delivered = job.again and redis.call('GET', '{retry_key_prefix}' .. job.id)
    return delivered and tonumber(delivered) >= {_SUSPICIOUS_DELIVERIES}
end

local function claim(job)
    local suspect = is_suspect(job)
    if suspect and spare_suspects then return end
    spare_suspects = spare_suspects or suspect
    redis.call('ZREM', job.lane.waiting, job.id)
    redis.call('ZADD', job.lane.leased, now + lease, job.id)
    redis.call('SET', '{in_progress_key_prefix}' .. job.id, token)
    claims[#claims + 1] = {{
        job.id, job.due, job.lane.name, redis.call('GET', '{job_key_prefix}' .. job.id),
        redis.call('INCR', '{retry_key_prefix}' .. job.id), suspect and 1 or 0}}
end

for _, lanes in ipairs(cjson.decode(ARGV[4])) do
    local found = {{}}
    for _, lane in ipairs(lanes) do
        if redis.call('HEXISTS', KEYS[1], lane.queue) == 0 then
            gather(found, lane, lane.leased, true)
            gather(found, lane, lane.waiting, false)
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
return {{wake_at and math.max(0, math.ceil(wake_at - now)) or -1, claims}}
"""

_RENEW = f"""
local time = redis.call('TIME')
local till = time[1] * 1000 + time[2] / 1000 + tonumber(ARGV[1])
local answers = {{}}
for i = 2, #ARGV, 4 do
    local id, token, leased, cancelled = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
    if redis.call('GET', '{in_progress_key_prefix}' .. id) ~= token then
        answers[#answers + 1] = 0
    else
        -- A full server refuses a first write that could take memory, and none after it. No job has an empty id.
        redis.call('ZREM', leased, '')
        redis.call('ZADD', leased, 'XX', till, id)
        answers[#answers + 1] = 1 + redis.call('EXISTS', cancelled)
    end
end
return answers
"""

_COUNT_DUE = """
local time = redis.call('TIME')
local till = time[1] * 1000 + tonumber(ARGV[1])
local n = 0
for _, set in ipairs(KEYS) do n = n + redis.call('ZCOUNT', set, '-inf', till) end
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
        self._spelled = json.dumps([[_spell(lane, keys) for lane in group] for group in lanes])
        self._claim = redis.register_script(_CLAIM)
        self._renew = redis.register_script(_RENEW)
        self._count_due = redis.register_script(_COUNT_DUE)

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
        wait_ms, found = await self._claim(
            keys=[self.keys.paused],
            args=[
                n_jobs,
                token,
                int(self.lease_seconds * 1000),
                self._spelled,
                int(spare_suspects),
            ],
        )
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
            (
                claim.job_id,
                claim.token,
                claim.lane.leased(self.keys),
                self.keys.cancelled(claim.job_id),
            )
            for claim in claims
        )
        answers = await self._renew(args=[int(self.lease_seconds * 1000), *words])
        return [Hold(answer) for answer in answers]

    async def n_due(self, within_seconds: float) -> int:
        """Jobs of these lanes that wait and are due by then, or are held by any worker.

        Raises:
            RedisError, OSError: it cannot be told.
        """
        lanes: Iterable[Lane] = self._by_name.values()
        sets = [
            name for lane in lanes for name in (lane.waiting(self.keys), lane.leased(self.keys))
        ]
        n: int = await self._count_due(keys=sets, args=[int(within_seconds * 1000)])
        return n


def _spell(lane: Lane, keys: Keys) -> dict[str, str]:
    return {
        "name": lane.name,
        "queue": lane.queue,
        "waiting": lane.waiting(keys),
        "leased": lane.leased(keys),
    }
