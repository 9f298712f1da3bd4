"""How an output is compared with what is expected: the modes, and what each of them asks of the expected text."""

import json
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Protocol

from pydantic import Field

MAX_PATTERN = 1_000
"""Instructions that a pattern may come to. Its time is bounded by this number times the length of the output."""
_DEEPEST = 100

Tolerance = Annotated[float, Field(ge=0, allow_inf_nan=False)]
DEFAULT_TOLERANCE = 1e-6
"""What most statements of contests ask for, and what testlib's checker `rcmp6` allows."""


class Pattern(Protocol):
    """What we ask of a compiled pattern."""

    programsize: int

    def fullmatch(self, text: str) -> object | None:
        """Something if the whole text matches, else None."""


class Compare(StrEnum):
    """When an output counts as the expected one."""

    EXACT = "exact"
    """Every character is the same."""
    LINES = "lines"
    """The lines are the same; white space at line ends, and empty lines at the end, do not count."""
    TOKENS = "tokens"
    """What stands between white space is the same."""
    FLOAT = "float"
    """As `tokens`, but two numbers are the same if they are near enough."""
    UNORDERED_LINES = "unordered_lines"
    """The same lines come equally often, in any order; white space at line ends and empty lines do not count."""
    JSON = "json"
    """The same JSON value: numbers by their value, so that 1 is 1.0 but neither is true; the order of keys is free."""
    REGEX = "regex"
    """The whole output matches the pattern (RE2), with or without its last line break."""


def unusable_because(expect: str, compare: Compare) -> str | None:
    """Why nothing can be compared with this text in this way; None where it can."""
    try:
        if compare is Compare.JSON:
            parse_json(expect)
        elif compare is Compare.REGEX:
            compile_pattern(expect)
    except ValueError as error:
        return str(error)
    return None


def parse_json(text: str) -> object:
    """The JSON value of `text`, in which every number is a `Decimal`.

    Raises:
        ValueError: it is none, or nested more than 100 deep.
    """
    try:
        value: object = json.loads(
            text, parse_int=Decimal, parse_float=Decimal, parse_constant=_refuse_constant
        )
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"no JSON: {place}: {error.msg}") from None
    except ArithmeticError:
        raise ValueError("no JSON that can be compared: an exponent is too large") from None
    except RecursionError:
        raise ValueError(f"nested more than {_DEEPEST} deep") from None
    level = [value]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in _inner_values(outer)]
    if level:
        raise ValueError(f"nested more than {_DEEPEST} deep")
    return value


def compile_pattern(pattern: str) -> Pattern:
    """The pattern, ready to match.

    RE2 takes time in proportion to pattern and text, whatever they are: what a program prints cannot make it search for
    hours, and the same output is always judged the same, which no time-out could promise.

    Raises:
        ValueError: it is none, or too large.
    """
    # A script that compares no output by patterns must not pay for it.
    import re2

    options = re2.Options()
    # It would write to standard error by itself.
    options.log_errors = False
    try:
        compiled: Pattern = re2.compile(pattern, options)
    except re2.error as error:
        why = error.args[0] if error.args else ""
        shown = why.decode(errors="replace") if isinstance(why, bytes) else str(why)
        raise ValueError(f"no pattern of RE2: {shown}") from None
    if compiled.programsize > MAX_PATTERN:
        raise ValueError(
            f"too large a pattern: it comes to {compiled.programsize:,} instructions, of at most {MAX_PATTERN:,}"
        )
    return compiled


def _refuse_constant(word: str) -> None:
    raise ValueError(f"no JSON: {word} is no value")


def _inner_values(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
