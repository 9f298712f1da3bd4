"""A way to a server that breaks where a test wants it to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Cutter:
    """Cuts the connection that asks for `word`, so many times more, before or after the server has heard it.

    The first `n_spared` requests go through. Of one that is cut, the first `n_passed` bytes still do or, if Redis hears
    all of it, so many bytes of the answer. One that `is_silenced` is not cut: nothing more is heard on it.
    """

    word: bytes
    n_times: int
    is_heard: bool = False
    n_cut: int = 0
    n_spared: int = 0
    n_passed: int = 0
    is_silenced: bool = False

    def cuts(self, request: bytes) -> bool:
        """Whether this request is one of those."""
        if self.word not in request or self.n_cut >= self.n_times:
            return False
        if self.n_spared > 0:
            self.n_spared -= 1
            return False
        self.n_cut += 1
        return True


_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_Passing = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def cutting(url: str, cutter: Cutter, folder: Path) -> AsyncIterator[str]:
    """A URL that leads to the Redis at `url`, a unix socket, through the cutter."""
    _, _, options = url.partition("?")
    async with await asyncio.start_unix_server(passing_to(url, cutter), folder / "cut.sock"):
        yield f"unix://{folder / 'cut.sock'}?{options}"


def passing_to(url: str, cutter: Cutter) -> _Passing:
    """What a server does that passes everything on, through the cutter, to `unix://PATH` or another scheme's port."""
    scheme, _, place = url.partition("://")
    if scheme == "unix":
        socket, _, _ = place.partition("?")
        return _passing(cutter, lambda: asyncio.open_unix_connection(socket))
    host, _, port = place.rpartition(":")
    return _passing(cutter, lambda: asyncio.open_connection(host, int(port)))


@asynccontextmanager
async def cutting_http(url: str, cutter: Cutter) -> AsyncIterator[str]:
    """A URL that leads to the HTTP server at `url`, on a port of this machine, through the cutter."""
    host, _, _ = url.removeprefix("http://").rpartition(":")
    async with await asyncio.start_server(passing_to(url, cutter), host, 0) as listener:
        yield f"http://{host}:{listener.sockets[0].getsockname()[1]}"


def _passing(cutter: Cutter, connect: Callable[[], Awaitable[_Streams]]) -> _Passing:
    async def pass_on(client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        try:
            server, requests = await connect()
        except BaseException:
            answers.close()
            raise
        back = asyncio.create_task(copied(server, answers))
        try:
            while request := await client.read(65_536):
                if not cutter.cuts(request):
                    requests.write(request)
                    await requests.drain()
                    continue
                await _end(back)
                requests.write(request if cutter.is_heard else request[: cutter.n_passed])
                await requests.drain()
                if cutter.is_heard:
                    # A long one comes in pieces. The first byte of its answer says that it was heard.
                    rest = asyncio.create_task(copied(client, requests))
                    answer = await server.read(max(cutter.n_passed, 1))
                    await _end(rest)
                    answers.write(answer[: cutter.n_passed])
                if cutter.is_silenced:
                    await client.read()
                return
        finally:
            back.cancel()
            # Both first: at the end of a test the waiting is cancelled.
            requests.close()
            answers.close()
            for writer in (requests, answers):
                with suppress(ConnectionError):
                    await writer.wait_closed()

    return pass_on


async def copied(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Pass everything on until one of them ends."""
    with suppress(ConnectionError):
        while chunk := await source.read(65_536):
            target.write(chunk)
            await target.drain()


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait([task])
