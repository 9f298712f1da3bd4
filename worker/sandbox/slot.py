"""One slot: a zygote process of our own making, the conversation with it, and its certain end."""

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from .cgroups import SlotGroups
from .errors import SandboxError
from .inside import protocol, scratch
from .inside.protocol import Message, ProtocolError, Ready, Refusal, Report, Request, Setup

_Answer = TypeVar("_Answer", bound=Message)

_INSIDE = Path(__file__).parent / "inside" / "__main__.py"
# Raising the walls takes 30 ms; importing what is preloaded may take seconds on a busy machine.
_READY_SECONDS = 60.0
# Reaping a large tree on a busy machine takes its time; after this the kernel is asked to end it.
_END_SECONDS = 5.0
_REMOVE_SECONDS = 2.0
_TRY_AGAIN_SECONDS = 0.05
_MAX_COMPLAINT_CHARACTERS = 2000
# The way through, and no listing: a run's directory below it belongs to another user where the worker is root.
_THROUGH_ONLY = 0o711


class LayerRefused(Exception):  # noqa: N818  an answer on the way to SandboxError or SandboxTooWeakError, not an error of its own
    """The zygote could not put a layer in force and ran nothing."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.layer}: {refusal.detail}")
        self.layer = refusal.layer
        self.detail = refusal.detail


class SlotLostError(Exception):
    """The zygote died, or said something that is no answer: nothing is known of the program it held."""


@dataclass(frozen=True)
class Ended:
    """A report, and where it has one the descriptor of what was collected, which is the receiver's to close."""

    report: Report
    artefacts: int | None


class Slot:
    """A zygote that was started. One run at a time.

    It must be started on the thread that runs the event loop: the kernel ties a child's death signal to the thread.
    It belongs to no loop, so it may be used by one after the other.
    """

    def __init__(self, interpreter: Path, setup: Setup, places: Sequence[Path]) -> None:
        """Start it, in control groups of its own below `places`.

        Raises:
            SandboxError: it could not be started.
        """
        self.n_runs = 0
        self.scratch_mib = setup.scratch_mib
        self.uid = -1
        self.layers: tuple[str, ...] = ()
        self._directory = ""
        self._inside = (interpreter, "-I", "-S", str(_INSIDE))
        with ExitStack() as undo:
            try:
                self._start(setup, places, undo)
            except OSError as error:
                raise SandboxError(
                    "the sandbox's zygote cannot be started", facts={"reason": str(error)}
                ) from error
            undo.pop_all()

    def _start(self, setup: Setup, places: Sequence[Path], undo: ExitStack) -> None:
        """Start it; `undo` is given what has to be let go of should a later step fail."""
        if setup.profile != "strict":
            self._directory = tempfile.mkdtemp(prefix="promptmill-slot-")
            undo.callback(self._remove_directory)
            os.chmod(self._directory, _THROUGH_ONLY)  # noqa: PTH101  the path came as text and goes on as text
            setup = Setup(**{**vars(setup), "scratch_parent": self._directory})
        self._groups = SlotGroups(places)
        undo.callback(self._groups.remove)
        setup = Setup(**{**vars(setup), "cgroups": tuple(map(str, self._groups.folders))})
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        undo.callback(self._ours.close)
        self._ours.setblocking(False)
        with theirs:
            self._process = self._started(theirs.fileno(), undo)
        # Before it is told anything, so that all it ever does is in them.
        self._groups.add(self._process.pid)
        self._ours.send(setup.encode())

    def _started(self, control: int, undo: ExitStack) -> "subprocess.Popen[bytes]":
        self._complaints, complaints_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        undo.callback(os.close, self._complaints)
        try:
            # Pipes, like those that programs get: Python notes once what its standard streams are.
            nothing, nothing_end = os.pipe2(os.O_CLOEXEC)
            os.close(nothing_end)
            try:
                process = subprocess.Popen(
                    [*self._inside, str(control)],
                    stdin=nothing,
                    stdout=complaints_end,
                    stderr=complaints_end,
                    env={},
                    close_fds=True,
                    pass_fds=(control,),
                    start_new_session=True,
                    cwd="/",
                )
            finally:
                os.close(nothing)
        finally:
            os.close(complaints_end)
        # It ends by itself when its socket is closed; that is the next thing to be undone.
        undo.callback(process.wait)
        undo.callback(self._ours.close)
        return process

    async def ready(self) -> None:
        """Wait until it is; `uid` and `layers` are known then.

        Raises:
            LayerRefused: it cannot be what it is to be.
            SandboxError: it died, or did not answer in time.
        """
        try:
            async with asyncio.timeout(_READY_SECONDS):
                answer, _ = await self._receive()
            ready = _expect(Ready, answer)
        except (ProtocolError, OSError, TimeoutError) as error:
            raise SandboxError("the sandbox's zygote failed", facts=self._facts(error)) from error
        self.uid, self.layers = ready.uid, ready.layers

    def start(self, request: Request, descriptors: Sequence[int]) -> None:
        """Send a job to the spare: the program's descriptors in order, and the memfd with its files.

        Raises:
            SlotLostError: it died.
        """
        self.n_runs += 1
        try:
            socket.send_fds(self._ours, [request.encode()], list(descriptors))
        except ProtocolError as error:
            raise SandboxError(
                "the program and its files have names that are too long to be sent",
                facts={"reason": str(error)},
            ) from error
        except OSError as error:
            raise SlotLostError(str(error)) from error

    async def report(self) -> Ended:
        """Wait for the end of the run.

        Raises:
            SlotLostError: the zygote died.
            SandboxError: the program could not be started.
        """
        try:
            answer, descriptors = await self._receive()
            report = _expect(Report, answer)
        except LayerRefused as refused:
            raise SandboxError(
                "the sandbox could not start the program",
                facts={"step": refused.layer, "reason": refused.detail},
            ) from refused
        except (ProtocolError, OSError) as error:
            raise SlotLostError(": ".join(self._facts(error).values())) from error
        return Ended(report, descriptors[0] if descriptors else None)

    def stop(self) -> None:
        """Have the program killed; the report still comes."""
        with suppress(OSError):
            self._ours.send(protocol.STOP)

    async def end(self) -> None:
        """Close the conversation and wait until the zygote, and with it everything in the slot, is dead.

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
        loop = asyncio.get_running_loop()
        if self._directory and self.uid >= 0 and self._process.returncode != 0:
            # Without a PID namespace a zygote that was killed leaves what its program started.
            await loop.run_in_executor(None, self._end_survivors)
        # In threads, and not waited for to their end: a program can leave what takes minutes to remove.
        removals = [
            loop.run_in_executor(None, remove)
            for remove in (self._remove_directory, self._groups.remove)
        ]
        await asyncio.wait(removals, timeout=_REMOVE_SECONDS)

    def _end_survivors(self) -> None:
        """End every process of the slot's user, who is nobody else's.

        Under `rlimits` a program may signal who comes to end it, and be the first to: then another one comes.
        """
        until = time.monotonic() + _END_SECONDS
        while time.monotonic() < until:
            with suppress(subprocess.SubprocessError, OSError):
                subprocess.run(
                    [*self._inside, "survivors", str(self.uid)],
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    env={},
                    cwd="/",
                    timeout=_END_SECONDS,
                    check=True,
                )
                return
            time.sleep(_TRY_AGAIN_SECONDS)

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

    async def _receive(self) -> tuple[bytes, list[int]]:
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        # By number: asyncio writes out any object it does not know yet, and a socket asks the kernel for its names.
        descriptor = self._ours.fileno()
        loop.add_reader(descriptor, readable.set)
        try:
            await readable.wait()
        finally:
            loop.remove_reader(descriptor)
        packet, descriptors, _, _ = socket.recv_fds(self._ours, protocol.PACKET_BYTES, 1)
        if not packet:
            raise ProtocolError("it ended without an answer")
        return packet, descriptors

    def _facts(self, error: Exception) -> dict[str, str]:
        complaint = ""
        with suppress(BlockingIOError):
            complaint = os.read(self._complaints, 65_536).decode("utf-8", "replace")
        facts = {"reason": str(error) or type(error).__name__}
        if complaint:
            facts["its last words"] = complaint[-_MAX_COMPLAINT_CHARACTERS:]
        return facts

    def _remove_directory(self) -> None:
        if self._directory:
            # Empty, unless the zygote was killed. What a program left can only be removed step by step.
            for name in os.listdir(self._directory) if os.path.isdir(self._directory) else ():  # noqa: PTH112, PTH208
                with suppress(OSError):
                    scratch.remove(f"{self._directory}/{name}")
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = ""


def _expect(kind: type[_Answer], packet: bytes) -> _Answer:
    if packet.startswith(Refusal.__name__.encode()):
        raise LayerRefused(Refusal.decode(packet))
    return kind.decode(packet)
