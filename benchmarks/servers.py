"""A Redis of a benchmark's own, on the loopback, without persistence."""

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import redis

from jobs.embedded import find_server_binary

_START_SECONDS = 10.0


@contextmanager
def own_server() -> Iterator[str]:
    """The URL of a server that lives as long as the block.

    Raises:
        ServerStartError: there is no server to start.
    """
    port = _free_port()
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            [
                str(find_server_binary()),
                *("--port", str(port), "--bind", "127.0.0.1", "--dir", folder),
                *("--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            url = f"redis://127.0.0.1:{port}/0"
            _await_answer(url)
            yield url
        finally:
            server.kill()
            server.wait()


def empty(url: str) -> None:
    """Forget whatever the contender before has left."""
    with redis.Redis.from_url(url) as client:
        client.flushall()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _await_answer(url: str) -> None:
    give_up_at = time.monotonic() + _START_SECONDS
    with redis.Redis.from_url(url) as client:
        while True:
            try:
                client.ping()
            except redis.ConnectionError:
                if time.monotonic() > give_up_at:
                    raise
                time.sleep(0.01)
            else:
                return
