"""HTTP for hundreds of calls at one time: a client for the SDK that is aiohttp, which reads and writes in C."""

import asyncio
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx2
from typing_extensions import override

# As much as the SDK's usual transport lets a server say in its headers.
_MOST_HEADER_BYTES = 100 * 2**10
# What `httpx2.Response` can read.
_ALWAYS = {"accept-encoding": "gzip, deflate"}
_NO_HEADERS: Mapping[str, str] = {}


class AiohttpClient(httpx2.AsyncClient):
    """What the SDK asks by: each request is sent once, its answer read whole, and what fails is an error of httpx2.

    Certificates and proxies are those that the environment names. Nothing is added to a request but a login from its
    address, no cookie is kept, no redirect followed, which would carry the key to another host, and nothing sent a
    second time that could be billed: no POST is, and others are only where a connection that was kept turns out to be
    gone. There is no limit to the time of a request but for the wait for a connection.
    """

    def __init__(self, max_connections: int, wait_seconds: float) -> None:
        """Open nothing yet; no request waits longer than `wait_seconds` for one of the connections."""
        # One that sends nothing: whatever the SDK were to send by another method, nobody would know how long.
        super().__init__(transport=httpx2.AsyncBaseTransport())
        self._certificates = httpx2.create_ssl_context()
        self._free = asyncio.Semaphore(max_connections)
        self._wait_seconds = wait_seconds
        self._session: aiohttp.ClientSession | None = None

    @override
    async def request(  # type: ignore[override]  # what the SDK says, and no more
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] = _NO_HEADERS,
        content: bytes | None = None,
        timeout: None = None,
    ) -> httpx2.Response:
        """The answer to a request.

        Raises:
            PoolTimeout: no connection came free in time; nothing was sent.
            UnsupportedProtocol: the address, or that of the proxy, is none of HTTP; nothing was sent.
            TransportError: there is no answer, or none that can be read.
            DecodingError: it is said to be compressed, and is not.
        """
        where = urlsplit(url)
        await self._wait_for_connection()
        try:
            async with self._opened().request(
                method,
                url,
                headers={**_ALWAYS, **headers},
                data=content,
                allow_redirects=False,
                proxy=_proxy_of(where.scheme, where.hostname or ""),
            ) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, OSError) as error:
            raise _error_of_httpx2(error) from error
        finally:
            self._free.release()
        response = httpx2.Response(answer.status, headers=answer.raw_headers, content=body)
        response.encoding = _encoding_of(answer.headers.get("content-type", ""))
        return response

    @override
    async def aclose(self) -> None:
        """Close every connection; calling it twice changes nothing."""
        await super().aclose()
        if self._session is not None:
            await self._session.close()

    async def _wait_for_connection(self) -> None:
        # Here and not by aiohttp, which tells a wait for a connection and a wait for the server by the same error.
        if not self._free.locked():
            await self._free.acquire()
            return
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._free.acquire()
        except TimeoutError:
            raise httpx2.PoolTimeout("no connection came free") from None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0,
                    ssl=self._certificates,
                    # Another one would be taken where aiodns is installed.
                    resolver=aiohttp.ThreadedResolver(),
                ),
                skip_auto_headers=("accept", "accept-encoding", "content-type", "user-agent"),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(),
                max_line_size=_MOST_HEADER_BYTES,
                max_field_size=_MOST_HEADER_BYTES,
                middlewares=(),
            )
        return self._session


@lru_cache(maxsize=64)
def _encoding_of(content_type: str) -> str:
    """The encoding of a text: to find it out for each answer would take longer than to read it."""
    return httpx2.Response(200, headers={"content-type": content_type}).encoding or "utf-8"


@lru_cache(maxsize=64)
def _proxy_of(scheme: str, host: str) -> str | None:
    """The proxy that the environment names for a host, with its login, if there is one."""
    named = getproxies()
    proxy = named.get(scheme) or named.get("all")
    if not proxy or proxy_bypass(host):
        return None
    kind, mark, _ = proxy.partition("://")
    if not mark:
        return f"http://{proxy}"
    if kind.lower() not in {"http", "https"}:
        # Aiohttp would speak HTTP to it, and tell of a connection that was lost. Its address may hold a login.
        raise httpx2.UnsupportedProtocol(
            f"the proxy of the environment speaks {kind}, and only http and https can be used: "
            f"set {scheme}_proxy, or no_proxy for {host}"
        )
    return proxy


def _error_of_httpx2(error: aiohttp.ClientError | OSError) -> httpx2.RequestError:
    """The error that the SDK's usual transport would have."""
    match error:
        case aiohttp.ClientHttpProxyError():
            return httpx2.ProxyError(f"{error.status} {error.message}")
        case aiohttp.ClientConnectorError():
            return httpx2.ConnectError(str(error))
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError():
            return httpx2.RemoteProtocolError(str(error))
        case aiohttp.ClientResponseError():
            return httpx2.RemoteProtocolError(error.message)
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return httpx2.UnsupportedProtocol(f"no address of HTTP: {error}")
        case _:
            return httpx2.NetworkError(str(error) or type(error).__name__)
