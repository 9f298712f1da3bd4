"""One launcher process: its start, the conversation with it, and its certain end."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from .errors import SandboxError
from .inside import protocol
from .inside.protocol import ProtocolError, Refusal, Report, Request

_INSIDE = Path(__file__).parent / "inside" / "__main__.py"
_STOP = b"stop"
# Reaping a large tree on a busy machine takes its time; after this the kernel is asked to end it.
_END_SECONDS = 5.0
_MAX_COMPLAINT_CHARACTERS = 2000


class LayerRefused(Exception):  # noqa: N818  an answer on the way to SandboxError or SandboxTooWeakError, not an error of its own
    """The launcher could not put a layer in force and ran nothing."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.layer}: {refusal.detail}")
        self.layer = refusal.layer
        self.detail = refusal.detail


class Launcher:
    """A launcher that was started and waits for its request.

    It must be started on the thread that runs the event loop: the kernel ties a child's death signal to the thread.
    """

    def __init__(self, inherited: Sequence[int]) -> None:
        """Start it, passing on these descriptors by number, and nothing else of ours.

        Raises:
            SandboxError: it could not be started.
        """
        self._ours, theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._complaints, complaints_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_INSIDE), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=complaints_end,
                env={},
                close_fds=True,
                pass_fds=(theirs.fileno(), *inherited),
                start_new_session=True,
                cwd="/",
            )
        except OSError as error:
            self._ours.close()
            os.close(self._complaints)
            raise SandboxError(
                "the sandbox's launcher cannot be started", facts={"reason": str(error)}
            ) from error
        finally:
            theirs.close()
            os.close(complaints_end)

    async def serve(self, request: Request, contents: Sequence[bytes]) -> Report:
        """Send the request with the contents of its files and wait for the report.

        Raises:
            LayerRefused: no program ran.
            SandboxError: the launcher died, or said something that is no report.
        """
        loop = asyncio.get_running_loop()
        try:
            frames = (protocol.frame(content) for content in (request.encode(), *contents))
            await loop.sock_sendall(self._ours, b"".join(frames))
            answer = await self._receive(protocol.frame_length(await self._receive(4)))
            if answer.startswith(Refusal.__name__.encode()):
                raise LayerRefused(Refusal.decode(answer))
            return Report.decode(answer)
        except (ProtocolError, OSError) as error:
            raise self._failure(error) from error

    def stop(self) -> None:
        """Have the program killed; the report still comes."""
        with suppress(OSError):
            self._ours.send(_STOP)

    async def end(self) -> None:
        """Close the conversation and wait until the launcher, and with it the program's whole tree, is dead.

        It is carried through even if the caller is cancelled meanwhile. Calling it twice changes nothing.
        """
        self._ours.close()
        ending = asyncio.ensure_future(self._wait_or_kill())
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            await asyncio.wait([ending])
            raise
        finally:
            if self._complaints >= 0:
                os.close(self._complaints)
                self._complaints = -1

    async def _wait_or_kill(self) -> None:
        if self._process.returncode is None:
            if not await self._ended_within(_END_SECONDS):
                self._process.kill()
                await self._ended_within(_END_SECONDS)
            self._process.poll()

    async def _ended_within(self, seconds: float) -> bool:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        descriptor = os.pidfd_open(self._process.pid)
        loop.add_reader(descriptor, ended.set)
        try:
            async with asyncio.timeout(seconds):
                await ended.wait()
        except TimeoutError:
            return False
        else:
            return True
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)

    async def _receive(self, length: int) -> bytes:
        received = bytearray()
        while len(received) < length:
            part = await asyncio.get_running_loop().sock_recv(self._ours, length - len(received))
            if not part:
                raise ProtocolError("it ended without a report")
            received += part
        return bytes(received)

    def _failure(self, error: Exception) -> SandboxError:
        complaint = ""
        with suppress(BlockingIOError):
            complaint = os.read(self._complaints, 65_536).decode("utf-8", "replace")
        facts = {"reason": str(error)}
        if complaint:
            facts["its last words"] = complaint[-_MAX_COMPLAINT_CHARACTERS:]
        return SandboxError("the sandbox's launcher failed", facts=facts)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end()
