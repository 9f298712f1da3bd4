"""The child that waits behind its walls for one job, becomes that job's program, and dies.

Theory of operation. All that takes time (namespaces, mounts, filters, imports) is done before there is a job, by a
child of the supervisor that then waits for one. The worker's packet goes straight to it: supervisor and spare hold the
same socket, and the spare is the one that reads. It hands a copy to the supervisor, which begins to watch, writes the
job's files, gives itself its limits, lets go of every descriptor of ours, and is the program: by exec, or, for
Python, by returning up to the bottom of the interpreter's stack, from where the program is run.
"""

import _socket
import fcntl
import os
import resource
import select
import sys
import time

from . import protocol, python_program, rlimits, syscalls
from .layers import SPARE, LayerRefusedError
from .protocol import SCRATCH_MARK, Confined, Refusal, Request
from .walls import Walls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket as Socket  # noqa: N812  a class, by the name of a module
    from collections.abc import Callable
    from typing import NoReturn

PYTHON = "python"
"""The command that means this interpreter."""
# Above every descriptor that comes with a job: they take the lowest numbers, which have to be free.
_PARKED_FROM = 16
# Three streams, and the job's files.
_LEAST_DESCRIPTORS = 4
_CLOSED_UP_TO = 1 << 20
_NOT_STARTED = 127
_REHEARSAL = Request(
    argv=(PYTHON,),
    files=("work/program.py",),
    sizes=("0",),
    cpu_seconds=1.0,
    wall_seconds=1.0,
    memory_mib=1,
    private_memory_mib=1,
    address_space_mib=1,
    file_size_mib=1,
    processes=1,
    open_files=1,
    artefacts=0,
    artefact_kib=0,
).encode()


def become_a_program(
    walls: Walls,
    control: "Socket",
    channel: "Socket",
    rehearse_role: "Callable[[], None] | None",
) -> python_program.Job:
    """Wait for a job and take the steps to its program; returns where it is Python's.

    `rehearse_role` is gone through while nobody waits, where there is one.

    What goes wrong is said on `channel`, the supervisor's, and ends this process.
    """
    try:
        held = walls.raise_around_this_process()
        _seed_anew()
        if not _is_awaited(control):
            _warm_up(walls, rehearse_role)
        control, channel, held = _make_room(control, channel, held)
        if not walls.are_proven:
            protocol.send(channel, Confined())
        hand_on = protocol.ready_to_hand_on(channel, time.process_time(), held)
        raw, payload = _next_job(control)
        hand_on(raw)
        job = _begin(Request.decode(raw), payload, walls)
    except LayerRefusedError as error:
        protocol.send(channel, Refusal(layer=error.layer, detail=error.detail))
    except protocol.ProtocolError:
        pass  # the worker went away; so does the supervisor
    except Exception as error:  # noqa: BLE001  a fault of ours, which nobody may take for the program's
        protocol.send(channel, Refusal(layer=SPARE, detail=repr(error)[:500]))
    else:
        # These numbers are the program's from here on: an object that still owned one would close it when it goes.
        control.detach()
        channel.detach()
        os.closerange(payload, _CLOSED_UP_TO)
        return job
    os._exit(_NOT_STARTED)


def _make_room(
    control: "Socket", channel: "Socket", held: tuple[int, ...]
) -> "tuple[Socket, Socket, tuple[int, ...]]":
    """Put what is needed until there is a program beyond the numbers of the program's own descriptors; close all else.

    The kernel gives the lowest number that is free: the descriptors of a job come to their places by themselves.
    """
    parked = [
        fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, _PARKED_FROM)
        for each in (control.fileno(), channel.fileno(), *held)
    ]
    # Else they would close these numbers when they go, and by then they are others'.
    control.detach()
    channel.detach()
    free_from = 0
    for each in parked:
        os.closerange(free_from, each)
        free_from = each + 1
    os.closerange(free_from, _CLOSED_UP_TO)
    return _socket.socket(fileno=parked[0]), _socket.socket(fileno=parked[1]), tuple(parked[2:])


def _begin(request: Request, payload: int, walls: Walls) -> python_program.Job:
    """Take the job's files and limits. It returns where the program is Python's; any other is exec'ed.

    Raises:
        LayerRefusedError: it could not.
    """
    with walls.layers.preparing("files"):
        contents = _contents(request, payload)
        _write_files(request, contents, walls.scratch)
    with walls.layers.preparing("rlimits"):
        rlimits.apply(rlimits.bounds(request, walls.tasks_besides))
    if request.argv[0] != PYTHON:
        _exec(request, walls)
    path = f"{walls.scratch}/{request.files[0]}"
    return python_program.Job(contents[0], path, request.argv[1:])


def _exec(request: Request, walls: Walls) -> "NoReturn":
    with walls.layers.preparing(f"exec {request.argv[0]}"):
        syscalls.default_signals()
        words = [word.replace(SCRATCH_MARK, walls.scratch) for word in request.argv]
        # It closes all but the program's descriptors, by which the supervisor would know of it.
        os.execve(words[0], words, os.environ)


def _next_job(control: "Socket") -> tuple[bytes, int]:
    """Its packet, and the descriptor of its files, which comes after those of the program."""
    while True:
        raw, descriptors = protocol.receive(control, flags=0)
        # A wish to stop the run before this one may have come when that had ended by itself.
        if raw == protocol.STOP:
            continue
        n_descriptors = len(descriptors)
        if n_descriptors < _LEAST_DESCRIPTORS or descriptors != list(range(n_descriptors)):
            raise OSError(f"a job's descriptors came as {descriptors}")
        return raw, n_descriptors - 1


def _seed_anew() -> None:
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        # Else every run of the slot would draw the same numbers; Python's own generator sees to itself after a fork.
        numpy_random.seed()


def _is_awaited(control: "Socket") -> bool:
    """Whether a job waits already: then what it needs is done for it, and not rehearsed."""
    readable = select.poll()
    readable.register(control.fileno(), select.POLLIN)
    return bool(readable.poll(0))


def _warm_up(walls: Walls, rehearse_role: "Callable[[], None] | None") -> None:
    """Do once what is slow the first time, while nobody waits."""
    request = rehearse()
    _write_files(request, _contents(request, os.open(os.devnull, os.O_RDONLY)), walls.scratch)
    os.unlink(f"{walls.scratch}/{request.files[0]}")
    if rehearse_role is not None:
        rehearse_role()


def rehearse() -> Request:
    """Go through what stands between a job and its program, as far as it leaves nothing behind.

    Memory is copied when it is first written to after a fork, and to use an object is to count its users, which writes
    to it. So a spare does this while nobody waits. The supervisor does it as well, and often: the interpreter
    rewrites code that has run some times for how it is used, and does that in the memory of whoever runs it.
    """
    request = Request.decode(_REHEARSAL)
    for kind, _, _ in rlimits.bounds(request, 0):
        resource.getrlimit(kind)
    python_program.rehearse()
    return request


def _contents(request: Request, payload: int) -> list[bytes]:
    contents, at = [], 0
    for size in map(int, request.sizes):
        contents.append(os.pread(payload, size, at))
        at += size
    os.close(payload)
    return contents


def _write_files(request: Request, contents: list[bytes], scratch: str) -> None:
    for name, content in zip(request.files, contents, strict=True):
        path = f"{scratch}/{name}"
        # What a compiler made is the command itself. Its mode is given here: later no mode can be changed everywhere.
        mode = 0o755 if request.argv[0] == f"{SCRATCH_MARK}/{name}" else 0o644
        if name.count("/") > 1:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]
        os.close(descriptor)
