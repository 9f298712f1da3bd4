"""A private S3 for tests: a server of the real protocol in a process of its own.

Run as a program, with the address and the bucket to begin with, it serves until it is killed, and says first on which
port.
"""

import ctypes
import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import obstore
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from obstore.store import HTTPStore
from werkzeug.serving import make_server

from tests.hosts import Host

_PR_SET_PDEATHSIG = 1


@contextmanager
def private_s3(host: Host | None = None, *, bucket: str = "bucket") -> Iterator[str]:
    """Run a server for as long as the block lasts and give its URL; the kernel ends it should pytest be killed.

    It listens on the loopback or the network of `host`, and has an empty bucket.
    """
    address = host.address if host else "127.0.0.1"
    entering = host.on_its_network if host else ()
    server = subprocess.Popen(
        [*entering, sys.executable, "-m", "tests.s3_server", address, bucket],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        assert port, "the S3 server did not start"
        yield f"http://{address}:{port}"
    finally:
        server.kill()
        server.communicate()


def make_bucket(url: str, name: str) -> None:
    """Make an empty bucket on the server at this URL."""
    obstore.put(HTTPStore(url, client_options={"allow_http": True}), name, b"")


def environment_for(url: str) -> dict[str, str]:
    """What obstore has to find in the environment to reach the server at this URL."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "planted-secret-of-tests",
        "AWS_REGION": "us-east-1",
    }


def _serve(address: str, bucket: str) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    # One request after the other: the server looks for a name and takes it in two steps, which S3 does in one.
    server = make_server(address, 0, DomainDispatcherApplication(create_backend_app))
    threading.Thread(target=server.serve_forever).start()
    make_bucket(f"http://{address}:{server.server_port}", bucket)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _serve(*sys.argv[1:])
