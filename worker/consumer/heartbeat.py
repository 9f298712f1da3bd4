"""A worker's sign of life: who it is and what it can run, for producers that want to know before they submit."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
from arq.connections import ArqRedis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError

from jobs.connection import expecting_answer
from jobs.keys import Keys
from jobs.outages import through_outages
from jobs.presence import BEAT_SECONDS, SILENCE_SECONDS, WorkerPresence

from .cancelling import cancel_until_done

_log = structlog.get_logger(__name__)
_PATIENCE_SECONDS = 0.2


@dataclass
class Heart:
    """What is shown of a worker at each beat."""

    presence: WorkerPresence
    obstacle: Callable[[], str | None] = lambda: None
    """Why the worker takes no job now."""

    def sign(self) -> WorkerPresence:
        """Who it is, and why it takes no job, if it does not."""
        return self.presence.model_copy(update={"takes_none": self.obstacle()})


@asynccontextmanager
async def beating(redis: ArqRedis, keys: Keys, presence: WorkerPresence) -> AsyncIterator[Heart]:
    """Show that a worker lives for as long as the block runs; afterwards it is gone at once.

    A replica is waited for until it is a master.

    Raises:
        RedisUnreachableError: the first sign was not taken.
    """
    key = keys.worker(presence.worker_id)
    with expecting_answer("the worker cannot show that it lives"):
        await _show_first(redis, key, presence)
    heart = Heart(presence)
    beats = asyncio.create_task(_beat(redis, key, heart))
    try:
        yield heart
    finally:
        await cancel_until_done([beats], _PATIENCE_SECONDS)
        try:
            await redis.delete(key)
        except (RedisError, OSError) as error:
            # It fades by itself, and why the block ended must not be lost.
            _log.warning("heartbeat not taken back", error=str(error))


async def _show_first(redis: ArqRedis, key: str, presence: WorkerPresence) -> None:
    async def show() -> None:
        await redis.set(key, presence.to_json(), ex=SILENCE_SECONDS)

    try:
        await show()
    except ReadOnlyError as error:
        _log.warning("waiting for Redis to take writes", error=str(error))
        await through_outages(show, unless=RedisConnectionError)


async def _beat(redis: ArqRedis, key: str, heart: Heart) -> None:
    shown = heart.presence
    while True:
        await asyncio.sleep(BEAT_SECONDS)
        sign = heart.sign()
        try:
            # A full server lets a key live longer, and takes none. One that was wiped has forgotten it.
            is_there = await redis.expire(key, SILENCE_SECONDS)
            if not is_there or sign != shown:
                await redis.set(key, sign.to_json(), ex=SILENCE_SECONDS)
                shown = sign
        except (RedisError, OSError) as error:
            _log.warning("heartbeat not sent", error=str(error))
