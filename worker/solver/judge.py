"""Turns what a program did into how it did against its job."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from jobs.checkers import Case, Check, ExitsCleanly, MatchesCalls, MatchesOutput, PassesTests
from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import (
    CaseResult,
    CodeExecutionResult,
    ExecutableCode,
    Execution,
    Trust,
)
from jobs.verdicts import Verdict
from worker.sandbox import Verification

from .comparing import Comparison, Difference, excerpt, first_difference
from .ends import Finding, finding_of_end
from .extraction import Extraction
from .tracebacks import Failure, failure_of, one_line
from .values import WrongCall, call_name, call_results, first_wrong_call

# Of these the error itself says more than a line of ours.
_REPORTED = (Verdict.RUNTIME_ERROR, Verdict.COMPILE_ERROR, Verdict.FORBIDDEN_CALL)
_SHOWN_AT_LENGTH = 2_000
_SHOWN_CHARACTERS = 200
"""Of an output that was right."""
_TESTS = "tests"


@dataclass(frozen=True)
class Word:
    """What a checker said of an output."""

    fault: str | None
    """What is wrong with it; None where it is right."""


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
    trust_reason: str | None = None
    """What tests need of the program's process that could have had one of their own."""
    hint: str = ""
    """The explanation without a word of the check, and without one that the program said."""
    cases: tuple[CaseResult, ...] = ()
    """What each case came to that was tried."""
    check: Check = field(default_factory=ExitsCleanly)
    """What it was judged by: of several checks the one that decided."""
    decided_by: int | None = None
    """The place of the case that this is of; None where that is the first that failed, else the last one."""


def judge(
    code: ExecutableCode,
    execution: Execution,
    checker: Check,
    limits: Limits,
    *,
    case: int = 0,
    tested: Verification | Word | None = None,
) -> Judgement:
    """How the program did; the same arguments always give the same answer.

    `accepted` needs exit code 0, no limit hit and, where there are tests, the proof that they ran to their end; where
    there are calls, each has to have returned what is expected of it. Of cases, `case` is the one that it was run for.
    `tested` is what tests, or a checker, in a slot of their own came to; None where tests shared the program's process
    and outputs are compared.

    Raises:
        ValueError: `tested` says that they could not cross, which is no answer.
    """
    failure = failure_of(execution.stderr, code.language)
    found = finding_of_end(code, execution, failure, checker, limits)
    if isinstance(tested, Verification):
        found = _of_verification(tested, found)
    match checker:
        case ExitsCleanly():
            found = found or Finding(Verdict.ACCEPTED, "ended by itself with exit code 0", "")
            cases: tuple[CaseResult, ...] = ()
        case PassesTests():
            found = found or _of_tests(execution)
            tried = tested if isinstance(tested, Verification) else None
            cases = _cases_of_tests(found, tried)
            found = _during(found, None if tried is None else tried.stopped_in)
        case MatchesCalls():
            wrong = first_wrong_call(checker, execution.returned or (), code.language)
            found = found or _of_calls(wrong)
            cases = _cases_of_calls(checker, execution, found, code.language)
            found = _during(found, _call_it_ended_in(execution, cases))
        case MatchesOutput():
            word = tested if isinstance(tested, Word) else None
            difference = (
                None if found else _difference(checker, checker.cases[case], execution, word)
            )
            found = found or _of_output(difference)
            cases = (_case_of_output(checker, case, execution, found, difference),)
            found = _named(found, checker, cases[0])
        case _:
            assert_never(checker)
    return Judgement(
        verdict=found.verdict,
        explanation=found.explanation,
        result=_result(found.verdict, found.explanation, execution, failure),
        trust="same_process"
        if isinstance(checker, PassesTests) and tested is None
        else "separate_process",
        hint=found.hint,
        cases=cases,
        check=checker,
    )


def no_program(extraction: Extraction) -> Judgement:
    """The judgement of a reply in which there is nothing to run."""
    return Judgement(Verdict.NO_CODE, extraction.reason, result=None, trust="separate_process")


def _of_tests(execution: Execution) -> Finding:
    if execution.tests_finished is not True:
        why = "the program ended before its tests did"
        return Finding(Verdict.WRONG_ANSWER, why, why)
    return Finding(Verdict.ACCEPTED, "its tests ran to their end", "")


def _of_verification(tested: Verification, at_end: Finding | None) -> Finding:
    """By the tests that failed, else `at_end`, which is how the program ended, else by how the tests ended."""
    match tested.end:
        case "failed":
            verdict = tested.verdict or Verdict.WRONG_ANSWER
            hint = "a test failed" if verdict is Verdict.WRONG_ANSWER else "ended with an error"
            return Finding(verdict, one_line(tested.why), hint)
        case "finished":
            return at_end or Finding(Verdict.ACCEPTED, "its tests ran to their end", "")
        case "untried":
            return at_end or _of_untried(tested)
        case "program_ended" | "out_of_time":
            hint = "the program ended before its tests did"
            return at_end or Finding(Verdict.WRONG_ANSWER, one_line(tested.why), hint)
        case "tests_over_limit":
            hint = "its tests came to no end with what it returned"
            return at_end or Finding(Verdict.TIME_LIMIT_EXCEEDED, tested.why, hint)
        case "cannot_cross":
            raise ValueError("tests that cannot cross say nothing of a program: run them beside it")
        case _:
            assert_never(tested.end)


def _of_untried(tested: Verification) -> Finding:
    """Of tests that asked the program nothing: that it was loaded, where they looked at what it has."""
    if tested.cases:
        return Finding(Verdict.ACCEPTED, "its tests ran to their end", "")
    why = "its tests ended without having tried anything of it: look whether they call or assert anything"
    return Finding(Verdict.WRONG_ANSWER, why, "its tests came to try nothing of it")


def _cases_of_tests(found: Finding, tested: Verification | None) -> tuple[CaseResult, ...]:
    """Those that were tried and the one that was running, or one more if none says why it was not accepted."""
    tried, running = ((), None) if tested is None else (tested.cases, tested.stopped_in)
    is_told = any(case.verdict is not Verdict.ACCEPTED for case in tried)
    if running is None and (found.verdict is Verdict.ACCEPTED or is_told):
        return tried or (CaseResult(name=_TESTS, verdict=found.verdict),)
    last = CaseResult(name=running or _TESTS, verdict=found.verdict, actual=found.explanation)
    return (*tried, last)


def _of_calls(wrong: WrongCall | None) -> Finding:
    if wrong is None:
        return Finding(Verdict.ACCEPTED, "every call returned what it had to", "")
    verdict = Verdict.RUNTIME_ERROR if wrong.is_error else Verdict.WRONG_ANSWER
    return Finding(verdict, wrong.explanation, wrong.hint)


def _cases_of_calls(
    checker: MatchesCalls, execution: Execution, found: Finding, language: Language
) -> tuple[CaseResult, ...]:
    returned = execution.returned or ()
    results = tuple(call_results(checker, returned, language))
    is_cut = len(returned) < len(checker.calls) and found.verdict is not Verdict.ACCEPTED
    if not is_cut or any(result.verdict is not Verdict.ACCEPTED for result in results):
        return results
    # The program ended while this call was being made, or before it.
    name = call_name(checker, checker.calls[len(returned)], language)
    return (*results, CaseResult(name=name, verdict=found.verdict, actual=found.explanation))


def _call_it_ended_in(execution: Execution, cases: Sequence[CaseResult]) -> str | None:
    """The call that the program did not answer; None where it answered all, or none, as one does that never began."""
    n_answered = len(execution.returned or ())
    return cases[-1].name if 0 < n_answered < len(cases) else None


def _difference(
    checker: MatchesOutput, case: Case, execution: Execution, word: Word | None
) -> Difference | None:
    if word is not None:
        return None if word.fault is None else Difference(one_line(word.fault))
    how = Comparison(
        checker.compare_of(case), checker.absolute_tolerance, checker.relative_tolerance
    )
    return first_difference(case.expect, execution.stdout, how)


def _of_output(difference: Difference | None) -> Finding:
    if difference is None:
        return Finding(Verdict.ACCEPTED, "printed what was expected", "")
    return Finding(
        Verdict.WRONG_ANSWER, difference.explanation, "the output is not what is expected"
    )


def _case_of_output(
    checker: MatchesOutput,
    number: int,
    execution: Execution,
    found: Finding,
    difference: Difference | None,
) -> CaseResult:
    case = checker.cases[number]
    is_right = found.verdict is Verdict.ACCEPTED
    room = _SHOWN_CHARACTERS if is_right else _SHOWN_AT_LENGTH
    at = difference or Difference("")
    has_output = is_right or difference is not None
    return CaseResult(
        name=checker.name_of(number),
        verdict=found.verdict,
        expected=excerpt(case.expect, at.expected_at, room),
        actual=excerpt(execution.stdout, at.got_at, room) if has_output else found.explanation,
    )


def _during(found: Finding, case: str | None) -> Finding:
    """With the name of the case that the program was at when it ended, if it was at one."""
    if case is None or found.verdict is Verdict.ACCEPTED:
        return found
    return replace(found, explanation=f"{one_line(case)}: {found.explanation}")


def _named(found: Finding, checker: MatchesOutput, result: CaseResult) -> Finding:
    """With the name of its case, if it failed and there are others."""
    return _during(found, result.name if len(checker.cases) > 1 else None)


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
