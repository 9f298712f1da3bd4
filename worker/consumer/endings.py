"""How a worker lets go of a job: in one step of Redis, many jobs at a time, and only while the job is still its own."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias, assert_never

import structlog
from arq.connections import ArqRedis
from pydantic import JsonValue
from redis.exceptions import RedisError

from jobs.cancellation import put_failure_back
from jobs.clock import utcnow
from jobs.errors import StoreError
from jobs.events import JobCancelled, JobFinished, stream_of
from jobs.gathering import Gathering
from jobs.keys import Keys
from jobs.models import Attempt, PromptJob
from jobs.outages import through_outages
from jobs.records import RecordStore
from jobs.scripts import run_script

from .claims import Claim

_log = structlog.get_logger(__name__)
_PATIENCE_SECONDS = 600.0

# All that ends with a job goes in the step that ends it, and is counted in the same: a worker that dies before has
# ended nothing, and one that dies afterwards has nothing left to do.
_END = """
local ms, answers, lanes = now(), {}, {}

local function over(job)
    forget(job.id)
    local has_failed = job.isCancelled and fail_again(job.id, job.run)
    if job.counter and not has_failed then count(job.run, job.counter, 1) end
    if job.uncounted and tonumber(redis.call('HGET', RUN .. job.run, 'submitted') or 0) > 0 then
        count(job.run, 'submitted', -1)
    end
    if job.letter then
        redis.call('HSET', LETTER .. job.id, unpack(job.letter))
        redis.call('EXPIRE', LETTER .. job.id, RUN_SECONDS)
        redis.call('ZREMRANGEBYSCORE', DEAD, '-inf', ms - RUN_SECONDS * 1000)
        redis.call('ZADD', DEAD, ms, job.id)
    elseif not has_failed then
        -- Of an earlier failure, which was retried.
        redis.call('ZREM', DEAD, job.id)
        redis.call('DEL', LETTER .. job.id)
    end
    if job.event then tell(EVENTS .. job.stream, job.event) end
end

local function back(job)
    redis.call('DEL', CLAIM .. job.id)
    if job.uncount then redis.call('DECR', DELIVERIES .. job.id) end
    if job.aside and state_of(job.run) == 'paused' then
        redis.call('ZADD', HELD .. job.run, job.due, job.id)
        redis.call('EXPIRE', RUN .. job.run, RUN_SECONDS)
    else
        redis.call('ZADD', WAITING .. job.lane, job.wait and ms + job.wait or job.due, job.id)
        call_out('due')
    end
end

for i, job in ipairs(cjson.decode(ARGV[1])) do
    if redis.call('GET', CLAIM .. job.id) ~= job.token then
        answers[i] = 0
    else
        redis.call('ZREM', LEASED .. job.lane, job.id)
        if job.isOver then over(job) else back(job) end
        lanes[job.lane] = true
        answers[i] = 1
    end
end
for lane in pairs(lanes) do forget_empty(lane) end
return answers
"""


@dataclass(frozen=True)
class Recorded:
    """The job has its record."""

    job: PromptJob
    event: JobFinished
    failure: str | None = None
    """Why it failed because of us; then it becomes a dead letter as well."""
    already_counted: bool = False
    """The run's counters know of this record already: the job was queued once more after it had ended."""
    attempts: tuple[Attempt, ...] = ()
    """Those of the record."""


@dataclass(frozen=True)
class Cancelled:
    """Somebody asked for the job to stop; it has no record, or that of the failure after which it was tried again."""

    job: PromptJob


@dataclass(frozen=True)
class Unreadable:
    """Nobody can say what the job was; it is kept as a dead letter."""

    reason: str


@dataclass(frozen=True)
class PutBack:
    """The job is to be delivered again."""

    wait_seconds: float | None = None
    """None gives it its old place in the queue."""
    counts: bool = False
    """The job, or what it needs, may be to blame: the delivery counts."""


@dataclass(frozen=True)
class PutAside:
    """The job's run is paused."""

    job: PromptJob


Ending: TypeAlias = Recorded | Cancelled | Unreadable | PutBack | PutAside


class Endings:
    """Writes endings into Redis: whatever comes while one step is under way goes with the next, together."""

    def __init__(self, redis: ArqRedis, keys: Keys, records: RecordStore, worker: str) -> None:
        """Write them in the name of `worker`."""
        self.patience_seconds = _PATIENCE_SECONDS
        """How long an outage of Redis is waited out."""
        self._redis = redis
        self._keys = keys
        self._records = records
        self._worker = worker
        self._gathering: Gathering[str, bool] = Gathering(self._write)

    async def end(self, claim: Claim, ending: Ending) -> bool:
        """Let go of a job. False if that changed nothing: it was another's by now, or Redis could not be told.

        In the second case, and where the record of a failure cannot be kept again, its lease ends by itself, and the
        next delivery ends at once where there is a record.
        """
        if isinstance(ending, Cancelled) and not await self._has_its_failure_back(claim.job_id):
            return False
        return await self._gathering.ask(json.dumps(self._spelled(claim, ending)))

    async def _has_its_failure_back(self, job_id: str) -> bool:
        # Before its claim ends: whoever dies in between leaves a job that has its record to the next delivery.
        put_back = partial(put_failure_back, self._redis, self._keys, self._records, job_id)
        try:
            await through_outages(put_back, self.patience_seconds)
        except (StoreError, RedisError, OSError) as error:
            _log.warning("record of a failure not kept again", job_id=job_id, error=str(error))
            return False
        return True

    async def _write(self, endings: Sequence[str]) -> list[bool]:
        try:
            # A second time changes nothing: what the first has ended is nobody's claim any more.
            spelled = f"[{','.join(endings)}]"
            write = partial(run_script, self._redis, self._keys, _END, [spelled])
            answers: list[int] = await through_outages(write, self.patience_seconds)
        except Exception as error:  # noqa: BLE001  (whatever it is, somebody waits for each of the answers)
            is_outage = isinstance(error, RedisError | OSError)
            _log.warning(
                "endings not told to Redis",
                jobs=len(endings),
                error=str(error),
                exc_info=None if is_outage else error,
            )
            return [False] * len(endings)
        return list(map(bool, answers))

    def _spelled(self, claim: Claim, ending: Ending) -> dict[str, JsonValue]:
        common: dict[str, JsonValue] = {
            "id": claim.job_id,
            "token": claim.token,
            "lane": claim.lane.name,
            "due": claim.due_ms,
        }
        match ending:
            case Recorded():
                return common | self._recorded(claim, ending)
            case Cancelled(job):
                event = JobCancelled(job_id=job.job_id)
                words = _told(job, event) | _counted(job, "cancelled")
                return common | words | {"isCancelled": True}
            case Unreadable(reason):
                return common | self._letter(claim, None, reason) | {"isOver": True}
            case PutBack(seconds, counts):
                wait = {} if seconds is None else {"wait": seconds * 1000}
                return common | wait | {"uncount": not counts}
            case PutAside(job):
                return common | {"run": job.run_id, "aside": True, "uncount": True}
            case _:
                assert_never(ending)

    def _recorded(self, claim: Claim, ending: Recorded) -> dict[str, JsonValue]:
        words = _told(ending.job, ending.event)
        if not ending.already_counted:
            words |= _counted(ending.job, f"verdict:{ending.event.verdict}")
        elif ending.job.run_id is not None:
            # As one job more it was counted, too.
            words |= {"run": ending.job.run_id, "uncounted": True}
        if ending.failure is not None:
            words |= self._letter(claim, ending.job, ending.failure)
        return words

    def _letter(self, claim: Claim, job: PromptJob | None, reason: str) -> dict[str, JsonValue]:
        told = {
            "reason": reason,
            "job": job.to_json() if job else (claim.payload or b"").decode(errors="replace"),
            "runId": (job and job.run_id) or "",
            "deliveries": str(claim.delivery),
            "worker": self._worker,
            "at": utcnow().isoformat(),
        }
        words: list[JsonValue] = [word for pair in told.items() for word in pair]
        return {"letter": words}


def _told(job: PromptJob, event: JobFinished | JobCancelled) -> dict[str, JsonValue]:
    return {"isOver": True, "stream": stream_of(job), "event": event.to_json()}


def _counted(job: PromptJob, counter: str) -> dict[str, JsonValue]:
    return {} if job.run_id is None else {"run": job.run_id, "counter": counter}
