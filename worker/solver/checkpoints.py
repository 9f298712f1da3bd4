"""What a job has come to so far, kept in Redis until its record is stored, so that a redelivered job resumes."""

from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog
from arq.constants import in_progress_key_prefix
from redis.exceptions import OutOfMemoryError

from jobs.keys import Keys
from jobs.models import Attempt, ModelReply
from jobs.outages import through_outages
from jobs.pipelining import Commands
from worker.errors import LeaseLostError

_log = structlog.get_logger(__name__)
_PATIENCE_SECONDS = 600.0
"""How long an outage of Redis is waited out: a reply that was paid for is in hand."""


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

    async def make_sure(self) -> None:
        """Make sure that the job is still ours, before something is paid for.

        Raises:
            LeaseLostError: another worker has it by now, as it does where anything is saved.
        """

    async def save_reply(self, number: int, reply: ModelReply) -> None:
        """Keep what was paid for, before anything else is done with it."""

    async def save_attempt(self, attempt: Attempt) -> None:
        """Keep a judged attempt."""


# Only for whoever has the job: what a worker writes that was frozen, and lost the job meanwhile, would stay for ever.
_SAVE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
if ARGV[4] ~= '' then redis.call('HDEL', KEYS[2], ARGV[4]) end
return 1
"""


class RedisCheckpoint:
    """One hash per job: `reply:N` and `attempt:N` as JSON. It goes in the step that ends the job."""

    def __init__(self, redis: Commands, keys: Keys, job_id: str, token: str) -> None:
        """Keep the progress of a job that is held by this token."""
        self._redis = redis
        self._key = keys.checkpoint(job_id)
        self._running = in_progress_key_prefix + job_id
        self._job_id = job_id
        self._token = token

    async def load(self) -> Progress:
        """What earlier deliveries finished: attempts without a gap from 1, and perhaps one reply more."""
        kept = await through_outages(self._read, _PATIENCE_SECONDS)
        fields = {name.decode(): value for name, value in kept.items()}
        attempts: list[Attempt] = []
        while (judged := fields.get(f"attempt:{len(attempts) + 1}")) is not None:
            attempts.append(Attempt.model_validate_json(judged))
        reply = fields.get(f"reply:{len(attempts) + 1}")
        return Progress(tuple(attempts), ModelReply.model_validate_json(reply) if reply else None)

    async def _read(self) -> dict[bytes, bytes]:
        fields: dict[bytes, bytes] = await self._redis.execute_command("HGETALL", self._key)
        return fields

    async def make_sure(self) -> None:
        """Make sure that the job is still ours."""
        ask = partial(self._redis.execute_command, "GET", self._running)
        token = await through_outages(ask, _PATIENCE_SECONDS)
        if token != self._token.encode():
            raise LeaseLostError(self._job_id)

    async def save_reply(self, number: int, reply: ModelReply) -> None:
        """Keep a reply."""
        await self._save(f"reply:{number}", reply.to_json())

    async def save_attempt(self, attempt: Attempt) -> None:
        """Keep an attempt; its reply is inside, so the reply's own field goes."""
        await self._save(
            f"attempt:{attempt.number}", attempt.to_json(), drop=f"reply:{attempt.number}"
        )

    async def _save(self, name: str, value: str, *, drop: str = "") -> None:
        save = partial(
            self._redis.execute_command,
            *("EVAL", _SAVE, 2, self._running, self._key),
            *(self._token, name, value, drop),
        )
        try:
            is_ours = await through_outages(save, _PATIENCE_SECONDS, unless=OutOfMemoryError)
        except OutOfMemoryError as error:
            # Its record has room elsewhere, and is worth more than what could be taken up again after a crash.
            _log.warning("checkpoint not kept", what=name, error=str(error))
            return
        if not is_ours:
            raise LeaseLostError(self._job_id)
