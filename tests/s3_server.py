"""A private S3 for tests: a server of the real protocol on the loopback, in a process of its own.

Run as a program it serves until it is killed, and says first on which port.
"""

import ctypes
import logging
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import obstore
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from obstore.store import HTTPStore
from werkzeug.serving import make_server

_PR_SET_PDEATHSIG = 1


@contextmanager
def private_s3() -> Iterator[str]:
    """Run a server for as long as the block lasts and give its URL; the kernel ends it should pytest be killed."""
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.s3_server"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        assert port, "the S3 server did not start"
        yield f"http://127.0.0.1:{port}"
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


def _serve() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    # One request after the other: the server looks for a name and takes it in two steps, which S3 does in one.
    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app))
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    _serve()
