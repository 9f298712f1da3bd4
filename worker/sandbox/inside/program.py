"""The last steps before the program: its files, its descriptors, its limits, and exec."""

import fcntl
import os

from . import identity, rlimits, syscalls
from .layers import LayerRefusedError
from .protocol import Request

# Above every descriptor the program is given, so that moving one never overwrites another.
_PARKED_FROM = 64
_CLOSED_UP_TO = 1 << 20


def write_files(request: Request, contents: list[bytes]) -> None:
    """Fill the scratch directory: `work` to start in, `tmp` and `shm` beside it, and the files of the request."""
    for name in ("work", "tmp", "shm"):
        os.mkdir(f"{request.scratch}/{name}")
    for name, content in zip(request.files, contents, strict=True):
        path = f"{request.scratch}/{name}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
    for link in request.links:
        name, _, target = link.partition("=")
        path = f"{request.scratch}/{name}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.symlink(target, path)


def start(request: Request, wanted: list[rlimits.Bound], uid: int | None) -> int:
    """Start the program as `uid`, None leaving the user as it is, and return its pid once its exec has succeeded.

    Raises:
        LayerRefusedError: something before the exec, or the exec itself, was refused; the child is gone.
    """
    trouble, report = os.pipe()
    pid = os.fork()
    if pid == 0:
        _become_the_program(request, wanted, uid, report)
    os.close(report)
    told = os.read(trouble, 4096)
    os.close(trouble)
    if told:
        os.waitpid(pid, 0)
        layer, _, detail = told.decode().partition(": ")
        raise LayerRefusedError(layer, detail)
    return pid


def _become_the_program(
    request: Request, wanted: list[rlimits.Bound], uid: int | None, report: int
) -> None:
    step = "program"
    try:
        report = _arrange_descriptors(request, report)
        _leave_the_launcher(request)
        step = "unprivileged-uid"
        if uid is not None:
            identity.become(uid)
        step = "no-capabilities"
        syscalls.drop_capabilities()
        # After every change of credentials: each of them clears it.
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, 9)
        step = "rlimits"
        rlimits.apply(wanted)
        step = f"exec {request.argv[0]}"
        os.execve(request.argv[0], request.argv, _environment(request))
    except (OSError, ValueError) as error:
        os.write(report, f"{step}: {error}".encode()[:4096])
    finally:
        os._exit(127)


def _arrange_descriptors(request: Request, report: int) -> int:
    """Put the program's descriptors at 0, 1, 2 and on, ours after them to close at exec; return ours."""
    given = [int(descriptor) for descriptor in request.descriptors]
    parked = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, _PARKED_FROM) for each in (*given, report)]
    for place, descriptor in enumerate(parked):
        os.dup2(descriptor, place, inheritable=place < len(given))
    os.closerange(len(parked), _CLOSED_UP_TO)
    return len(given)


def _leave_the_launcher(request: Request) -> None:
    os.setsid()
    syscalls.default_signals()
    os.umask(0o022)
    os.chdir(f"{request.scratch}/work")
    # The kernel's own choice under memory pressure should be the program, never the worker. Writing it needs a
    # dumpable process; exec makes the program that anyway.
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 1)
    with open("/proc/self/oom_score_adj", "wb") as score:
        score.write(b"1000")


def _environment(request: Request) -> dict[str, str]:
    pairs = (entry.partition("=") for entry in request.environment)
    return {name: value for name, _, value in pairs}
