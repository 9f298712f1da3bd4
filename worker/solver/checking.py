"""Checks a program: runs what has to be run for its kind of check, and says what came of it."""

from collections.abc import Awaitable
from dataclasses import dataclass, replace
from itertools import chain
from typing import Protocol, assert_never

from jobs.checkers import ExitsCleanly, MatchesCalls, MatchesOutput, PassesTests
from jobs.limits import Limits
from jobs.models import ExecutableCode, Execution, PromptJob
from jobs.verdicts import Verdict
from worker.sandbox import NO_HARNESS, Harness

from .judge import Judgement, judge


class Run(Protocol):
    """Whoever runs a program once, when there is room for it."""

    def __call__(
        self, code: ExecutableCode, limits: Limits, *, stdin: str, harness: Harness
    ) -> Awaitable[Execution]:
        """What came of one run; it raises `SandboxError` where we failed."""


@dataclass(frozen=True)
class Checked:
    """What came of a program."""

    execution: Execution
    """Of the run that decided: that of the first case that failed, else the last run."""
    judgement: Judgement


async def check(job: PromptJob, code: ExecutableCode, limits: Limits, run: Run) -> Checked:
    """Run the program as its job's check asks for, and judge it.

    Raises:
        SandboxError: our sandbox failed, and nothing is known about the program.
    """
    match job.checker:
        case ExitsCleanly():
            return await _by_its_end(job, code, limits, run)
        case MatchesOutput() as checker:
            return await _by_its_output(checker, code, limits, run)
        case PassesTests() as checker:
            return await _by_tests(job, checker, code, limits, run)
        case MatchesCalls() as checker:
            return await _by_calls(job, checker, code, limits, run)
        case _:
            assert_never(job.checker)


async def _by_its_end(job: PromptJob, code: ExecutableCode, limits: Limits, run: Run) -> Checked:
    execution = await run(code, limits, stdin=job.stdin, harness=NO_HARNESS)
    return Checked(execution, judge(code, execution, job.checker, limits))


async def _by_tests(
    job: PromptJob, checker: PassesTests, code: ExecutableCode, limits: Limits, run: Run
) -> Checked:
    execution = await run(code, limits, stdin=job.stdin, harness=Harness(tests=checker.tests))
    return Checked(execution, judge(code, execution, checker, limits))


async def _by_calls(
    job: PromptJob, checker: MatchesCalls, code: ExecutableCode, limits: Limits, run: Run
) -> Checked:
    execution = await run(code, limits, stdin=job.stdin, harness=Harness(calls=checker.inputs))
    return Checked(execution, judge(code, execution, checker, limits))


async def _by_its_output(
    checker: MatchesOutput, code: ExecutableCode, limits: Limits, run: Run
) -> Checked:
    """One run a case, up to the first that failed, as judges of contests do, or all of them if the check says so."""
    done: list[Checked] = []
    for number, case in enumerate(checker.cases):
        execution = await run(code, limits, stdin=case.stdin, harness=NO_HARNESS)
        judgement = judge(code, execution, checker, limits, case=number)
        done.append(Checked(execution, judgement))
        if judgement.verdict is not Verdict.ACCEPTED and not checker.run_all:
            break
    failed = (one for one in done if one.judgement.verdict is not Verdict.ACCEPTED)
    decided = next(failed, done[-1])
    results = tuple(chain.from_iterable(one.judgement.cases for one in done))
    return replace(decided, judgement=replace(decided.judgement, cases=results))
