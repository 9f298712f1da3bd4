"""What a server may do with our keys that would cost jobs, and the line that keeps it from that."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from arq.connections import ArqRedis


@dataclass(frozen=True)
class Risk:
    """One way in which queued jobs may be lost."""

    name: str
    drops_jobs: bool
    """Whether the server does it by itself while all is well, and not only when it is killed."""
    message: str
    fix: str
    """A line for a shell."""


async def risks_of(redis: ArqRedis) -> AsyncIterator[Risk]:
    """The risks of the server as it is set up now; a server that does not say how it is set up has none.

    Raises:
        RedisError, OSError: it does not answer, or grants no INFO.
    """
    policy = (await redis.info("memory")).get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        yield Risk(
            "eviction",
            drops_jobs=True,
            message=f"{policy} drops queued jobs when memory is full",
            fix="redis-cli CONFIG SET maxmemory-policy noeviction",
        )
    if not int((await redis.info("persistence")).get("aof_enabled", 1)):
        yield Risk(
            "persistence",
            drops_jobs=False,
            message="appendonly no loses queued jobs when the server ends; records stay",
            fix="redis-cli CONFIG SET appendonly yes",
        )
