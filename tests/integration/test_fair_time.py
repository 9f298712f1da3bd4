"""A program that is over its time on a busy machine is run again alone before that counts."""

import asyncio
import gzip
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from subprocess import Popen

import pytest
from typing_extensions import override

from jobs.checkers import Case, Checker, ExitsCleanly, MatchesOutput, PassesTests
from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import Attempt, ExecutableCode, Execution, Isolation, PromptJob
from jobs.verdicts import Verdict
from tests.requiring import material
from tests.waiting import wait_until
from worker.model.scripted import ScriptedModel
from worker.sandbox import (
    NO_FILES,
    NO_HARNESS,
    Files,
    Harness,
    Sandbox,
    UnusableTestsError,
    Verification,
)
from worker.solver.checking import check
from worker.solver.fairness import FairRunner
from worker.solver.loop import FeedbackLoop
from worker.solver.machine import Machine
from worker.solver.turns import Turns

from .test_hidden_checks import NoCheckpoint

LIMITS = Limits(cpu_seconds=0.4, wall_seconds=20)
_HARDLY_ANY = Limits(cpu_seconds=0.05, wall_seconds=20)
_ENDLESS = "while True: pass"
_A_WHILE = (
    "import time\nend = time.process_time() + 0.15\nwhile time.process_time() < end: pass\nprint(7)"
)
_TASKS = [(f"f{n}", f"def f{n}(x):\n    return sum(range(x)) + {n}\n") for n in range(20)]


class Busy:
    """The sandbox on a machine that is so busy at first that programs get an eighth of their time."""

    def __init__(self, sandbox: Sandbox, n_busy: int) -> None:
        self._sandbox = sandbox
        self._n_busy = n_busy
        self.n_runs = 0
        self.runs: list[tuple[str, int]] = []
        """The program of each run that ended, and how many ran at one time meanwhile, at most."""
        self._most: dict[int, int] = {}

    @property
    def isolation(self) -> Isolation:
        return self._sandbox.isolation

    def _limits(self, limits: Limits) -> Limits:
        self.n_runs += 1
        return _HARDLY_ANY if self.n_runs <= self._n_busy else limits

    async def run(
        self,
        code: ExecutableCode,
        limits: Limits,
        *,
        stdin: str = "",
        harness: Harness = NO_HARNESS,
        files: Files = NO_FILES,
    ) -> Execution:
        given = self._limits(limits)
        number = self.n_runs
        self._most[number] = 0
        for each, most in self._most.items():
            self._most[each] = max(most, len(self._most))
        try:
            return await self._sandbox.run(code, given, stdin=stdin, harness=harness, files=files)
        finally:
            self.runs.append((code.code, self._most.pop(number)))

    async def verify(
        self,
        code: ExecutableCode,
        tests: str,
        limits: Limits,
        *,
        stdin: str = "",
        files: Files = NO_FILES,
    ) -> Verification:
        held = self._limits(limits)
        return await self._sandbox.verify(code, tests, held, stdin=stdin, files=files)

    async def aclose(self) -> None: ...


async def _attempts(
    sandbox: Sandbox, *programs: str, checker: Checker | None = None, turns: Turns | None = None
) -> tuple[Attempt, ...]:
    job = PromptJob(
        prompt="Take your time.",
        checker=checker or ExitsCleanly(),
        max_attempts=len(programs),
        # A model that gives a program again is asked again.
        conversation={"stop_when_stuck": False},  # type: ignore[arg-type]  # read by pydantic
    )
    model = ScriptedModel(*(f"```python\n{program}\n```" for program in programs))

    async def ignore(_: Attempt) -> None: ...

    loop = FeedbackLoop(model, sandbox, calls=asyncio.Semaphore(9), turns=turns or Turns(2))
    return await loop.solve(job, LIMITS, NoCheckpoint(), ignore)


@pytest.mark.parametrize(
    ("checker", "program"),
    [
        pytest.param(MatchesOutput(cases=(Case(expect="7"),)), _A_WHILE, id="output"),
        pytest.param(
            PassesTests(tests="assert f() == 7"), f"{_A_WHILE}\ndef f(): return 7", id="tests"
        ),
    ],
)
async def test_what_is_in_time_when_it_is_alone_is_accepted(
    sandbox: Sandbox, checker: Checker, program: str
) -> None:
    """A benchmark beside a backup must not come out lower than one at night."""
    [attempt] = await _attempts(Busy(sandbox, 1), program, checker=checker)
    assert attempt.verdict is Verdict.ACCEPTED
    [rerun] = attempt.reruns
    assert (rerun.first.limit_hit, rerun.again.limit_hit) == ("cpu", None)
    assert not rerun.is_over_again
    assert attempt.execution is not None
    assert attempt.execution.cpu_seconds == rerun.again.cpu_seconds
    assert rerun.load.cores == os.cpu_count()
    assert rerun.load.load_average is not None


async def test_an_endless_loop_costs_one_run_more_however_often_it_comes(sandbox: Sandbox) -> None:
    """Weak models write many of them, and a run must not take twice as long for each case and attempt."""
    cases = tuple(Case(stdin=str(n), expect="7") for n in range(3))
    checker = MatchesOutput(cases=cases, run_all=True)
    busy = Busy(sandbox, 0)
    first, second = await _attempts(busy, _ENDLESS, _ENDLESS, checker=checker)
    assert first.verdict is second.verdict is Verdict.TIME_LIMIT_EXCEEDED
    [rerun] = first.reruns
    assert rerun.is_over_again
    assert second.reruns == ()
    assert busy.n_runs == 7


async def test_a_program_that_waits_for_ever_is_run_twice_as_well(sandbox: Sandbox) -> None:
    """On a busy machine it is the clock that runs out, so that is no better a proof."""
    limits = Limits(cpu_seconds=5, wall_seconds=0.5)
    job = PromptJob(prompt="Wait.")
    code = ExecutableCode(language=Language.PYTHON, code="import time\ntime.sleep(60)")
    runner = FairRunner(sandbox, Turns(1), Machine())
    checked = await check(job, code, limits, runner)
    assert checked.judgement.verdict is Verdict.TIME_LIMIT_EXCEEDED
    [rerun] = runner.reruns
    assert (rerun.first.limit_hit, rerun.again.limit_hit) == ("wall", "wall")


async def test_nothing_runs_beside_what_is_run_again(sandbox: Sandbox) -> None:
    """With neighbours the second verdict would be worth no more than the first."""
    turns, busy = Turns(3), Busy(sandbox, 0)
    others = [_attempts(busy, *["print(1)"] * 4, turns=turns) for _ in range(6)]
    [slow], *_ = await asyncio.gather(_attempts(busy, _ENDLESS, turns=turns), *others)
    assert len(slow.reruns) == 1
    first, again = (most for program, most in busy.runs if program.strip() == _ENDLESS)
    assert (first, again) == (3, 1)


async def test_a_cancelled_job_gives_back_its_turn_to_be_alone(sandbox: Sandbox) -> None:
    """Somebody who cancels the endless loop wants the others to go on."""
    turns = Turns(2)
    limits = Limits(cpu_seconds=0.2, wall_seconds=20)
    code = ExecutableCode(language=Language.PYTHON, code=_ENDLESS)
    busy = Busy(sandbox, 0)
    runner = FairRunner(busy, turns, Machine())
    run = runner.run(code, limits, stdin="", harness=NO_HARNESS, files=NO_FILES)
    task = asyncio.create_task(run)
    await wait_until(lambda: busy.n_runs == 2, 20, "the run alone")
    task.cancel()
    await asyncio.wait([task])
    [attempt] = await _attempts(sandbox, "print(1)", turns=turns)
    assert attempt.verdict is Verdict.ACCEPTED
    assert task.cancelled()


class _Impatient(Busy):
    """Gives checkers, which may take a minute, hardly any time."""

    @override
    def _limits(self, limits: Limits) -> Limits:
        self.n_runs += 1
        return _HARDLY_ANY if limits.cpu_seconds == 60 else limits


@pytest.mark.parametrize(
    ("is_endless", "n_runs"), [("True", 1 + 4), ("stdout", 1 + 2 + 1)], ids=["always", "on one"]
)
async def test_a_checker_that_is_over_its_time_is_not_the_program(
    is_endless: str, n_runs: int, sandbox: Sandbox
) -> None:
    """Whoever reads that the program was run twice for its time looks for what is slow in the wrong place."""
    endless = (
        f"def check(stdin, stdout, expected):\n    while {is_endless}: pass\n    return True\n"
    )
    job = PromptJob(prompt="x", checker=MatchesOutput(cases=(Case(expect=""),), checker=endless))
    code = ExecutableCode(language=Language.PYTHON, code="print(1)")
    hasty = _Impatient(sandbox, 0)
    runner = FairRunner(hasty, Turns(1), Machine())
    why = "the checker itself was over a limit of its own: killed after 60 s of CPU time"
    if is_endless == "True":
        with pytest.raises(UnusableTestsError, match=why):
            await check(job, code, Limits(), runner)
    else:
        judgement = (await check(job, code, Limits(), runner)).judgement
        assert judgement.verdict is Verdict.WRONG_ANSWER
        assert why in judgement.explanation
    assert (runner.reruns, runner.is_known, hasty.n_runs) == ([], False, n_runs)


@contextmanager
def _busy_loops(n: int) -> Iterator[None]:
    """Processes that take all the time they can get."""
    loops = [Popen([sys.executable, "-S", "-c", _ENDLESS]) for _ in range(n)]
    try:
        yield
    finally:
        for loop in loops:
            os.kill(loop.pid, signal.SIGKILL)
            loop.wait()


async def _verdicts(
    sandbox: Sandbox, tasks: list[tuple[str, str, str]]
) -> AsyncIterator[tuple[str, Verdict]]:
    turns, machine = Turns(2), Machine()

    async def verdict_of(name: str, program: str, tests: str) -> tuple[str, Verdict]:
        job = PromptJob(prompt="x", checker=PassesTests(tests=tests))
        code = ExecutableCode(language=Language.PYTHON, code=program)
        checked = await check(job, code, Limits(), FairRunner(sandbox, turns, machine))
        return name, checked.judgement.verdict

    for each in asyncio.as_completed([verdict_of(*task) for task in tasks]):
        yield await each


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_right_programs_are_accepted_beside_four_busy_loops(sandbox: Sandbox) -> None:
    """The same of programs that every clone has."""
    tasks = [
        (name, code, f"assert {name}(10) == {45 + n}") for n, (name, code) in enumerate(_TASKS)
    ]
    with _busy_loops(4):
        found = {name: verdict async for name, verdict in _verdicts(sandbox, tasks)}
    assert found == dict.fromkeys([name for name, _ in _TASKS], Verdict.ACCEPTED)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_the_references_of_human_eval_are_accepted_beside_four_busy_loops(
    sandbox: Sandbox,
) -> None:
    """Evaluators that judge by the clock lose answers on a rented machine, and nobody can tell which."""
    with gzip.open(material("data/datasets/HumanEval.jsonl.gz"), "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    tasks = [
        (
            row["task_id"],
            f"{row['prompt']}{row['canonical_solution']}",
            f"{row['test']}\ncheck({row['entry_point']})\n",
        )
        for row in rows
    ]
    with _busy_loops(4):
        found = {name: verdict async for name, verdict in _verdicts(sandbox, tasks)}
    assert found == dict.fromkeys([row["task_id"] for row in rows], Verdict.ACCEPTED)
    assert len(found) == 164
