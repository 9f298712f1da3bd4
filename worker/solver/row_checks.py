"""Puts rows of a dataset to the test: programs that have to pass theirs, and programs that must not."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from jobs.datasets import Task
from jobs.datasets.findings import Fault, Found
from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import ExecutableCode
from jobs.preambles import with_preamble
from jobs.verdicts import Verdict
from worker.sandbox import FilesTooLargeError, Sandbox, UnusableTestsError

from .checking import check
from .fairness import FairRunner
from .machine import Machine
from .turns import Turns

NEAR = 0.5
"""The share of its CPU time from which on a reference is too slow to be judged by on a busier machine."""
EARLY_EXITS: Mapping[Language, str] = {
    Language.PYTHON: "import sys\nsys.exit(0)\n",
    Language.JAVASCRIPT: "process.exit(0);\n",
    Language.TYPESCRIPT: "process.exit(0);\n",
    Language.SH: "exit 0\n",
    Language.BASH: "exit 0\n",
    Language.C: "int main(void) { return 0; }\n",
    Language.CPP: "int main() { return 0; }\n",
    Language.GO: 'package main\n\nimport "os"\n\nfunc main() { os.Exit(0) }\n',
    Language.RUST: "fn main() { std::process::exit(0); }\n",
    Language.JAVA: "class Main { public static void main(String[] words) { System.exit(0); } }\n",
    Language.RUBY: "exit 0\n",
    Language.PERL: "exit 0;\n",
    Language.PHP: "<?php\nexit(0);\n",
    Language.LUA: "os.exit(0)\n",
    Language.R: "quit(status = 0)\n",
}
"""A program of each language that does nothing and says that all went well."""
_EMPTY = "\n"
# Of what lies in a package, no more than the package is asked for: to find it would run its code.
_ASKED = """
import importlib.util, json, sys
for name in json.load(sys.stdin):
    print(int(name in sys.modules or importlib.util.find_spec(name) is not None), end="")
"""


@dataclass
class _Seen:
    """What became of a reference, each time that it was run."""

    verdicts: list[Verdict] = field(default_factory=list)
    cpu_seconds: float = 0.0
    """The most of any time."""
    why: str = ""
    """Of the last time that it did not pass."""


_MORE_TIME = "limits.cpu_seconds, or cpuSeconds in the limits of the row, give it more"
_MORE_MEMORY = "limits.memory_mib, or memoryMib in the limits of the row, give it more"


class RowChecks:
    """Runs what rows bring along, as many programs at one time as there are slots."""

    def __init__(self, limits: Limits, ceiling: Limits, n_slots: int) -> None:
        """Judge under these limits, but for what rows say themselves; the ceiling holds either way."""
        self._limits = limits
        self._ceiling = ceiling
        self._turns, self._machine = Turns(n_slots), Machine()
        self._seen: dict[int, _Seen] = {}

    async def run_references(self, tasks: Mapping[int, Task], sandbox: Sandbox) -> None:
        """Once, each reference, in this sandbox: another one has other hash seeds."""
        await asyncio.gather(
            *(self._run_reference(number, task, sandbox) for number, task in tasks.items())
        )

    async def look_for_what_passes(
        self, tasks: Mapping[int, Task], sandbox: Sandbox
    ) -> list[Found]:
        """The rows that a program passes which must not."""
        found = await asyncio.gather(*(self._what_passes(task, sandbox) for task in tasks.values()))
        return [each for each in found if each is not None]

    def of_references(self, tasks: Mapping[int, Task]) -> Iterator[Found]:
        """What their runs showed, all together."""
        for number, seen in self._seen.items():
            task = tasks[number]
            n, n_passed = len(seen.verdicts), seen.verdicts.count(Verdict.ACCEPTED)
            failed = {*seen.verdicts} - {Verdict.ACCEPTED}
            cpu_limit = self._limits_of(task).cpu_seconds
            if failed == {Verdict.TIME_LIMIT_EXCEEDED}:
                yield _found(task, Fault.SLOW, f"its reference is {seen.why}; {_MORE_TIME}")
            elif 0 < n_passed < n:
                why = f"its reference passed {n_passed} of {n} times; else: {seen.why}"
                yield _found(task, Fault.FLAKY, why)
            elif not n_passed:
                more = f"; {_MORE_MEMORY}" if failed == {Verdict.MEMORY_LIMIT_EXCEEDED} else ""
                yield _found(task, Fault.BROKEN, f"its reference does not pass: {seen.why}{more}")
            elif seen.cpu_seconds > cpu_limit * NEAR:
                why = f"its reference used {seen.cpu_seconds:.1f} s of CPU time, of {cpu_limit:g} s"
                yield _found(task, Fault.SLOW, why)

    async def _what_passes(self, task: Task, sandbox: Sandbox) -> Found | None:
        if task.is_unchecked:
            return _found(
                task, Fault.UNFALSIFIABLE, "it has no check, so whatever ends well passes"
            )
        wrong = {
            "its broken reference": task.broken_reference,
            "an empty program": _EMPTY,
            "a program that ends at once with exit code 0": EARLY_EXITS[task.language],
        }
        for name, program in wrong.items():
            if program is None:
                continue
            try:
                verdict, _, _ = await self._judged(task, program, sandbox, is_wrong=True)
            except (UnusableTestsError, FilesTooLargeError):
                # What its reference comes to says so; and nothing passes it.
                return None
            if verdict is Verdict.ACCEPTED:
                return _found(task, Fault.UNFALSIFIABLE, f"{name} passes")
        return None

    def _limits_of(self, task: Task) -> Limits:
        return task.limits.over(self._limits).capped_by(self._ceiling)

    async def _run_reference(self, number: int, task: Task, sandbox: Sandbox) -> None:
        if task.reference is None:
            return
        try:
            verdict, why, cpu_seconds = await self._judged(task, task.reference, sandbox)
        except (UnusableTestsError, FilesTooLargeError) as error:
            verdict, why, cpu_seconds = Verdict.INTERNAL_ERROR, error.message, 0.0
        seen = self._seen.setdefault(number, _Seen())
        seen.verdicts.append(verdict)
        seen.cpu_seconds = max(seen.cpu_seconds, cpu_seconds)
        if verdict is not Verdict.ACCEPTED:
            seen.why = why

    async def _judged(
        self, task: Task, program: str, sandbox: Sandbox, *, is_wrong: bool = False
    ) -> tuple[Verdict, str, float]:
        """What became of it. Nobody cares whether a program that is wrong was late because of others."""
        job = task.to_job("check", max_attempts=1, limits=self._limits)
        code = ExecutableCode(language=task.language, code=with_preamble(task.preamble, program))
        runner = FairRunner(sandbox, self._turns, self._machine, is_known=is_wrong)
        checked = await check(job, code, self._limits_of(task), runner)
        cpu_seconds = checked.execution.cpu_seconds if checked.execution else 0.0
        return checked.judgement.verdict, checked.judgement.explanation, cpu_seconds


def useless_rows(tasks: Mapping[int, Task]) -> dict[int, Found]:
    """The rows by whose tests no program can be judged, as far as their text tells."""
    found = {number: task.why_useless for number, task in tasks.items()}
    return {
        number: _found(tasks[number], Fault.BROKEN, why) for number, why in found.items() if why
    }


async def lacking_packages(tasks: Mapping[int, Task], sandbox: Sandbox) -> dict[int, Found]:
    """The rows that need what Python programs cannot import here.

    Raises:
        SandboxError: our sandbox failed.
    """
    wanted = sorted({_package_of(name) for task in tasks.values() for name in task.requires})
    if not wanted:
        return {}
    code = ExecutableCode(language=Language.PYTHON, code=_ASKED)
    execution = await sandbox.run(code, Limits(), stdin=json.dumps(wanted))
    missing = {name for name, there in zip(wanted, execution.stdout, strict=True) if there == "0"}
    found: dict[int, Found] = {}
    for number, task in tasks.items():
        lacking = sorted(name for name in task.requires if _package_of(name) in missing)
        if lacking:
            why = f"it needs {', '.join(lacking)}: install it into what `sandbox.python.environment` names"
            found[number] = _found(task, Fault.NEEDS_PACKAGES, why)
    return found


def _package_of(module: str) -> str:
    return module.partition(".")[0]


def _found(task: Task, fault: Fault, why: str) -> Found:
    return Found(id=task.id or "", fault=fault, why=why)
