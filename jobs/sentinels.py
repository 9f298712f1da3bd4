"""From a URL that names Sentinels to connections to the master that they agree on."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from redis.asyncio import BlockingConnectionPool, Connection, Redis, SSLConnection
from redis.asyncio.connection import parse_url
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from typing_extensions import override

from .cancellable import CancellableAtMaster, CancellableAtTlsMaster, cancellable

SENTINEL_SCHEMES = {"redis+sentinel": "redis", "rediss+sentinel": "rediss"}
"""What reaches Sentinels, and as what the servers behind them are then reached."""
_PORT = 26379
_ABOUT_SENTINELS = "sentinel_"
# The next one knows as much: nothing is repeated before it is asked.
_SOCKET_SECONDS = 2.0
_MOST_CONNECTIONS = 4


class MasterPool(SentinelConnectionPool, BlockingConnectionPool):
    """Connections to whatever is the master when they are made; those that lie idle go when it is another one."""

    @override
    async def disconnect(self, inuse_connections: bool = True) -> None:
        """Close the connections; if it is all of them, those to the Sentinels, too."""
        await super().disconnect(inuse_connections)
        if inuse_connections:
            for sentinel in self.sentinel_manager.sentinels:
                await sentinel.aclose()


def open_master_pool(url: str, options: Mapping[str, Any]) -> MasterPool:
    """Connections to the master of `redis+sentinel://[USER:PASSWORD@]HOST[:PORT],…/SERVICE[/DATABASE]`.

    By `rediss+sentinel` both servers and Sentinels are spoken to by TLS. USER and PASSWORD are the servers'; Sentinels
    that ask for a password get `sentinel_username` and `sentinel_password`. Everything else behind the `?` is as for
    `redis://`, and wins over `options`, which every connection to a server gets.

    Raises:
        ValueError, TypeError: the URL names no Sentinel or no service, or an option that there is not.
    """
    parts = urlsplit(url)
    login, at, places = parts.netloc.rpartition("@")
    service, _, database = parts.path.removeprefix("/").partition("/")
    sentinels = tuple(_addresses(places))
    if not service or not (database or "0").isdigit():
        raise ValueError("no service")
    scheme = SENTINEL_SCHEMES[parts.scheme]
    said: dict[str, Any] = {**parse_url(f"{scheme}://{login}{at}-/{database}?{parts.query}")}
    del said["host"]
    is_tls = said.pop("connection_class", Connection) is SSLConnection
    to_sentinels = {
        name.removeprefix(_ABOUT_SENTINELS): said.pop(name)
        for name in tuple(said)
        if name.startswith(_ABOUT_SENTINELS)
    }
    to_sentinels |= {name: value for name, value in said.items() if name.startswith("ssl_")}
    manager = Sentinel([])  # type: ignore[no-untyped-call]
    manager.sentinels = [
        Redis.from_pool(
            BlockingConnectionPool(
                max_connections=_MOST_CONNECTIONS,
                connection_class=cancellable(SSLConnection if is_tls else Connection),
                host=host,
                port=port,
                socket_timeout=_SOCKET_SECONDS,
                **to_sentinels,
            )
        )
        for host, port in sentinels
    ]
    for sentinel in manager.sentinels:
        # Unknown options of the URL would otherwise be found by the first question.
        asked = sentinel.connection_pool
        asked.connection_class(**asked.connection_kwargs)
    return MasterPool(  # type: ignore[no-untyped-call]
        unquote(service),
        manager,
        connection_class=CancellableAtTlsMaster if is_tls else CancellableAtMaster,
        **{**options, **said},
    )


def _addresses(places: str) -> Iterator[tuple[str, int]]:
    for place in places.split(","):
        address = urlsplit(f"//{place}")
        if not address.hostname:
            raise ValueError("no host")
        yield address.hostname, address.port or _PORT
