"""Many calls of the model at one time in one process: how long they take beside the ideal, and what memory they hold.

    python -m benchmarks.calls_in_flight --in-flight 500 --calls 5000

The client is the one of a worker, over the real SDK and real sockets; the service is a process of its own that reads as
little as it can, waits, and always gives the same answer, so that what is measured is the client. Ideal is as many
rounds of that wait as there have to be.
"""

import argparse
import asyncio
import json
import multiprocessing
import re
import resource
import sys
from contextlib import aclosing
from multiprocessing.queues import SimpleQueue
from typing import cast

from typing_extensions import override

from jobs.clock import monotonic
from worker.consumer.collecting import spare_the_collector
from worker.model import ModelRequest, UserTurn
from worker.model.gemini import GeminiModel
from worker.model.options import GeminiOptions

_BUDGET = 1.15
_SHOWS = 10
_KEY = "a-key-that-nobody-checks"
_REPLY = {
    "candidates": [
        {
            "content": {"role": "model", "parts": [{"text": "```python\nprint(42)\n```"}]},
            "finishReason": "STOP",
        }
    ],
    "usageMetadata": {"promptTokenCount": 12, "candidatesTokenCount": 11, "totalTokenCount": 23},
    "modelVersion": "gemini-3.8-flash",
}
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


def main() -> None:
    """Measure, print the table and fail if the budget is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--in-flight", type=int, default=500)
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=2.0, help="for one answer")
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    address = context.SimpleQueue()
    service = context.Process(target=_serve, args=(address, options.seconds), daemon=True)
    service.start()
    try:
        figures = asyncio.run(_measure(address.get(), options))
    finally:
        service.terminate()
    print(json.dumps(figures, indent=2))
    sys.exit(0 if figures["ratio"] <= _BUDGET else 1)


class _Answering(asyncio.Protocol):
    """One connection, whose every request is answered after a while with the same words."""

    def __init__(self, answer: bytes, seconds: float) -> None:
        self._answer = answer
        self._seconds = seconds
        self._received = b""

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if separator and len(body) >= (int(length[1]) if length else 0):
            self._received = b""
            is_call = head.startswith(b"POST")
            wait_seconds = self._seconds if is_call else 0.0
            asyncio.get_running_loop().call_later(wait_seconds, self._transport.write, self._answer)


def _serve(address: "SimpleQueue[str]", seconds: float) -> None:
    body = json.dumps(_REPLY).encode()
    head = (
        f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    answer = head.encode() + body

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: _Answering(answer, seconds), "127.0.0.1", 0, backlog=4096
        )
        address.put(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        await server.serve_forever()

    asyncio.run(serve())


async def _measure(url: str, options: argparse.Namespace) -> dict[str, float]:
    gemini = GeminiOptions(
        name="gemini-3.8-flash",
        api_key=_KEY,
        base_url=url,
        max_connections=options.in_flight + 1,
        max_wait_seconds=0,
    )
    async with aclosing(GeminiModel(gemini)) as model:
        # What the SDK loads with the first call is loaded once in the life of a worker, which then begins as this does.
        await model.check()
        spare_the_collector()
        before, began, used = _resident_mib(), monotonic(), _cpu_seconds()
        memory = await _ask_all(model, options.calls, options.in_flight)
        took, cpu = monotonic() - began, _cpu_seconds() - used
    ideal = options.seconds * -(-options.calls // options.in_flight)
    return {
        "calls": options.calls,
        "in_flight": options.in_flight,
        "ideal_seconds": ideal,
        "seconds": round(took, 2),
        "ratio": round(took / ideal, 3),
        "cpu_ms_a_call": round(cpu * 1000 / options.calls, 2),
        "mib_before": before,
        "mib_at_a_tenth": memory[0],
        "mib_at_the_end": memory[-1],
    }


async def _ask_all(model: GeminiModel, n_calls: int, n_in_flight: int) -> list[float]:
    slots = asyncio.Semaphore(n_in_flight)
    memory: list[float] = []

    async def ask(number: int) -> None:
        async with slots:
            await model.generate(_request(number))
        if (number + 1) % (n_calls // _SHOWS) == 0:
            memory.append(_resident_mib())

    async with asyncio.TaskGroup() as group:
        for number in range(n_calls):
            group.create_task(ask(number))
    return memory


def _request(number: int) -> ModelRequest:
    prompt = f"Print {number}."
    return ModelRequest(
        prompt=prompt,
        task_id=None,
        sample=0,
        attempt=1,
        system_instruction="Be brief.",
        turns=(UserTurn(prompt),),
    )


def _resident_mib() -> float:
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123  (a line, a few hundred times)
        pages = int(file.read().split()[1])
    return round(pages * resource.getpagesize() / 2**20, 1)


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
