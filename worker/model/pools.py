"""Connections for hundreds of calls at one time: many small pools, since a large one is gone through at each call."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
from typing_extensions import override

_CONNECTIONS_A_POOL = 16


class PooledClient(httpx2.AsyncClient):
    """Sends each request by the client that is least busy; together they hold as many connections as one would.

    Each finds proxies and certificates as any client does.
    """

    def __init__(
        self, max_connections: int, on_request: Callable[[httpx2.Request], Awaitable[None]]
    ) -> None:
        """Open nothing yet; `on_request` sees each request before it is sent."""
        # Loaded once: to read the machine's certificates takes a while.
        certificates = httpx2.create_ssl_context()
        super().__init__(verify=certificates)
        n_pools = -(-max_connections // _CONNECTIONS_A_POOL)
        more, left = divmod(max_connections, n_pools)
        self._free = {
            httpx2.AsyncClient(
                verify=certificates,
                limits=httpx2.Limits(max_connections=more + (number < left)),
                event_hooks={"request": [on_request]},
            ): more + (number < left)
            for number in range(n_pools)
        }

    @override
    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send it by one of them, and keep its place until the answer is read."""
        client = max(self._free, key=self._free.__getitem__)
        self._free[client] -= 1
        try:
            return await client.send(request, **options)
        finally:
            self._free[client] += 1

    @override
    async def aclose(self) -> None:
        """Close every connection; calling it twice changes nothing."""
        await super().aclose()
        for client in self._free:
            await client.aclose()
