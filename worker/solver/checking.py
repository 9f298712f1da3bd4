"""Checks a program: runs what has to be run for its kind of check, and says what came of it."""

from collections.abc import Awaitable
from dataclasses import dataclass, replace
from itertools import chain
from typing import Protocol, assert_never

from jobs.checkers import (
    CHECK_FUNCTION,
    AllOf,
    Call,
    CallInputs,
    Case,
    Check,
    ExitsCleanly,
    MatchesCalls,
    MatchesOutput,
    PassesTests,
)
from jobs.handed_back import Returned
from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import ExecutableCode, Execution, PromptJob, Rerun
from jobs.python_tests import fault_of
from jobs.verdicts import Verdict
from worker.sandbox import (
    NO_HARNESS,
    Files,
    Harness,
    UnusableTestsError,
    Verification,
)
from worker.sandbox.languages import ROWS

from .disclosure import deciding_case, is_shown
from .ends import words_of_limit
from .judge import Judgement, Word, judge
from .tracebacks import one_line

_CHECKER_LIMITS = Limits(cpu_seconds=60, wall_seconds=120, memory_mib=1024, output_kib=64)
"""Of a checker: it is trusted, and this only ends one that never would."""


class Runner(Protocol):
    """Whoever runs a program, when there is room for it. Either way raises `SandboxError` where we failed."""

    def run(
        self, code: ExecutableCode, limits: Limits, *, stdin: str, harness: Harness, files: Files
    ) -> Awaitable[Execution]:
        """What came of one run."""

    def verify(
        self, code: ExecutableCode, tests: str, limits: Limits, *, stdin: str, files: Files
    ) -> Awaitable[Verification]:
        """What came of one run beside its tests, which are Python as the program is."""

    def ask(
        self, code: ExecutableCode, limits: Limits, *, harness: Harness
    ) -> Awaitable[Execution]:
        """What came of a run of what belongs to the check: its limits are its own, and so is what it does to them."""


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


@dataclass(frozen=True)
class _Program:
    """A program, and all that it is run with."""

    job: PromptJob
    code: ExecutableCode
    limits: Limits
    runner: Runner
    files: Files

    async def run(self, *, stdin: str | None = None, harness: Harness = NO_HARNESS) -> Execution:
        """What came of one run; of its job's input, unless it has another."""
        given = self.job.stdin if stdin is None else stdin
        return await self.runner.run(
            self.code, self.limits, stdin=given, harness=harness, files=self.files
        )

    async def verify(self, tests: str) -> Verification:
        """What came of one run beside these tests."""
        return await self.runner.verify(
            self.code, tests, self.limits, stdin=self.job.stdin, files=self.files
        )


async def check(job: PromptJob, code: ExecutableCode, limits: Limits, runner: Runner) -> Checked:
    """Run the program as its job's check asks for, and judge it.

    Raises:
        SandboxError: our sandbox failed, and nothing is known about the program.
        UnusableTestsError: the job's tests, or its checker, say nothing of any program.
        FilesTooLargeError: the job's files do not fit into the directory that its programs run in.
    """
    files = Files({name: text.encode() for name, text in job.files.items()})
    if files.given:
        files.require_room(limits.scratch_mib, [code.code.encode("utf-8", "surrogatepass")])
    program = _Program(job, code, limits, runner, files)
    if isinstance(job.checker, AllOf):
        return await _by_all(job.checker, program)
    return await _by(job.checker, program)


async def _by_all(checks: AllOf, program: _Program) -> Checked:
    """By each of the checks, up to the first that it fails; that one decides, and what is told of it."""
    tried: list[tuple[int, Checked]] = []
    for number, one in checks.in_order:
        tried.append((number, await _by(one, program)))
        if tried[-1][1].judgement.verdict is not Verdict.ACCEPTED:
            break
    number, decider = tried[-1]
    judgement = decider.judgement
    cases = [
        case.model_copy(update={"check": number})
        for number, checked in tried
        for case in checked.judgement.cases
    ]
    if judgement.verdict is not Verdict.ACCEPTED:
        which = f"check {number} of {len(checks.checks)}: {judgement.explanation}"
        judgement = replace(judgement, explanation=which)
    # What is proven is proven as well as the weakest of them.
    judgements = [checked.judgement for _, checked in tried]
    weakest = next((one for one in judgements if one.trust == "same_process"), judgement)
    judgement = replace(
        judgement,
        cases=tuple(cases),
        decided_by=len(cases) - len(judgement.cases) + deciding_case(judgement),
        trust=weakest.trust,
        trust_reason=weakest.trust_reason,
    )
    return replace(decider, judgement=judgement, shown=decider.told)


async def _by(one: Check, program: _Program) -> Checked:
    match one:
        case ExitsCleanly():
            execution = await program.run()
            return Checked(execution, judge(program.code, execution, one, program.limits))
        case MatchesOutput():
            return await _by_its_output(one, program)
        case PassesTests():
            return await _by_tests(one, program)
        case MatchesCalls():
            execution = await program.run(harness=Harness(calls=one.inputs))
            return Checked(execution, judge(program.code, execution, one, program.limits))
        case _:
            assert_never(one)


async def _by_tests(checker: PassesTests, program: _Program) -> Checked:
    """Python's in two processes, unless they say that they cannot; others, and those, in the program's own.

    Raises:
        UnusableTestsError: they say nothing of any program.
    """
    code, limits = program.code, program.limits
    reason, start = None, ROWS[code.language].tests_begin_at
    if start is not None and not start.search(checker.tests):
        title = ROWS[code.language].title
        raise UnusableTestsError(
            f"they hold no `main`, and nothing else of tests in {title} is run"
        )
    if code.language is Language.PYTHON:
        tested = await program.verify(checker.tests)
        if tested.end in ("untried", "cannot_cross") and (fault := fault_of(checker.tests)):
            raise UnusableTestsError(fault)
        if tested.end != "cannot_cross":
            judgement = judge(code, tested.execution, checker, limits, tested=tested)
            return Checked(tested.execution, judgement)
        reason = one_line(tested.why)
    execution = await program.run(harness=Harness(tests=checker.tests))
    judgement = judge(code, execution, checker, limits)
    return Checked(execution, replace(judgement, trust_reason=reason))


async def _by_its_output(checker: MatchesOutput, program: _Program) -> Checked:
    """One run a case, up to the first that failed, as judges of contests do, or all of them if the check says so.

    Raises:
        UnusableTestsError: its checker does not say whether an output is right.
    """
    done: list[Checked] = []
    for number, case in enumerate(checker.cases):
        execution = await program.run(stdin=case.stdin)
        word = await _word_of_checker(checker, number, execution, program.runner)
        judgement = judge(
            program.code, execution, checker, program.limits, case=number, tested=word
        )
        done.append(Checked(execution, judgement))
        if judgement.verdict is not Verdict.ACCEPTED and not checker.run_all:
            break
    results = tuple(chain.from_iterable(one.judgement.cases for one in done))
    done = [
        replace(one, judgement=replace(one.judgement, cases=results, decided_by=number))
        for number, one in enumerate(done)
    ]
    failed = [one for one in done if one.judgement.verdict is not Verdict.ACCEPTED]
    shown = (one for one in failed if is_shown(program.job, checker, _case_of(checker, one)))
    decided = failed[0] if failed else done[-1]
    return replace(decided, shown=next(shown, None))


async def _word_of_checker(
    checker: MatchesOutput, number: int, execution: Execution, runner: Runner
) -> Word | None:
    """What the check's own program says of an output; None where it has none, or the output is not what decides.

    An output that it breaks on is wrong, if it has a word for the one that is expected: else whoever prints what it
    cannot read would have a failure of ours in place of a wrong answer.

    Raises:
        UnusableTestsError: it says nothing of either.
    """
    if checker.checker is None or execution.exit_code != 0 or execution.limit_hit is not None:
        return None
    said = await _asked(checker, number, execution.stdout, runner)
    if isinstance(said, Word):
        return said
    expected = checker.cases[number].expect
    if isinstance(await _asked(checker, number, expected, runner), Word):
        return Word(f"the checker says nothing of such an output: {said}")
    raise UnusableTestsError(
        f"it does not say whether the output of {checker.name_of(number)} is right: its `{CHECK_FUNCTION}` has to "
        f"return true, false or a text that says what is wrong: {said}",
        what="checker",
    )


async def _asked(checker: MatchesOutput, number: int, output: str, runner: Runner) -> Word | str:
    """What the check's own program says of an output, or why it says nothing."""
    case = checker.cases[number]
    asked = Call(arguments=(case.stdin, output, case.expect))
    code = ExecutableCode(language=Language.PYTHON, code=checker.checker or "")
    harness = Harness(calls=CallInputs(entry_point=CHECK_FUNCTION, calls=(asked,)))
    said = await runner.ask(code, _CHECKER_LIMITS, harness=harness)
    answer = said.returned[0] if said.returned else Returned()
    if answer.value is True:
        return Word(None)
    if answer.value is False or (isinstance(answer.value, str) and answer.value):
        return Word(answer.value or "the checker says that it is wrong")
    if said.limit_hit is not None:
        return f"the checker itself was over a limit of its own: {words_of_limit(said.limit_hit, _CHECKER_LIMITS)}"
    last_words = one_line(said.stderr.rstrip().rpartition("\n")[2])
    return answer.error or answer.unfit or last_words or "it did not"


def _case_of(checker: MatchesOutput, one: Checked) -> Case:
    return checker.cases[deciding_case(one.judgement)]
