"""The supervisor of a slot: how it starts, how it lives from run to run, and how it ends.

Theory of operation. It is told once what to be (`Setup`), raises the walls of the slot, imports what is to be
preloaded, and answers `Ready`, or `Refusal` where a layer that the profile needs cannot be had. Then it keeps one
spare child waiting. When the spare says that it has taken a job, the supervisor watches it to its end, kills and reaps
whatever is left, collects files if that was asked for, reports, and only then makes the next spare: nobody waits for
that. It ends when the worker closes the socket or dies. No content of a program's goes through its memory, and it has
nothing of the worker's: no environment, no key, one socket.
"""

import _socket
import gc
import os
import select
import site
import sys

from . import protocol, rlimits, spare, syscalls
from .cgroups import Groups
from .collector import Collection
from .layers import PRELOAD, SPARE, LayerRefusedError, Layers
from .private_walls import PrivateWalls
from .protocol import (
    Confined,
    ProtocolError,
    Ready,
    Refusal,
    Report,
    Request,
    Setup,
)
from .python_program import ANSWERS, TESTS
from .shared_walls import SharedWalls
from .verifying import answering
from .walls import Walls
from .watcher import Watcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket as Socket  # noqa: N812  a class, by the name of a module
    from collections.abc import Callable

    from .python_program import Job

_ASKED = frozenset((ANSWERS, TESTS))
# What is raised where there is nobody any more to speak to.
_GONE = (ProtocolError, BrokenPipeError, ConnectionResetError)
# The interpreter begins to rewrite code at the eighth time.
_N_REHEARSALS = 16
# What a child that reports exits with if the slot cannot be used again.
_SPENT = 1
# Libraries start threads at import unless they are told not to, and a process with threads cannot be forked.
_ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def main(descriptor: int) -> "Job | None":
    """Serve a slot from its socket until the worker goes away; a Job is returned in the process that is to run it."""
    syscalls.ignore_interrupts()
    control = _socket.socket(fileno=descriptor)
    try:
        setup = Setup.decode(protocol.receive(control)[0])
        # While its file can still be read.
        verify, rehearse_role = _verifier() if setup.role == "tests" else (None, answering.rehearse)
        walls, groups = _walls(setup)
        if walls is None:
            return None
        walls.build()
        with walls.layers.preparing("rlimits"):
            rlimits.apply(rlimits.OF_ALL)
        _preload(setup)
        _rehearse(rehearse_role)
        # What lies here now is shared with every program: a collection in one would copy all of it.
        gc.collect()
        gc.freeze()
        # A program would begin by letting go of all this, and each of a hundred pages would be copied for that.
        for each in (setup, walls, groups, control, rehearse_role):
            syscalls.keep_for_good(each)
        job = _serve(walls, groups, control, rehearse_role)
    except LayerRefusedError as error:
        protocol.send(control, Refusal(layer=error.layer, detail=error.detail))
    except _GONE:
        pass  # the worker went away
    else:
        if job is None:
            walls.tear_down()
        else:
            job.verify = verify
        return job
    return None


def _walls(setup: Setup) -> tuple[Walls | None, Groups]:
    """The walls to build; None in the process that only waits for PID 1 of the slot."""
    layers = Layers()
    groups = Groups(setup.cgroups)
    layers.names += groups.layers
    if setup.profile != "strict":
        return SharedWalls(setup, layers), groups
    walls = PrivateWalls(setup, layers)
    walls.leave_the_host()
    first = os.fork()
    if first:
        walls.wait_for(first)
        return None, groups
    return walls, groups


def _verifier() -> "tuple[Callable[[bytes, str, float], None], Callable[[], None]]":
    # No other slot is to have all that it imports.
    from .verifying import testing

    return testing.verify, testing.rehearse


def _preload(setup: Setup) -> None:
    # What `-S` leaves out and programs call: exit, quit, help. Its folders stay out.
    site.setquit()
    site.setcopyright()
    site.sethelper()
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    sys.path += setup.python_path
    for name in setup.preload:
        try:
            __import__(name)
        except BaseException as error:
            # Whatever a package raises, SystemExit included: it is no defect of ours.
            raise LayerRefusedError(
                PRELOAD, f"import {name}: {type(error).__name__}: {error}"
            ) from error
        if len(os.listdir("/proc/self/task")) > 1:
            raise LayerRefusedError(
                PRELOAD, f"import {name}: it starts a thread, which no fork would have"
            )
    # Programs are to find no module of ours. What is running needs no name there.
    for name in [name for name in sys.modules if name.partition(".")[0] == "inside"]:
        del sys.modules[name]


def _rehearse(role: "Callable[[], None]") -> None:
    """Have the interpreter rewrite what every spare will do, in the memory that they share.

    The first compilation makes the types of the syntax tree as well, which takes longer than all the rest of a spare.
    """
    try:
        for _ in range(_N_REHEARSALS):
            spare.rehearse()
            role()
    except Exception as error:
        # A package may have changed what we are made of as well.
        raise LayerRefusedError(
            PRELOAD, f"with what was imported nothing runs: {type(error).__name__}: {error}"
        ) from error


def _serve(
    walls: Walls, groups: Groups, control: "Socket", rehearse_role: "Callable[[], None]"
) -> "Job | None":
    is_asked = True
    while True:
        walls.before_a_run()
        walls.set_environment()
        groups.reset()
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            ours.close()
            return spare.become_a_program(
                walls, control, theirs, rehearse_role if is_asked else None
            )
        theirs.close()
        run = _Run(pid, ours, walls, groups)
        try:
            if not walls.are_proven:
                run.wait_until_confined()
                walls.are_proven = True
                protocol.send(control, _ready(walls))
            run.see_through(control)
        except _GONE:
            # The worker went away, or the spare did; either way this slot has served.
            return None
        finally:
            run.end()
        if run.is_spent:
            return None
        # The next program will be one like this.
        is_asked = run.is_asked


def _ready(walls: Walls) -> Ready:
    of_a_run = [layer for layer, _, _ in walls.steps if layer != SPARE]
    layers = [*walls.layers.names, *of_a_run, "rlimits"]
    return Ready(
        uid=-1 if walls.uid is None else walls.uid,
        layers=tuple(dict.fromkeys(layers)),
    )


class _Run:
    """One spare, from its fork to the last trace of its program."""

    def __init__(self, pid: int, channel: "Socket", walls: Walls, groups: Groups) -> None:
        self._pid = pid
        self._process = os.pidfd_open(pid)
        self._channel = channel
        self._walls = walls
        self._groups = groups
        self._held: tuple[int, ...] = ()
        self._is_over = False
        self.is_spent = False
        """Whether it left something because of which the slot cannot be used again."""
        self.is_asked = False
        """Whether it answered tests, or asked as tests."""

    def wait_until_confined(self) -> None:
        """Return when its walls stand.

        Raises:
            LayerRefusedError: they do not.
        """
        raw, _ = protocol.receive(self._channel)
        _raise_refusal(raw)
        Confined.decode(raw)

    def see_through(self, control: "Socket") -> None:
        """Wait for its job, watch its program to the end, and report.

        Raises:
            ProtocolError: the worker went away, or the spare did.
            LayerRefusedError: it could not become the program.
        """
        idle = select.poll()
        idle.register(self._channel.fileno(), select.POLLIN)
        # Nothing but its end: what comes on it now is for the spare to read.
        idle.register(control.fileno(), 0)
        if control.fileno() in dict(idle.poll()):
            raise ProtocolError("the worker went away")
        raw, held = protocol.receive(self._channel)
        _raise_refusal(raw)
        self._held = tuple(held)
        request, cpu_seconds_before = protocol.handed_on(raw)
        self.is_asked = not _ASKED.isdisjoint(request.argv)
        self._groups.bound(request.memory_mib, request.processes)
        watcher = Watcher(self._pid, request, self._walls, self._groups, held[0])
        watcher.run_to_the_end(self._process, control.fileno(), cpu_seconds_before)
        self._raise_what_went_wrong()
        self._report(watcher, request, control)

    def end(self) -> None:
        """Kill whoever is left, and let go of everything."""
        if not self._is_over:
            self._walls.tree.end_everyone()
            self._clean_up()
        os.close(self._process)
        self._channel.close()
        self._walls.let_go(self._held)

    def _report(self, watcher: Watcher, request: Request, control: "Socket") -> None:
        if request.artefacts:
            self._report_with_files(watcher, request, control)
            return
        self._clean_up()
        protocol.send(control, _report_of(watcher, None))
        # The kernel wakes the worker on this processor, where it would wait until the next spare is made.
        os.sched_yield()

    def _report_with_files(self, watcher: Watcher, request: Request, control: "Socket") -> None:
        """Let a child collect and report: what goes through our memory, the next program would get a copy of."""
        self._is_over = True
        child = os.fork()
        if child == 0:
            try:
                collection = Collection(request.artefacts, request.artefact_kib)
                collection.take_all(self._held[0], request.files)
                self._clean_up()
                protocol.send(control, _report_of(watcher, collection), (collection.content,))
                os._exit(_SPENT if self.is_spent else 0)
            finally:
                os._exit(_SPENT)
        self.is_spent = os.waitpid(child, 0)[1] != 0

    def _clean_up(self) -> None:
        """Have nothing of the run left on the host's disk; everybody of it is dead."""
        self._is_over = True
        try:
            self._walls.after_a_run()
        except TimeoutError:
            self.is_spent = True

    def _raise_what_went_wrong(self) -> None:
        """The spare's last words, if it did not become the program. The program itself has no way to say any."""
        try:
            raw = self._channel.recv(protocol.PACKET_BYTES, _socket.MSG_DONTWAIT)
        except (BlockingIOError, ConnectionResetError):
            return
        if raw:
            _raise_refusal(raw)


def _report_of(watcher: Watcher, collection: Collection | None) -> Report:
    return Report(
        wait_status=watcher.wait_status,
        reason=watcher.reason,
        cpu_seconds=watcher.cpu_seconds,
        wall_seconds=watcher.wall_seconds,
        peak_memory_kib=watcher.peak_kib,
        peak_processes=watcher.peak_processes,
        artefacts=tuple(collection.names) if collection else (),
        artefact_sizes=tuple(collection.sizes) if collection else (),
        artefacts_omitted=collection.omitted if collection else 0,
    )


def _raise_refusal(raw: bytes) -> None:
    if raw.startswith(Refusal.__name__.encode()):
        refusal = Refusal.decode(raw)
        raise LayerRefusedError(refusal.layer, refusal.detail)
