"""What a job has come to so far, kept in Redis until its record is stored, so that a redelivered job resumes."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Protocol, cast

from arq.connections import ArqRedis

from jobs.keys import QUEUED_SECONDS, Keys
from jobs.models import Attempt, ModelReply


@dataclass(frozen=True)
class Progress:
    """What earlier deliveries of a job finished."""

    attempts: tuple[Attempt, ...] = ()
    reply: ModelReply | None = None
    """The reply of the attempt after those: paid for, but not yet run and judged."""


class Checkpoint(Protocol):
    """Where one job's progress is kept while the job lives."""

    async def load(self) -> Progress:
        """What earlier deliveries finished."""

    async def save_reply(self, number: int, reply: ModelReply) -> None:
        """Keep what was paid for, before anything else is done with it."""

    async def save_attempt(self, attempt: Attempt) -> None:
        """Keep a judged attempt."""

    async def discard(self) -> None:
        """Forget the job; calling it twice changes nothing."""


class RedisCheckpoint:
    """One hash per job: `reply:N` and `attempt:N` as JSON. It expires with the job, should nobody discard it."""

    def __init__(self, redis: ArqRedis, keys: Keys, job_id: str) -> None:
        """Keep the progress of one job."""
        self._redis = redis
        self._key = keys.checkpoint(job_id)

    async def load(self) -> Progress:
        """What earlier deliveries finished: attempts without a gap from 1, and perhaps one reply more."""
        # redis-py types what it awaits and what it returns as one union.
        kept_fields = cast("Awaitable[dict[bytes, bytes]]", self._redis.hgetall(self._key))
        fields = {name.decode(): value for name, value in (await kept_fields).items()}
        attempts: list[Attempt] = []
        while (kept := fields.get(f"attempt:{len(attempts) + 1}")) is not None:
            attempts.append(Attempt.model_validate_json(kept))
        reply = fields.get(f"reply:{len(attempts) + 1}")
        return Progress(tuple(attempts), ModelReply.model_validate_json(reply) if reply else None)

    async def save_reply(self, number: int, reply: ModelReply) -> None:
        """Keep a reply."""
        await self._save(f"reply:{number}", reply.to_json())

    async def save_attempt(self, attempt: Attempt) -> None:
        """Keep an attempt; its reply is inside, so the reply's own field goes."""
        await self._save(
            f"attempt:{attempt.number}", attempt.to_json(), drop=f"reply:{attempt.number}"
        )

    async def discard(self) -> None:
        """Delete the hash."""
        await self._redis.delete(self._key)

    async def _save(self, name: str, value: str, *, drop: str | None = None) -> None:
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(self._key, name, value)
            if drop is not None:
                pipe.hdel(self._key, drop)
            pipe.expire(self._key, QUEUED_SECONDS)
            await pipe.execute()
