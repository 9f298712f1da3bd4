"""The child that waits behind its walls for one job, becomes that job's program, and dies.

Theory of operation. All that takes time (namespaces, mounts, filters, imports) is done before there is a job, by a
child of the supervisor that then waits for one. The worker's packet goes straight to it: supervisor and spare hold the
same socket, and the spare is the one that reads. It hands a copy to the supervisor, which begins to watch, gives
itself the job's descriptors and limits, lets go of every descriptor of ours, and is the program: by exec, or, for
Python, by returning up to the bottom of the interpreter's stack, from where the program is run.
"""

import fcntl
import os
import sys
import time

from . import protocol, rlimits, syscalls
from .layers import LayerRefusedError
from .protocol import SCRATCH_MARK, Confined, Refusal, Request, Started
from .python_program import Job
from .walls import Walls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket as Socket  # noqa: N812  a class, by the name of a module

PYTHON = "python"
"""The command that means this interpreter."""
# Above every descriptor the program is given, so that moving one never overwrites another.
_PARKED_FROM = 64
_CLOSED_UP_TO = 1 << 20
_NOT_STARTED = 127


def become_a_program(walls: Walls, control: "Socket", channel: "Socket") -> Job:
    """Wait for a job and take the steps to its program; returns where it is Python's.

    What goes wrong is said on `channel`, the supervisor's, and ends this process.
    """
    try:
        _confine(walls, channel)
        raw, descriptors = _next_job(control)
        protocol.send(channel, Started(cpu_seconds=time.process_time()))
        channel.send(raw)
        request = Request.decode(raw)
        contents = _contents(request, descriptors.pop())
        with walls.layers.preparing("files"):
            _write_files(request, contents, walls.scratch)
        # Their numbers are the program's from here on: an object that still owned one would close it when it goes.
        control.detach()
        report = _arrange_descriptors(descriptors, channel.detach())
        with walls.layers.preparing("rlimits"):
            rlimits.apply(rlimits.bounds(request, walls.tasks_besides))
        if request.argv[0] == PYTHON:
            os.close(report)
            return Job(contents[0], f"{walls.scratch}/{request.files[0]}")
        with walls.layers.preparing(f"exec {request.argv[0]}"):
            syscalls.default_signals()
            words = [word.replace(SCRATCH_MARK, walls.scratch) for word in request.argv]
            os.execve(words[0], words, os.environ)
    except LayerRefusedError as error:
        protocol.send(channel, Refusal(layer=error.layer, detail=error.detail))
    except protocol.ProtocolError:
        pass  # the worker went away; so does the supervisor
    os._exit(_NOT_STARTED)


def _next_job(control: "Socket") -> tuple[bytes, list[int]]:
    while True:
        raw, descriptors = protocol.receive(control)
        # A wish to stop the run before this one may have come when that had ended by itself.
        if raw != protocol.STOP:
            return raw, descriptors


def _confine(walls: Walls, channel: "Socket") -> None:
    scratch = walls.raise_around_this_process()
    walls.layers.names.append("rlimits")
    _warm_up()
    protocol.send(channel, Confined(layers=tuple(walls.layers.names)), (scratch,))
    os.close(scratch)


def _warm_up() -> None:
    """What a new interpreter would do by itself and costs time: done while nobody waits."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "inside"]:
        del sys.modules[name]
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        # Else every run of the slot would draw the same numbers; Python's own generator sees to itself after a fork.
        numpy_random.seed()


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
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)


def _arrange_descriptors(given: list[int], channel: int) -> int:
    """Put the program's descriptors at 0, 1, 2 and on, the supervisor's after them to close at exec; return that."""
    parked = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, _PARKED_FROM) for each in (*given, channel)]
    for place, descriptor in enumerate(parked):
        os.dup2(descriptor, place, inheritable=place < len(given))
    os.closerange(len(parked), _CLOSED_UP_TO)
    return len(given)
