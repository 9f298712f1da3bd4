"""Compares what a function returned with what it had to: outside the sandbox, by exact type."""

from collections.abc import Sequence

from pydantic import JsonValue

from jobs.checkers import ExpectedCall, MatchesCalls
from jobs.languages import Language
from jobs.models import Returned

_SHOWN_CHARACTERS = 200


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
        case (int() | float(), int() | float()) if language is Language.JAVASCRIPT:
            is_boolean = isinstance(expected, bool), isinstance(got, bool)
            return is_boolean[0] == is_boolean[1] and expected == got
        case _:
            return type(expected) is type(got) and expected == got


def first_wrong_call(
    checker: MatchesCalls, returned: Sequence[Returned], language: Language
) -> str | None:
    """What is wrong with the first call that is; None where all returned what they had to.

    The expected value is not told: a program that has seen it can return it without having worked it out.
    """
    for call, answer in zip(checker.calls, returned, strict=False):
        shown = f"{checker.entry_point}({_arguments(call)})"
        if answer.error is not None:
            return f"{shown} failed: {answer.error}"[: 2 * _SHOWN_CHARACTERS]
        if not is_same(call.expected, answer.value, language):
            return f"{shown} returned {_short(answer.value)}, which is wrong"
    if len(returned) < len(checker.calls):
        return f"the program ended after {len(returned)} of {len(checker.calls)} calls"
    return None


def _arguments(call: ExpectedCall) -> str:
    return _cut(", ".join(map(repr, call.arguments)))


def _short(value: JsonValue) -> str:
    return _cut(repr(value))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
