"""Connections to Redis that can be cancelled at any moment."""

import asyncio
from collections.abc import Iterable

from redis.asyncio import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.connection import AbstractConnection
from typing_extensions import override


class _Cancellable(AbstractConnection):
    # redis-py sends by `asyncio.wait_for`, which before Python 3.12 loses a cancellation that comes when the sending
    # has just ended (https://github.com/python/cpython/issues/86296). Whoever then waits for the task waits for ever.

    @override
    async def send_packed_command(
        self, command: bytes | str | Iterable[bytes], check_health: bool = True
    ) -> None:
        task = asyncio.current_task()
        n_cancelled = task.cancelling() if task else 0
        await super().send_packed_command(command, check_health)
        if task is not None and task.cancelling() > n_cancelled:
            # Nobody will read the answer, so the next command must not find it here.
            await self.disconnect(nowait=True)
            raise asyncio.CancelledError


class _Tcp(_Cancellable, Connection):
    """By `redis://`."""


class _Tls(_Cancellable, SSLConnection):
    """By `rediss://`."""


class _Unix(_Cancellable, UnixDomainSocketConnection):
    """By `unix://`."""


_INSTEAD: dict[type[AbstractConnection], type[AbstractConnection]] = {
    Connection: _Tcp,
    SSLConnection: _Tls,
    UnixDomainSocketConnection: _Unix,
}


def cancellable(kind: type[AbstractConnection]) -> type[AbstractConnection]:
    """The kind of connection to use instead of this one of redis-py's."""
    return _INSTEAD[kind]
