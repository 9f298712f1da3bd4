"""Turns what a program did into how it did against its job."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from signal import Signals
from typing import assert_never

from jobs.checkers import Checker, ExitsCleanly, MatchesCalls, PassesTests, PrintsOutput
from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import CodeExecutionResult, ExecutableCode, Execution, LimitHit, Trust
from jobs.verdicts import Verdict
from worker.sandbox import NO_HARNESS, Harness
from worker.sandbox.languages import ROWS

from .extraction import Extraction
from .tracebacks import Failure, failure_of, one_line
from .values import WrongCall, first_wrong_call

# Of these the error itself says more than a line of ours.
_REPORTED = (Verdict.RUNTIME_ERROR, Verdict.COMPILE_ERROR, Verdict.FORBIDDEN_CALL)
_QUOTED_CHARACTERS = 80
_CONTEXT_CHARACTERS = 20


@dataclass(frozen=True)
class Judgement:
    """How an attempt did, and what is told about it."""

    verdict: Verdict
    explanation: str
    """One line a person reads first."""
    result: CodeExecutionResult | None
    """None where nothing was run."""
    trust: Trust
    """Where the check ran."""


def harness_of(checker: Checker) -> Harness:
    """What has to be attached to a program so that this checker can judge it."""
    match checker:
        case PassesTests(tests=tests):
            return Harness(tests=tests)
        case MatchesCalls():
            return Harness(calls=checker.inputs)
        case ExitsCleanly() | PrintsOutput():
            return NO_HARNESS
        case _:
            assert_never(checker)


def judge(
    code: ExecutableCode, execution: Execution, checker: Checker, limits: Limits
) -> Judgement:
    """How the program did; the same arguments always give the same answer.

    `accepted` needs exit code 0, no limit hit and, where there are tests, the proof that they ran to their end; where
    there are calls, each has to have returned what is expected of it.
    """
    failure = failure_of(execution.stderr, code.language)
    if execution.limit_hit is not None:
        verdict, explanation = _of_limit(execution.limit_hit, limits)
        if verdict is Verdict.FORBIDDEN_CALL and failure is not None:
            explanation = f"{explanation}: {failure.summary}"
    elif execution.compile_failed:
        verdict, explanation = Verdict.COMPILE_ERROR, _cause(execution, failure)
    elif execution.exit_code != 0:
        verdict, explanation = _of_failure(code.language, execution, failure, checker)
    else:
        verdict, explanation = _of_check(execution, checker, limits, code.language)
    return Judgement(
        verdict=verdict,
        explanation=explanation,
        result=_result(verdict, explanation, execution, failure),
        trust="same_process" if isinstance(checker, PassesTests) else "separate_process",
    )


def no_program(extraction: Extraction) -> Judgement:
    """The judgement of a reply in which there is nothing to run."""
    return Judgement(Verdict.NO_CODE, extraction.reason, result=None, trust="separate_process")


def _of_limit(limit_hit: LimitHit, limits: Limits) -> tuple[Verdict, str]:
    match limit_hit:
        case "cpu":
            return Verdict.TIME_LIMIT_EXCEEDED, f"killed after {limits.cpu_seconds:g} s of CPU time"
        case "wall":
            return (
                Verdict.TIME_LIMIT_EXCEEDED,
                f"killed after {limits.wall_seconds:g} s on the clock",
            )
        case "memory":
            return (
                Verdict.MEMORY_LIMIT_EXCEEDED,
                f"needed more than {limits.memory_mib} MiB of memory",
            )
        case "output":
            return Verdict.OUTPUT_LIMIT_EXCEEDED, f"printed more than {limits.output_kib} KiB"
        case "file_size":
            return Verdict.RUNTIME_ERROR, f"wrote a file larger than {limits.file_size_mib} MiB"
        case "processes":
            return (
                Verdict.RUNTIME_ERROR,
                f"started more than {limits.processes} processes and threads",
            )
        case "denied":
            return (
                Verdict.FORBIDDEN_CALL,
                "asked the system for something that no program may do here",
            )
        case _:
            assert_never(limit_hit)


def _of_failure(
    language: Language, execution: Execution, failure: Failure | None, checker: Checker
) -> tuple[Verdict, str]:
    if isinstance(checker, PassesTests) and _is_failed_test(language, execution, failure):
        return Verdict.WRONG_ANSWER, _cause(execution, failure)
    return Verdict.RUNTIME_ERROR, _cause(execution, failure)


def _is_failed_test(language: Language, execution: Execution, failure: Failure | None) -> bool:
    if failure is not None and failure.is_assertion:
        return True
    match ROWS[language].tests_fail_by:
        case "assertion":
            return False
        case "exit code":
            # A shell has no assertions.
            return execution.exit_code is not None
        case "either":
            return execution.exit_code is not None and failure is None
        case never:
            assert_never(never)


def _of_check(
    execution: Execution, checker: Checker, limits: Limits, language: Language
) -> tuple[Verdict, str]:
    match checker:
        case ExitsCleanly():
            return Verdict.ACCEPTED, "ended by itself with exit code 0"
        case PassesTests():
            if execution.tests_finished is not True:
                return Verdict.WRONG_ANSWER, "the program ended before its tests did"
            return Verdict.ACCEPTED, "its tests ran to their end"
        case MatchesCalls():
            return _of_calls(first_wrong_call(checker, execution.returned or (), language))
        case PrintsOutput(expected=expected):
            if execution.stdout_truncated:
                return _of_limit("output", limits)
            difference = _first_difference(_lines(expected), _lines(execution.stdout))
            if difference is not None:
                return Verdict.WRONG_ANSWER, difference
            return Verdict.ACCEPTED, "printed what was expected"
        case _:
            assert_never(checker)


def _of_calls(wrong: WrongCall | None) -> tuple[Verdict, str]:
    if wrong is None:
        return Verdict.ACCEPTED, "every call returned what it had to"
    return Verdict.RUNTIME_ERROR if wrong.is_error else Verdict.WRONG_ANSWER, wrong.explanation


def _lines(text: str) -> list[str]:
    lines = [line.rstrip() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _first_difference(expected: Sequence[str], got: Sequence[str]) -> str | None:
    for number, (ours, theirs) in enumerate(zip_longest(expected, got), start=1):
        if ours != theirs:
            return f"line {number}: expected {_quoted(ours, theirs)}, got {_quoted(theirs, ours)}"
    return None


def _quoted(line: str | None, other: str | None) -> str:
    if line is None:
        return "the end of the output"
    if len(line) <= _QUOTED_CHARACTERS:
        return repr(line)
    same = next((n for n, (a, b) in enumerate(zip(line, other or "", strict=False)) if a != b), 0)
    start = max(0, same - _CONTEXT_CHARACTERS)
    part = line[start : start + _QUOTED_CHARACTERS]
    return f"{'…' if start else ''}{part!r}{'…' if start + len(part) < len(line) else ''}"


def _cause(execution: Execution, failure: Failure | None) -> str:
    if execution.signal is not None:
        ended = f"ended by signal {_signal_name(execution.signal)}"
        # Whoever aborts has said why.
        has_said = failure is not None and execution.signal == Signals.SIGABRT
        return one_line(f"{failure.summary}: {ended}") if failure and has_said else ended
    if failure is not None and failure.name:
        return failure.summary if ":" in failure.summary else _with_source(failure)
    last_words = failure.summary if failure else _last_line(execution.stderr)
    return f"exit code {execution.exit_code}" + (f": {last_words}" if last_words else "")


def _with_source(failure: Failure) -> str:
    # `AssertionError` alone says nothing: the line that raised it does.
    source = failure.frames[-1].source if failure.is_assertion and failure.frames else ""
    return one_line(f"{failure.summary}: {source}") if source else failure.summary


def _signal_name(number: int) -> str:
    try:
        return f"{number} ({Signals(number).name})"
    except ValueError:  # real-time signals between the two that have names
        return str(number)


def _last_line(text: str) -> str:
    return one_line(text.rstrip().rpartition("\n")[2])


def _result(
    verdict: Verdict, explanation: str, execution: Execution, failure: Failure | None
) -> CodeExecutionResult | None:
    if verdict.outcome is None:
        return None
    if verdict is Verdict.ACCEPTED or (
        verdict is Verdict.WRONG_ANSWER and execution.exit_code == 0
    ):
        return CodeExecutionResult(
            outcome=verdict.outcome, output=execution.stdout, execution_error=None
        )
    is_report = failure is not None and verdict in _REPORTED
    return CodeExecutionResult(
        outcome=verdict.outcome,
        output=_together(execution.stdout, execution.stderr),
        execution_error=failure.report if failure and is_report else explanation,
    )


def _together(stdout: str, stderr: str) -> str:
    needs_newline = stdout and stderr and not stdout.endswith("\n")
    return stdout + ("\n" if needs_newline else "") + stderr
