"""How tests in a slot of their own fare: which references and which broken programs pass, and at what cost.

The rows are those of ../shared/data: HumanEval, MBPP, HumanEvalPack and QuixBugs in Python. Each program is judged in
two processes, and where its tests cannot cross, or where a reference does not pass, in one. As root,
`chrt -r 1 python -m benchmarks.judging` measures on a busy machine what it costs.
"""

import asyncio
import os
import platform
import sys
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path

from jobs.datasets import Task
from jobs.datasets.readers import read_tasks
from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import ExecutableCode
from worker.sandbox import Harness, Sandbox, open_sandbox

from .figures import Budget, Series, budgets_table, ratio

_DATA = Path(__file__).parents[2] / "shared/data/datasets"
_N_SLOTS = 2
_N_ROUNDS = 3
# Some references burn seconds, and some broken programs never end.
_LIMITS = Limits(cpu_seconds=20, wall_seconds=60, memory_mib=512)
_BROKEN_LIMITS = Limits(cpu_seconds=2, wall_seconds=20, memory_mib=512)


@dataclass(frozen=True)
class Row:
    """A program and its tests."""

    name: str
    program: str
    tests: str


@dataclass(frozen=True)
class Body:
    """Rows that are expected to fare alike."""

    name: str
    rows: tuple[Row, ...]
    is_broken: bool
    least: int
    """How many have to pass in two processes; of broken ones, none may, in any way."""


def bodies() -> Iterator[Body]:
    """What there is to judge."""
    pack, bugs = _read("humanevalpack-python"), _read("quixbugs_python")
    yield Body("HumanEval, references", _references(_read("HumanEval")), False, 164)
    yield Body("MBPP, references", _references(_read("mbpp")), False, 970)
    yield Body("HumanEvalPack, references", _references(pack), False, 164)
    yield Body("QuixBugs, references", _references(bugs), False, 36)
    yield Body("HumanEvalPack, broken", _broken(pack), True, 0)
    yield Body("QuixBugs, broken", _broken(bugs), True, 0)


async def main() -> int:
    """Judge and measure all; the exit code says whether everything came out as it has to."""
    if not _DATA.exists():
        print(f"left out: the rows of {_DATA} are not there")
        return 1
    print(
        f"{platform.platform()}, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}\n"
    )
    async with await open_sandbox() as sandbox:
        is_right = [await _judge(sandbox, body) for body in bodies()]
        budget = await _cost(sandbox)
    print(f"\n{budgets_table([budget])}")
    return 0 if all(is_right) and budget.is_kept else 1


async def _judge(sandbox: Sandbox, body: Body) -> bool:
    limits = _BROKEN_LIMITS if body.is_broken else _LIMITS
    slots = asyncio.Semaphore(_N_SLOTS)

    async def passes(row: Row) -> tuple[str, bool]:
        code = ExecutableCode(language=Language.PYTHON, code=row.program)
        async with slots:
            verification = await sandbox.verify(code, row.tests, limits)
            in_two = verification.end == "finished" and verification.execution.exit_code == 0
            needs_one = verification.end == "cannot_cross" or not (in_two or body.is_broken)
            if in_two or not needs_one:
                return ("two" if in_two else verification.why), in_two
            execution = await sandbox.run(code, limits, harness=Harness(tests=row.tests))
        in_one = execution.tests_finished is True and execution.exit_code == 0
        return (f"one: {verification.why}" if in_one else verification.why), in_one

    found = await asyncio.gather(*(passes(row) for row in body.rows))
    n_in_two = sum(how == "two" for how, _ in found)
    n_passed = sum(did_pass for _, did_pass in found)
    print(
        f"{body.name}: {n_in_two} of {len(body.rows)} pass in two processes, {n_passed} in either way"
    )
    for row, (how, did_pass) in zip(body.rows, found, strict=True):
        if did_pass is body.is_broken or (did_pass and how != "two"):
            print(f"    {row.name}: {how}")
    if body.is_broken:
        return n_passed == 0
    return n_in_two >= body.least and n_passed == len(body.rows)


async def _cost(sandbox: Sandbox) -> Budget:
    """A row of HumanEval judged in two processes, beside a program that only prints, in turn."""
    printing = ExecutableCode(language=Language.PYTHON, code="print(1)")
    prints, judged = [], []
    for row in _references(_read("HumanEval")) * _N_ROUNDS:
        code = ExecutableCode(language=Language.PYTHON, code=row.program)
        prints.append(await _seconds(sandbox.run(printing, _LIMITS)))
        judged.append(await _seconds(sandbox.verify(code, row.tests, _LIMITS)))
    one, two = Series("print(1)", tuple(prints)), Series("judged in two", tuple(judged))
    print(
        f"\nprint(1): {one.median_ms:.2f} ms; a HumanEval row judged in two processes: {two.median_ms:.2f} ms"
    )
    return Budget(
        "a HumanEval row judged in two processes against print(1)",
        ratio(two, one),
        2.5,
        is_upper=True,
    )


async def _seconds(run: Coroutine[None, None, object]) -> float:
    # The last run's spare is being made meanwhile, which is nobody's wait.
    await asyncio.sleep(0.02)
    began = time.perf_counter()
    await run
    return time.perf_counter() - began


def _read(name: str) -> list[Task]:
    return list(read_tasks(_DATA / f"{name}.jsonl.gz"))


def _references(tasks: list[Task]) -> tuple[Row, ...]:
    return tuple(Row(task.id or "", task.reference or "", task.tests or "") for task in tasks)


def _broken(tasks: list[Task]) -> tuple[Row, ...]:
    return tuple(
        Row(task.id or "", task.broken_reference or "", task.tests or "") for task in tasks
    )


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
