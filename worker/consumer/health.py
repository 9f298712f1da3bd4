"""A worker's answers to whoever watches it: `/healthz`, `/readyz` and `/metrics`, and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

import structlog
from redis.exceptions import RedisError

from jobs.errors import PromptmillError, UsageError
from jobs.queue import JobQueue
from jobs.queue_status import Backlog, backlog_of

from .metrics import Metrics
from .trial import Trial

_log = structlog.get_logger(__name__)
_READ_SECONDS = 5.0
_ANSWER_SECONDS = 5.0
_TEXT = "text/plain; charset=utf-8"
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


class Health:
    """What a worker says of itself."""

    def __init__(
        self, queue: JobQueue, metrics: Metrics, hindered: Callable[[], str | None], trial: Trial
    ) -> None:
        """Ask this queue; `hindered` says why no job is taken, if none is, and `trial` whether programs run."""
        self._queue = queue
        self._metrics = metrics
        self._hindered = hindered
        self._trial = trial

    @asynccontextmanager
    async def answering(self, address: str) -> AsyncIterator[None]:
        """Answer at HOST:PORT for as long as the block runs.

        Raises:
            UsageError: nobody can listen there.
        """
        host, _, port = address.rpartition(":")
        try:
            server = await asyncio.start_server(self._serve, host, int(port))
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"the worker cannot listen at {address}: {error}",
                fixes=["name another address:  PROMPTMILL_WORKER__LISTEN=127.0.0.1:9465"],
            ) from None
        _log.info("health is told", address=address)
        try:
            yield
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_READ_SECONDS):
                words = (await reader.readline()).split()
                while (await reader.readline()).strip():
                    pass
            path = words[1].decode("latin-1") if len(words) > 1 else ""
            writer.write(await self._answer(path))
            await writer.drain()
        except (OSError, TimeoutError, ValueError):
            # Whoever asked has gone, or has never asked.
            return
        finally:
            writer.close()

    async def _answer(self, path: str) -> bytes:
        match path:
            case "/healthz":
                # That it is answered at all shows that the loop goes round.
                return _response(HTTPStatus.OK, b"ok\n")
            case "/readyz":
                why = await self._why_not_ready()
                status = HTTPStatus.SERVICE_UNAVAILABLE if why else HTTPStatus.OK
                return _response(status, f"{why or 'ok'}\n".encode())
            case "/metrics":
                text = self._metrics.text(await self._backlog())
                return _response(HTTPStatus.OK, text, _PROMETHEUS)
            case _:
                paths = b"ask for /healthz, /readyz or /metrics\n"
                return _response(HTTPStatus.NOT_FOUND, paths)

    async def _backlog(self) -> Backlog | None:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await backlog_of(self._queue)
        except (PromptmillError, TimeoutError) as error:
            # What this worker has counted is wanted most when something is wrong.
            _log.warning("queues not told", error=str(error))
            return None

    async def _why_not_ready(self) -> str | None:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                async with self._queue.redis.pipeline(transaction=False) as pipe:
                    pipe.ping()
                    await pipe.execute()
        except (RedisError, OSError, TimeoutError) as error:
            return f"Redis does not answer: {error}"
        return self._hindered() or await self._trial.fault()


def _response(status: HTTPStatus, body: bytes, kind: str = _TEXT) -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
