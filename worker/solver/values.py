"""Compares what a function returned with what it had to: outside the sandbox, by exact type."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from jobs.checkers import ExpectedCall, MatchesCalls
from jobs.languages import Language
from jobs.models import Returned

from .tracebacks import one_line

_SHOWN_CHARACTERS = 100


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
    """In one line. What was expected is not in it: a program that has seen it can return it without working it out."""
    is_error: bool
    """Whether the function raised an error, rather than returned something else."""


def first_wrong_call(
    checker: MatchesCalls, returned: Sequence[Returned], language: Language
) -> WrongCall | None:
    """The first call that was not right; None where all returned what they had to, and nothing else was answered."""
    for call, answer in zip(checker.calls, returned, strict=False):
        problem = _problem(call, answer, language)
        if problem:
            shown = f"{checker.entry_point}({_arguments(call, language)})"
            return WrongCall(one_line(f"{shown} {problem}"), is_error=answer.error is not None)
    n_asked, n_answered = len(checker.calls), len(returned)
    if n_answered < n_asked:
        return WrongCall(f"the program ended after {n_answered} of {n_asked} calls", is_error=False)
    if n_answered > n_asked:
        return WrongCall("there are more answers than calls", is_error=False)
    return None


def _problem(call: ExpectedCall, answer: Returned, language: Language) -> str | None:
    if answer.error is not None:
        return f"failed: {answer.error}"
    if answer.unfit is not None:
        return f"returned {answer.unfit}, and JSON has no word for that"
    if not is_same(call.expected, answer.value, language):
        return f"returned {_spelled(answer.value, language)}, which is wrong"
    return None


def _arguments(call: ExpectedCall, language: Language) -> str:
    return _cut(", ".join(_spelled(argument, language) for argument in call.arguments))


def _spelled(value: JsonValue, language: Language) -> str:
    """As the language itself would have it, near enough."""
    return _cut(repr(value) if language is Language.PYTHON else json.dumps(value))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
