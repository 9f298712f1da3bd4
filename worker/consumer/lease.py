"""The right to work on a delivered job: short, and renewed for as long as its worker lives."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from arq.connections import ArqRedis
from arq.constants import in_progress_key_prefix
from redis.exceptions import RedisError

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def hold_lease(redis: ArqRedis, job_id: str, lease_seconds: float) -> AsyncIterator[None]:
    """Hold arq's claim on a job for as long as the block runs.

    Arq claims a job for its longest possible run, and a killed worker's jobs wait that long for another. Here the claim
    is cut to `lease_seconds` and renewed three times in each, so they wait no longer than that.
    """
    key, lease_ms = in_progress_key_prefix + job_id, int(lease_seconds * 1000)
    await redis.pexpire(key, lease_ms)
    renewal = asyncio.create_task(_renew(redis, key, lease_ms))
    try:
        yield
    finally:
        renewal.cancel()
        await asyncio.wait([renewal])


async def _renew(redis: ArqRedis, key: str, lease_ms: int) -> None:
    while True:
        await asyncio.sleep(lease_ms / 3000)
        try:
            await redis.pexpire(key, lease_ms)
        except (RedisError, OSError) as error:
            _log.warning("lease not renewed", error=str(error))
