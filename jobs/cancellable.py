"""Connections to Redis that can be cancelled at any moment."""

import asyncio
from collections.abc import Iterable
from typing import Any

from redis.asyncio import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.sentinel import SentinelManagedConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
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
    """By `rediss://`: the certificate has to be for the host that was named, unless the URL says otherwise."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401  # as redis-py takes them
        """Take what redis-py takes; where no key is named, the one in the file of the certificate is meant."""
        options.setdefault("ssl_check_hostname", options.get("ssl_cert_reqs") != "none")
        options.setdefault("ssl_keyfile", options.get("ssl_certfile"))
        super().__init__(**options)


class _Unix(_Cancellable, UnixDomainSocketConnection):
    """By `unix://`."""


class CancellableAtMaster(_Cancellable, SentinelManagedConnection):
    """By `redis+sentinel://`: whoever is the master is asked whenever a connection is made."""

    @override
    async def connect(self) -> None:
        # redis-py would repeat each step as often as the whole, with the address that was right before.
        await AbstractConnection.connect(self)  # type: ignore[no-untyped-call]

    @override
    async def _connect(self) -> None:
        self.host, self.port = await self.connection_pool.get_master_address()
        await super()._connect()  # type: ignore[no-untyped-call]

    @override
    async def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().read_response(*args, **options)
        except ResponseError as error:
            if not str(error).startswith("NOREPLICAS"):
                raise
            # It is cut off from its replicas, one of which may be the master by now.
            await self.disconnect()
            raise RedisConnectionError("The master has lost its replicas") from error


class CancellableAtTlsMaster(CancellableAtMaster, _Tls):
    """By `rediss+sentinel://`."""


_INSTEAD: dict[type[AbstractConnection], type[AbstractConnection]] = {
    Connection: _Tcp,
    SSLConnection: _Tls,
    UnixDomainSocketConnection: _Unix,
}


def cancellable(kind: type[AbstractConnection]) -> type[AbstractConnection]:
    """The kind of connection to use instead of this one of redis-py's."""
    return _INSTEAD[kind]
