"""What commands that look at the queue, or take hold of it, have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, TypeVar

from cyclopts import Parameter

from .flags import SettingFlags, read_settings

if TYPE_CHECKING:
    from jobs.connection import Connected
    from jobs.queue import JobQueue

_Answer = TypeVar("_Answer")
Reason = Annotated[str, Parameter(help="why, for whoever looks at it later")]


def with_queue(
    flags: SettingFlags, ask: Callable[[JobQueue], Coroutine[None, None, _Answer]]
) -> _Answer:
    """What `ask` gives of the queue that is meant."""
    from .opening import open_queue

    async def asked() -> _Answer:
        async with open_queue(read_settings(flags, quiet=True)) as queue:
            return await ask(queue)

    return asyncio.run(asked())


def with_redis(
    flags: SettingFlags, ask: Callable[[Connected], Coroutine[None, None, _Answer]]
) -> _Answer:
    """What `ask` gives of what Redis knows by itself, without a look at jobs and records."""
    from jobs.connection import Connection, open_redis
    from jobs.keys import Keys

    settings = read_settings(flags, quiet=True)

    async def asked() -> _Answer:
        keys = Keys(settings.redis.prefix)
        async with open_redis(settings.redis_url, keys) as redis:
            return await ask(Connection(redis, keys))

    return asyncio.run(asked())
