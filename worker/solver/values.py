"""Compares what a function returned with what it had to: outside the sandbox, by exact type."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from jobs.checkers import Call, ExpectedCall, MatchesCalls
from jobs.handed_back import Returned
from jobs.languages import Language
from jobs.models import CaseResult
from jobs.verdicts import Verdict

from .comparing import common_length, excerpt
from .tracebacks import one_line

_SHOWN_CHARACTERS = 100
_SHOWN_AT_LENGTH = 2_000


def is_same(expected: JsonValue, got: JsonValue, language: Language) -> bool:
    """Whether two JSON values are equal, types and all.

    In Python 1, 1.0 and True are three values. JavaScript has one type of number, so there 1 and 1.0 are one.
    """
    match expected, got:
        case dict(), dict():
            return expected.keys() == got.keys() and all(
                is_same(value, got[key], language) for key, value in expected.items()
            )
        case list(), list():
            return len(expected) == len(got) and all(
                is_same(ours, theirs, language) for ours, theirs in zip(expected, got, strict=True)
            )
        case (int() | float(), int() | float()) if language is not Language.PYTHON:
            is_boolean = isinstance(expected, bool), isinstance(got, bool)
            return is_boolean[0] == is_boolean[1] and expected == got
        case _:
            return type(expected) is type(got) and expected == got


@dataclass(frozen=True)
class WrongCall:
    """The first call that was not right."""

    explanation: str
    """In one line."""
    hint: str
    """The same without a word of the call, of its value or of its error; the name of the function is no secret."""
    is_error: bool
    """Whether the function raised an error, rather than returned something else."""


def first_wrong_call(
    checker: MatchesCalls, returned: Sequence[Returned], language: Language
) -> WrongCall | None:
    """The first call that was not right; None where all returned what they had to, and nothing else was answered."""
    for call, answer in zip(checker.calls, returned, strict=False):
        if problem := _problem(call, answer, language):
            if answer.error in _words_for_missing(checker.entry_point):
                missing = f"the program defines no {checker.entry_point!r} at its top level"
                return WrongCall(missing, missing, is_error=True)
            shown = call_name(checker, call, language)
            return WrongCall(
                one_line(f"{shown} {problem}"), _hint(answer), is_error=answer.error is not None
            )
    n_asked, n_answered = len(checker.calls), len(returned)
    if n_answered == n_asked:
        return None
    explanation = (
        f"the program ended after {n_answered} of {n_asked} calls"
        if n_answered < n_asked
        else "there are more answers than calls"
    )
    return WrongCall(explanation, explanation, is_error=False)


def call_results(
    checker: MatchesCalls, returned: Sequence[Returned], language: Language
) -> Iterator[CaseResult]:
    """What each call that was answered came to. The first that was not right is shown at length."""
    most = _SHOWN_AT_LENGTH
    for call, answer in zip(checker.calls, returned, strict=False):
        verdict = _verdict(call, answer, language)
        is_wrong = verdict is not Verdict.ACCEPTED
        expected, actual = _whole(call.expected, language), _answer(answer, language)
        at = common_length(expected, actual)
        room = most if is_wrong else _SHOWN_CHARACTERS
        yield CaseResult(
            name=call_name(checker, call, language),
            verdict=verdict,
            expected=excerpt(expected, at, room),
            actual=excerpt(actual, at, room),
        )
        most = _SHOWN_CHARACTERS if is_wrong else most


def call_name(checker: MatchesCalls, call: Call, language: Language) -> str:
    """A call as the language itself would have it, near enough, and of bounded length."""
    arguments = ", ".join(_spelled(argument, language) for argument in call.arguments)
    return one_line(f"{checker.entry_point}({excerpt(arguments, 0, _SHOWN_CHARACTERS)})")


def _verdict(call: ExpectedCall, answer: Returned, language: Language) -> Verdict:
    if answer.error is not None:
        return Verdict.RUNTIME_ERROR
    return Verdict.WRONG_ANSWER if _problem(call, answer, language) else Verdict.ACCEPTED


def _problem(call: ExpectedCall, answer: Returned, language: Language) -> str | None:
    if answer.error is not None:
        return f"failed: {answer.error}"
    if answer.unfit is not None:
        return f"returned {answer.unfit}, and JSON has no word for that"
    if not is_same(call.expected, answer.value, language):
        got, expected = _spelled(answer.value, language), _spelled(call.expected, language)
        return f"returned {got} instead of {expected}"
    return None


def _words_for_missing(name: str) -> tuple[str, ...]:
    """What interpreters say of a name that nothing defines."""
    return (f"NameError: name {name!r} is not defined", f"ReferenceError: {name} is not defined")


def _hint(answer: Returned) -> str:
    if answer.error is not None:
        return "the function raised an error"
    if answer.unfit is not None:
        return "the function returned something that JSON has no word for"
    return "the function returned a wrong value"


def _answer(answer: Returned, language: Language) -> str:
    if answer.error is not None:
        return answer.error
    return _whole(answer.value, language) if answer.unfit is None else answer.unfit


def _spelled(value: JsonValue, language: Language) -> str:
    return excerpt(_whole(value, language), 0, _SHOWN_CHARACTERS)


def _whole(value: JsonValue, language: Language) -> str:
    """As the language itself would have it, near enough."""
    return repr(value) if language is Language.PYTHON else json.dumps(value)
