"""A worker's hold on a delivered job: a short claim, renewed while it lives, and a count that is fair."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from arq.connections import ArqRedis
from arq.constants import in_progress_key_prefix, retry_key_prefix
from redis.exceptions import RedisError

from .cancelling import cancel_until_done

_log = structlog.get_logger(__name__)
# As long as arq keeps its count of deliveries.
_COUNT_SECONDS = 88_400
_PATIENCE_SECONDS = 0.2


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
        await cancel_until_done([renewal], _PATIENCE_SECONDS)


async def uncount_delivery(redis: ArqRedis, job_id: str) -> None:
    """Take back that arq counted this delivery: the job was handed back unharmed, and is not to blame."""
    key = retry_key_prefix + job_id
    try:
        async with redis.pipeline(transaction=True) as pipe:
            pipe.decr(key)
            # Should the key be gone, it must not come back for good.
            pipe.expire(key, _COUNT_SECONDS)
            await pipe.execute()
    except (RedisError, OSError) as error:
        _log.warning("delivery counted although it was handed back", error=str(error))


async def _renew(redis: ArqRedis, key: str, lease_ms: int) -> None:
    while True:
        await asyncio.sleep(lease_ms / 3000)
        try:
            await redis.pexpire(key, lease_ms)
        except (RedisError, OSError) as error:
            _log.warning("lease not renewed", error=str(error))
