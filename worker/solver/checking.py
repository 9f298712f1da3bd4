"""Checks a program: runs what has to be run for its kind of check, and says what came of it."""

from collections.abc import Awaitable
from dataclasses import dataclass, replace
from itertools import chain
from typing import Protocol, assert_never

from jobs.checkers import Case, ExitsCleanly, MatchesCalls, MatchesOutput, PassesTests
from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import ExecutableCode, Execution, PromptJob, Rerun
from jobs.python_tests import fault_of
from jobs.verdicts import Verdict
from worker.sandbox import NO_HARNESS, Harness, UnusableTestsError, Verification
from worker.sandbox.languages import ROWS

from .disclosure import deciding_case, is_shown
from .judge import Judgement, judge
from .tracebacks import one_line


class Runner(Protocol):
    """Whoever runs a program, when there is room for it. Either way raises `SandboxError` where we failed."""

    def run(
        self, code: ExecutableCode, limits: Limits, *, stdin: str, harness: Harness
    ) -> Awaitable[Execution]:
        """What came of one run."""

    def verify(
        self, code: ExecutableCode, tests: str, limits: Limits, *, stdin: str
    ) -> Awaitable[Verification]:
        """What came of one run beside its tests, which are Python as the program is."""


@dataclass(frozen=True)
class Checked:
    """What came of a program."""

    execution: Execution | None
    """Of the run that decided: that of the first case that failed, else the last run. None where nothing was run."""
    judgement: Judgement
    shown: "Checked | None" = None
    """What a model is told of instead: a public case that failed after hidden ones had."""

    reruns: tuple[Rerun, ...] = ()
    """What was over its time and was run again."""

    @property
    def told(self) -> "Checked":
        """What a model is told of."""
        return self.shown or self


async def check(job: PromptJob, code: ExecutableCode, limits: Limits, runner: Runner) -> Checked:
    """Run the program as its job's check asks for, and judge it.

    Raises:
        SandboxError: our sandbox failed, and nothing is known about the program.
        UnusableTestsError: the job's tests say nothing of any program.
    """
    match job.checker:
        case ExitsCleanly():
            return await _by_its_end(job, code, limits, runner)
        case MatchesOutput() as checker:
            return await _by_its_output(job, checker, code, limits, runner)
        case PassesTests() as checker:
            return await _by_tests(job, checker, code, limits, runner)
        case MatchesCalls() as checker:
            return await _by_calls(job, checker, code, limits, runner)
        case _:
            assert_never(job.checker)


async def _by_its_end(
    job: PromptJob, code: ExecutableCode, limits: Limits, runner: Runner
) -> Checked:
    execution = await runner.run(code, limits, stdin=job.stdin, harness=NO_HARNESS)
    return Checked(execution, judge(code, execution, job.checker, limits))


async def _by_tests(
    job: PromptJob, checker: PassesTests, code: ExecutableCode, limits: Limits, runner: Runner
) -> Checked:
    """Python's in two processes, unless they say that they cannot; others, and those, in the program's own.

    Raises:
        UnusableTestsError: they say nothing of any program.
    """
    reason, start = None, ROWS[code.language].tests_begin_at
    if start is not None and not start.search(checker.tests):
        title = ROWS[code.language].title
        raise UnusableTestsError(
            f"they hold no `main`, and nothing else of tests in {title} is run"
        )
    if code.language is Language.PYTHON:
        tested = await runner.verify(code, checker.tests, limits, stdin=job.stdin)
        if tested.end in ("untried", "cannot_cross") and (fault := fault_of(checker.tests)):
            raise UnusableTestsError(fault)
        if tested.end != "cannot_cross":
            judgement = judge(code, tested.execution, checker, limits, tested=tested)
            return Checked(tested.execution, judgement)
        reason = one_line(tested.why)
    harness = Harness(tests=checker.tests)
    execution = await runner.run(code, limits, stdin=job.stdin, harness=harness)
    judgement = judge(code, execution, checker, limits)
    return Checked(execution, replace(judgement, trust_reason=reason))


async def _by_calls(
    job: PromptJob, checker: MatchesCalls, code: ExecutableCode, limits: Limits, runner: Runner
) -> Checked:
    execution = await runner.run(
        code, limits, stdin=job.stdin, harness=Harness(calls=checker.inputs)
    )
    return Checked(execution, judge(code, execution, checker, limits))


async def _by_its_output(
    job: PromptJob, checker: MatchesOutput, code: ExecutableCode, limits: Limits, runner: Runner
) -> Checked:
    """One run a case, up to the first that failed, as judges of contests do, or all of them if the check says so."""
    done: list[Checked] = []
    for number, case in enumerate(checker.cases):
        execution = await runner.run(code, limits, stdin=case.stdin, harness=NO_HARNESS)
        judgement = judge(code, execution, checker, limits, case=number)
        done.append(Checked(execution, judgement))
        if judgement.verdict is not Verdict.ACCEPTED and not checker.run_all:
            break
    results = tuple(chain.from_iterable(one.judgement.cases for one in done))
    done = [
        replace(one, judgement=replace(one.judgement, cases=results, decided_by=number))
        for number, one in enumerate(done)
    ]
    failed = [one for one in done if one.judgement.verdict is not Verdict.ACCEPTED]
    shown = (one for one in failed if is_shown(job, _case_of(checker, one)))
    decided = failed[0] if failed else done[-1]
    return replace(decided, shown=next(shown, None))


def _case_of(checker: MatchesOutput, one: Checked) -> Case:
    return checker.cases[deciding_case(one.judgement)]
