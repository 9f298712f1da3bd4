"""Says at a worker's start what its Redis may do with the jobs."""

import structlog
from arq.connections import ArqRedis
from redis.exceptions import RedisError

from jobs.durability import risks_of

_log = structlog.get_logger(__name__)


async def tell_risks(redis: ArqRedis) -> None:
    """Warn of each, with the line that ends it. Where nobody may ask, as on many hosted servers, nothing is said."""
    try:
        async for risk in risks_of(redis):
            _log.warning("jobs may be lost", reason=risk.message, fix=risk.fix)
    except (RedisError, OSError) as error:
        _log.debug("the server does not say how it is set up", error=str(error))
