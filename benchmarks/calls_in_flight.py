"""Many calls of the model at one time in one process: how long they take beside the ideal, and what memory they hold.

    python -m benchmarks.calls_in_flight --in-flight 500 --calls 5000

The client is the one of a worker, over the real SDK; the service is a stand-in in a process of its own, which takes as
long for each answer as it is told to. Ideal is as many rounds of that time as there have to be.
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
from contextlib import aclosing

from jobs.clock import monotonic
from tests.standin import steps
from tests.standin.running import GOOD_KEY, Standin
from tests.standin.script import Rule
from worker.model import ModelRequest, UserTurn
from worker.model.gemini import GeminiModel
from worker.model.options import GeminiOptions

_BUDGET = 1.15
_SHOWS = 10
_REPLY = "```python\nprint(42)\n```"


def main() -> None:
    """Measure, print the table and fail if the budget is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--in-flight", type=int, default=500)
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=2.0, help="for one answer")
    options = parser.parse_args()
    command = [sys.executable, "-m", "tests.standin"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        try:
            assert service.stdout is not None
            standin = Standin(service.stdout.readline().strip())
            slow = steps.slow(steps.text(_REPLY), options.seconds)
            standin.script(Rule(steps=(slow,), repeats=True))
            figures = asyncio.run(_measure(standin.url, options))
        finally:
            service.terminate()
    print(json.dumps(figures, indent=2))
    sys.exit(0 if figures["ratio"] <= _BUDGET else 1)


async def _measure(url: str, options: argparse.Namespace) -> dict[str, float]:
    gemini = GeminiOptions(
        name="gemini-3.8-flash",
        api_key=GOOD_KEY,
        base_url=url,
        max_connections=options.in_flight + 1,
        max_wait_seconds=0,
    )
    async with aclosing(GeminiModel(gemini)) as model:
        # What the SDK loads with the first call is loaded once in the life of a worker.
        await model.check()
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
