"""How a process reaches Redis: a URL in, a checked connection out, the embedded server included."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from arq.connections import ArqRedis
from redis.asyncio import BlockingConnectionPool, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from . import wire
from .cancellable import cancellable
from .embedded import join_server
from .errors import RedisUnreachableError, UsageError
from .keys import Keys
from .sentinels import SENTINEL_SCHEMES, open_master_pool

EMBEDDED_SCHEME = "embedded:"
_CONNECT_TRIES = 3
_SOCKET_SECONDS = 5.0
_ANSWER_SECONDS = 10.0
# Of one process. Each is busy for as long as one command takes; hundreds of jobs share them.
_MOST_CONNECTIONS = 64
_FREE_CONNECTION_SECONDS = 60
_PASSWORD_OPTION = re.compile(r"(\b(?:sentinel_)?password=)[^&]*", re.IGNORECASE)
# A peer that is gone without a word is noticed within a minute, and nothing on the way forgets a quiet connection.
_KEEPALIVE_SECONDS = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}


class Connected(Protocol):
    """Redis, and the names of all keys of one installation: a `JobQueue` is that, and more."""

    @property
    def redis(self) -> ArqRedis:
        """The open connection."""

    @property
    def keys(self) -> Keys:
        """What things are called there."""


@dataclass(frozen=True)
class Connection:
    """What is `Connected`, and knows of no jobs and records: it is loaded in half the time of a queue."""

    redis: ArqRedis
    keys: Keys


@asynccontextmanager
async def open_redis(url: str, keys: Keys) -> AsyncIterator[ArqRedis]:
    """A connection that has answered, closed again at the end.

    `url` is `redis://`, `rediss://` or `unix://`; `redis+sentinel://` or `rediss+sentinel://` for the master that
    Sentinels agree on; or `embedded:DIRECTORY` for the server that promptmill starts itself, which runs for as long as
    someone uses it.

    Raises:
        UsageError: the URL is of no kind we know.
        ServerStartError: the embedded server would not start.
        RedisUnreachableError: nobody answered.
    """
    async with AsyncExitStack() as stack:
        address = url
        if url.startswith(EMBEDDED_SCHEME):
            lease = await asyncio.to_thread(join_server, Path(url.removeprefix(EMBEDDED_SCHEME)))
            stack.callback(lease.leave)
            address = lease.url
        redis = make_client(address, keys)
        stack.push_async_callback(redis.aclose, close_connection_pool=True)
        await _check_answer(redis, address)
        yield redis


def shown_url(url: str) -> str:
    """The URL as it may be printed: without the password."""
    # Not by urlsplit: it fails on, or misreads, just the URLs that an error message is about.
    scheme, slashes, rest = url.partition("://")
    login, at, place = rest.rpartition("@")
    if at and ":" in login:
        rest = f"{login.partition(':')[0]}:***@{place}"
    return _PASSWORD_OPTION.sub(r"\1***", f"{scheme}{slashes}{rest}")


@contextmanager
def expecting_answer(what_failed: str, *, note: str = "") -> Iterator[None]:
    """Turn a Redis that fails inside the block into our own error, which a person can act on.

    Raises:
        RedisUnreachableError: it did.
    """
    try:
        yield
    except (RedisError, OSError) as error:
        raise RedisUnreachableError(f"{what_failed}: {_reason(error)}", note=note) from error


def make_client(url: str, keys: Keys) -> ArqRedis:
    """A client for `url` that connects when it is first used.

    Raises:
        UsageError: the URL is of no kind we know.
    """
    try:
        pool = _open_pool(url)
        # Unknown options of a URL would otherwise be found by the first command.
        trial = pool.connection_class(**pool.connection_kwargs)
    except (ValueError, TypeError, RedisError):
        # What they say may quote a password that was not escaped.
        raise UsageError(
            f"{shown_url(url)!r} is not a Redis URL",
            fixes=[
                "write redis://HOST:PORT/DATABASE, rediss://… for TLS, or unix:///PATH.sock",
                "or, for Sentinels, redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/DATABASE",
            ],
        ) from None
    if isinstance(trial, SSLConnection):
        _check_certificates(trial, url)
    return ArqRedis(
        pool,
        job_serializer=wire.encode,
        job_deserializer=wire.decode,
        default_queue_name=keys.host_of_arq,
    )


def _open_pool(url: str) -> BlockingConnectionPool:
    options: dict[str, Any] = {
        "max_connections": _MOST_CONNECTIONS,
        "timeout": _FREE_CONNECTION_SECONDS,
        "socket_timeout": _SOCKET_SECONDS,
        "socket_connect_timeout": _SOCKET_SECONDS,
        "health_check_interval": 30,
        "retry": Retry(ExponentialBackoff(cap=1, base=0.1), _CONNECT_TRIES - 1),
        "retry_on_error": [RedisConnectionError, RedisTimeoutError],
    }
    scheme = url.partition("://")[0]
    if scheme != "unix":
        options["socket_keepalive"] = True
        # Other systems have other names for some.
        options["socket_keepalive_options"] = {
            getattr(socket, name): value
            for name, value in _KEEPALIVE_SECONDS.items()
            if hasattr(socket, name)
        }
    if scheme in SENTINEL_SCHEMES:
        pool: BlockingConnectionPool = open_master_pool(url, options)
    else:
        pool = BlockingConnectionPool.from_url(url, **options)
        pool.connection_class = cancellable(pool.connection_class)
    return pool


def _check_certificates(connection: SSLConnection, url: str) -> None:
    try:
        connection.ssl_context.get()
    except (OSError, ValueError) as error:
        raise UsageError(
            f"the certificates for {shown_url(url)!r} cannot be used: {_reason(error)}",
            fixes=["correct ssl_ca_certs, ssl_certfile, ssl_keyfile or ssl_cert_reqs in the URL"],
        ) from error


async def _check_answer(redis: ArqRedis, url: str) -> None:
    try:
        # Of a server that takes connections and says nothing, each step of connecting is tried for its full time.
        async with asyncio.timeout(_ANSWER_SECONDS):
            await redis.ping()
    except (RedisError, OSError) as error:
        raise RedisUnreachableError(
            f"no answer from Redis at {shown_url(url)}",
            facts={"tried": f"for up to {_ANSWER_SECONDS:.0f} s; {_reason(error)}"},
            fixes=[
                "start that server, or correct the URL",
                "or use the embedded server: leave redis.url and PROMPTMILL_REDIS__URL unset",
                "or look closer: promptmill doctor",
            ],
        ) from error


def _reason(error: BaseException) -> str:
    return str(error).rstrip(".").replace("\n", " ") or type(error).__name__
