"""What lies around a worker for programs to find: secrets, servers and somebody who minds his own business."""

import json
import os
import re
import secrets
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import redis

from tests.redis_server import find_server, private_redis
from tests.requiring import require

from .accounts import Account

_PLACES = ("env", "peer", "home", "tests", "redis", "unix", "abstract", "memfd")
_PREFIX = "pm-planted-"
_SHARED_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/run/lock", "/dev/mqueue")


class Listener:
    """A socket that tells whoever comes a secret, and remembers that somebody came."""

    def __init__(self, listening: socket.socket, secret: str) -> None:
        self._socket = listening
        self._secret = secret.encode()
        self.was_touched = False
        self._is_closing = False
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens, on the loopback."""
        port: int = self._socket.getsockname()[1]
        return port

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                if self._socket.type == socket.SOCK_DGRAM:
                    self._socket.recv(65_536)
                    self.was_touched = True
                    if self._is_closing:
                        return
                    continue
                connection, _ = self._socket.accept()
                self.was_touched = True
                with connection:
                    connection.sendall(self._secret)

    def close(self) -> None:
        """Let go of it."""
        self._is_closing = True
        with suppress(OSError):
            # An accept() that waits, and a recv(), return at this; at a plain close they would not.
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()


class Planted:
    """All of it, around one worker."""

    def __init__(self, folder: Path, account: Account, redis_port: int, stack: ExitStack) -> None:
        self.folder = folder
        self.account = account
        mark = secrets.token_hex(8)
        self.secrets = {place: f"CANARY-{place}-{mark}" for place in _PLACES}
        self._redis_port = redis_port
        self._client = stack.enter_context(redis.Redis(port=redis_port))
        self._client.set("corpus:canary", self.secrets["redis"])
        self._abstract = f"promptmill-{mark}"
        self._make_folders()
        self.memfd = os.memfd_create("secret", 0)
        stack.callback(os.close, self.memfd)
        os.write(self.memfd, self.secrets["memfd"].encode())
        self._listeners = dict(self._listen())
        for listener in self._listeners.values():
            stack.callback(listener.close)
        self.bystander = self._start_bystander()
        stack.callback(self.bystander.wait)
        stack.callback(self.bystander.kill)
        self._connections = self._count_connections()

    @property
    def home(self) -> Path:
        """The worker's home, in which everybody may read."""
        return self.folder / "home"

    @property
    def runner(self) -> Path:
        """The worker's working directory, with the hidden tests."""
        return self.folder / "runner"

    @property
    def tmp(self) -> Path:
        """Where the worker makes temporary folders."""
        return self.folder / "tmp"

    @property
    def tcp_port(self) -> int:
        """Of a server on the loopback."""
        return self._listeners["tcp"].port

    def aimed(self, program: str) -> str:
        """A program of the corpus with the places it attacks replaced by the planted ones."""
        program = re.sub(r"/root/|/home/\w+/", f"{self.home}/", program)
        program = program.replace("/srv/runner", str(self.runner))
        program = program.replace("corpus-abstract", self._abstract)
        program = program.replace("6379", str(self._redis_port))
        return program.replace("5353", str(self._listeners["udp"].port))

    def leaks_in(self, said: bytes) -> list[str]:
        """Which secrets are in this."""
        return [place for place, secret in self.secrets.items() if secret.encode() in said]

    @property
    def redis_is_untouched(self) -> bool:
        """Whether nobody but us connected, read or wrote."""
        return self._count_connections() == self._connections and self._client.dbsize() == 1

    @property
    def touched_listeners(self) -> list[str]:
        """Those that somebody reached."""
        return [name for name, listener in self._listeners.items() if listener.was_touched]

    @property
    def bystander_is_alive(self) -> bool:
        """Whether a process that is none of the programs' business still runs, and is not stopped."""
        if self.bystander.poll() is not None:
            return False
        state = Path(f"/proc/{self.bystander.pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state == "S"

    def files(self, uid: int) -> frozenset[tuple[str, int]]:
        """What could have been left: all of home and working directory, and this user's in shared folders."""
        found = {
            (str(path), path.lstat().st_mtime_ns)
            for folder in (self.home, self.runner)
            for path in (folder, *folder.rglob("*"))
        }
        for folder in map(Path, _SHARED_FOLDERS):
            with suppress(OSError):
                for path in folder.iterdir():
                    with suppress(OSError):
                        # What other tests plant at the same time, for a worker of the same user, nobody has left.
                        if path.lstat().st_uid == uid and not path.name.startswith(_PREFIX):
                            found.add((str(path), 0))
        return frozenset(found)

    def _make_folders(self) -> None:
        for place in (self.home / ".ssh", self.home / ".aws", self.runner, self.tmp):
            place.mkdir(parents=True)
        for name in (".ssh/id_rsa", ".aws/credentials", ".netrc"):
            (self.home / name).write_text(f"password = {self.secrets['home']}\n")
        hidden = json.dumps({"tests": ["assert add(2, 3) == 5"], "note": self.secrets["tests"]})
        (self.runner / "hidden_tests.json").write_text(hidden)
        (self.runner / "runner.py").write_text(f"# {self.secrets['tests']}\n")
        for place in (self.folder, *self.folder.rglob("*")):
            place.chmod(0o755 if place.is_dir() else 0o644)
            os.chown(place, self.account.effective_uid, -1)

    def _listen(self) -> Iterator[tuple[str, Listener]]:
        addresses: dict[str, tuple[int, int, str | tuple[str, int]]] = {
            "unix": (socket.AF_UNIX, socket.SOCK_STREAM, str(self.runner / "ctl.sock")),
            "abstract": (socket.AF_UNIX, socket.SOCK_STREAM, f"\0{self._abstract}"),
            "tcp": (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            "udp": (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
        }
        for name, (family, kind, address) in addresses.items():
            listening = socket.socket(family, kind)
            listening.bind(address)
            if kind == socket.SOCK_STREAM:
                listening.listen()
            if name == "unix":
                (self.runner / "ctl.sock").chmod(0o777)
            yield name, Listener(listening, self.secrets.get(name, ""))

    def _start_bystander(self) -> "subprocess.Popen[bytes]":
        uid = self.account.uid
        return subprocess.Popen(
            ["sleep", "100000"],
            env={"SECRET_TOKEN": self.secrets["peer"]},
            start_new_session=True,
            user=uid,
            group=uid,
            extra_groups=None if uid is None else [],
        )

    def _count_connections(self) -> int:
        counts: dict[str, int] = self._client.info("stats")
        return counts["total_connections_received"]


@contextmanager
def plant(account: Account) -> Iterator[Planted]:
    """Put all of it into a folder of its own, and take it away after the block."""
    binary = find_server()
    require("a Valkey or Redis server", available=binary is not None)
    assert binary is not None
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=_PREFIX)))
        port = stack.enter_context(_loopback_redis(binary))
        yield Planted(folder, account, port, stack)


@contextmanager
def _loopback_redis(binary: Path) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    with private_redis(binary, port=port):
        yield port
