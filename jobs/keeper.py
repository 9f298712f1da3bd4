"""Keeps the embedded server: runs it, starts it again if it dies, ends it when its last user has gone.

Run by path as `python -I -S jobs/keeper.py STATE_DIRECTORY SOCKET BINARY`, standard library only.

Theory of operation. Every user of the server holds a shared lock on the file `users`. The keeper asks for the exclusive
lock on the same file and gets it when the last user has gone, killed ones included, since the kernel drops the locks of
the dead. While the keeper holds it, newcomers wait; when it has ended the server it exits, and the next of them starts
another. The server dies with its keeper (PR_SET_PDEATHSIG), so neither is ever orphaned. A keeper is born holding the
lock on the file `keeper`, so that whoever meets a silent server knows whether somebody is seeing to it: two servers
on one append-only file would spoil it.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_QUICK_DEATHS = 5
_QUICK_DEATH_SECONDS = 2.0


def main(state: Path, socket: Path, binary: str) -> int:
    """Serve until the last user has gone. Returns 1 if the server keeps dying."""
    unused = threading.Event()
    threading.Thread(
        target=_wait_for_last_user, args=(state / "users", unused), daemon=True
    ).start()
    signal.signal(signal.SIGTERM, lambda *_: unused.set())
    try:
        return _keep(state, socket, binary, unused)
    finally:
        # However it ended, a full disk included: nobody else knows the folder of a socket that is told nowhere.
        _remove(state, socket)


def _keep(state: Path, socket: Path, binary: str, unused: threading.Event) -> int:
    quick_deaths = 0
    while quick_deaths < _QUICK_DEATHS:
        began = time.monotonic()
        server = _start(state, socket, binary)
        if _watch(server, unused):
            return 0
        quick_deaths = quick_deaths + 1 if time.monotonic() - began < _QUICK_DEATH_SECONDS else 0
    return 1


def _wait_for_last_user(path: Path, unused: threading.Event) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    unused.set()


def _start(state: Path, socket: Path, binary: str) -> "subprocess.Popen[bytes]":
    server = subprocess.Popen(
        [binary, *_arguments(state, socket)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=_dying_with(os.getpid()) if sys.platform == "linux" else None,  # noqa: PLW1509  (two system calls)
    )
    partial = state / f".server.{os.getpid()}.partial"
    try:
        partial.write_text(
            json.dumps({"socket": str(socket), "pid": server.pid, "keeper": os.getpid()})
        )
        partial.replace(state / "server.json")
    except OSError:
        server.kill()
        server.wait()
        partial.unlink(missing_ok=True)
        raise
    return server


def _arguments(state: Path, socket: Path) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(state),
        "logfile": str(state / "server.log"),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        # A full memory must refuse writes; dropping queued jobs would be silent loss.
        "maxmemory-policy": "noeviction",
    }
    return [word for name, value in options.items() for word in (f"--{name}", value)]


def _dying_with(keeper: int) -> Callable[[], None]:
    prctl = ctypes.CDLL(None).prctl

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # It may have died before it could be asked for.
        if os.getppid() != keeper:
            os._exit(1)

    return ask


def _watch(server: "subprocess.Popen[bytes]", unused: threading.Event) -> bool:
    """True once the server was ended because nobody needs it, False if it died by itself."""
    while not unused.wait(0.2):
        if server.poll() is not None:
            return False
    # SIGTERM makes the server write its append-only file out before it goes.
    server.terminate()
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    return True


def _remove(state: Path, socket: Path) -> None:
    for path in (state / "server.json", socket):
        with contextlib.suppress(OSError):
            path.unlink()
    with contextlib.suppress(OSError):
        socket.parent.rmdir()


if __name__ == "__main__":
    # Nobody's child, or whoever started it would have to bury it.
    if os.fork():
        os._exit(0)
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
