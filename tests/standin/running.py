"""Start the stand-in, and speak to a running one."""

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import uvicorn

from . import steps
from .app import Service
from .script import BatchPlan, Log, Request, Rule, Script, Step

GOOD_KEY = "good-key-of-the-standin-x4Qk"


class Standin:
    """A running stand-in: tell it what to say, ask it what it heard."""

    def __init__(self, url: str) -> None:
        self.url = url

    def script(self, *rules: Rule, batches: tuple[BatchPlan, ...] = (BatchPlan(),)) -> None:
        """Forget the rules so far and go by these; the first that matches a request answers it."""
        self._send("POST", "/__script", Script(rules=rules, batches=batches).to_json())

    def says(self, *answers: Step | str) -> None:
        """Script one conversation for everybody: these answers in order, the last one for ever."""
        taken = tuple(
            steps.text(answer) if isinstance(answer, str) else answer for answer in answers
        )
        self.script(Rule(steps=taken, repeats=True))

    def log(self) -> tuple[Request, ...]:
        """Every request since the start, or since `forget`."""
        return Log.model_validate_json(self._send("GET", "/__log")).requests

    @property
    def requests(self) -> tuple[Request, ...]:
        """The requests for a generation."""
        return self._posted_to(":generateContent")

    @property
    def batches(self) -> tuple[Request, ...]:
        """The requests for a batch."""
        return self._posted_to(":batchGenerateContent")

    def _posted_to(self, verb: str) -> tuple[Request, ...]:
        posted = (request for request in self.log() if request.method == "POST")
        return tuple(request for request in posted if request.path.endswith(verb))

    def paid_twice(self) -> list[str]:
        """Bodies that were answered with a reply more than once: what a caller paid for again."""
        paid = Counter(str(request.body) for request in self.requests if request.status == 200)
        return [body for body, times in paid.items() if times > 1]

    def forget(self) -> None:
        """Empty the log."""
        self._send("DELETE", "/__log")

    def _send(self, method: str, path: str, body: str | None = None) -> bytes:
        # The environment's proxies are for the outside world, and so are certificates, which take time to load.
        with httpx2.Client(trust_env=False, verify=False) as client:
            answer = client.request(method, self.url + path, content=body)
            answer.raise_for_status()
            return answer.content


def listening(port: int = 0) -> socket.socket:
    """A listening socket on loopback, so that the address is known before the server runs."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(256)
    return listener


def url_of(listener: socket.socket) -> str:
    """The address that clients use."""
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def server(key: str) -> uvicorn.Server:
    """The stand-in as a server that nobody has started yet."""
    config = uvicorn.Config(
        Service(key).app(), http="h11", ws="none", lifespan="off", log_config=None, access_log=False
    )
    return uvicorn.Server(config)


@contextmanager
def running_standin(key: str = GOOD_KEY) -> Iterator[Standin]:
    """A stand-in in a thread of this process; gone when the block ends, answered or not."""
    with listening() as listener:
        running = server(key)
        thread = threading.Thread(
            target=asyncio.run, args=(running.serve(sockets=[listener]),), name="standin"
        )
        thread.start()
        try:
            yield Standin(url_of(listener))
        finally:
            running.should_exit = running.force_exit = True
            thread.join()
