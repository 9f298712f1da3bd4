"""A worker's sign of life: who it is and what it can run, for producers that want to know before they submit."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

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


@asynccontextmanager
async def beating(redis: ArqRedis, keys: Keys, presence: WorkerPresence) -> AsyncIterator[None]:
    """Show that a worker lives for as long as the block runs; afterwards it is gone at once.

    A replica is waited for until it is a master.

    Raises:
        RedisUnreachableError: the first sign was not taken.
    """
    key = keys.worker(presence.worker_id)
    with expecting_answer("the worker cannot show that it lives"):
        await _show_first(redis, key, presence)
    heart = asyncio.create_task(_beat(redis, key, presence))
    try:
        yield
    finally:
        await cancel_until_done([heart], _PATIENCE_SECONDS)
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


async def _beat(redis: ArqRedis, key: str, presence: WorkerPresence) -> None:
    while True:
        await asyncio.sleep(BEAT_SECONDS)
        try:
            # A full server lets a key live longer, and takes none. One that was wiped has forgotten it.
            if not await redis.expire(key, SILENCE_SECONDS):
                await redis.set(key, presence.to_json(), ex=SILENCE_SECONDS)
        except (RedisError, OSError) as error:
            _log.warning("heartbeat not sent", error=str(error))
