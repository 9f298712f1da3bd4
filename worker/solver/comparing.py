"""Compares what a program printed with what it had to: pure functions, each in time that grows with the texts alone."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import assert_never

from jobs.comparisons import DEFAULT_TOLERANCE, Compare, compile_pattern, parse_json

_QUOTED_CHARACTERS = 80
_CONTEXT_CHARACTERS = 20
_PATH_CHARACTERS = 100
_MATCHING_STEPS = 100_000_000
"""Instructions of a pattern times characters of an output: about a second."""
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_WORDS_FOR_NUMBERS = {"nan", "inf", "infinity"}


@dataclass(frozen=True)
class Comparison:
    """How two outputs are compared."""

    compare: Compare = Compare.LINES
    absolute_tolerance: float = DEFAULT_TOLERANCE
    relative_tolerance: float = DEFAULT_TOLERANCE


@dataclass(frozen=True)
class Difference:
    """Where an output first differs from the expected one."""

    explanation: str
    """In one line of bounded length."""
    expected_at: int = 0
    """The place in the expected text, as near as is known."""
    got_at: int = 0


def first_difference(expected: str, got: str, how: Comparison) -> Difference | None:
    """The first place where the two differ; None where they count as the same. It raises nothing, whatever `got` is.

    `expected` has to be fit for this comparison, which whoever makes a check sees to.
    """
    match how.compare:
        case Compare.EXACT:
            return _in_line_breaks(expected, got) or _in_lines(
                expected, got, expected.split("\n"), got.split("\n")
            )
        case Compare.LINES:
            return _in_lines(expected, got, _trimmed(expected), _trimmed(got))
        case Compare.TOKENS:
            return _in_tokens(expected, got, str.__eq__)
        case Compare.FLOAT:
            return _in_tokens(expected, got, lambda ours, theirs: _is_near(ours, theirs, how))
        case Compare.UNORDERED_LINES:
            return _in_any_order(expected, got)
        case Compare.JSON:
            return _in_json(expected, got)
        case Compare.REGEX:
            return _in_pattern(expected, got)
        case _:
            assert_never(how.compare)


def excerpt(text: str, at: int, most: int) -> str:
    """At most about `most` characters of `text`, with the place `at` among them; what is left out is marked."""
    if len(text) <= most:
        return text
    start = max(0, min(at - most // 4, len(text) - most))
    end = start + most
    return f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"


def common_length(ours: str, theirs: str) -> int:
    """How many characters the two have in common at their beginning."""
    # By halves: an output may have 64 MiB, and a look at each character would take seconds.
    same, most = 0, min(len(ours), len(theirs))
    while same < most:
        middle = (same + most + 1) // 2
        if ours[same:middle] == theirs[same:middle]:
            same = middle
        else:
            most = middle - 1
    return same


def _trimmed(text: str) -> list[str]:
    lines = [line.rstrip() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _in_lines(
    expected: str, got: str, ours: Sequence[str], theirs: Sequence[str]
) -> Difference | None:
    for number, (line, other) in enumerate(zip_longest(ours, theirs)):
        if line != other:
            same = common_length(line or "", other or "")
            return Difference(
                f"line {number + 1}: expected {_quoted(line, same)}, got {_quoted(other, same)}",
                _start_of_line(expected, number) + same,
                _start_of_line(got, number) + same,
            )
    return None


def _in_line_breaks(expected: str, got: str) -> Difference | None:
    """Of two texts that differ in nothing but how many there are at their ends: shown, they would look the same."""
    ours, theirs = expected.rstrip("\n"), got.rstrip("\n")
    n_ours, n_theirs = len(expected) - len(ours), len(got) - len(theirs)
    if ours != theirs or n_ours == n_theirs:
        return None
    words = f"line breaks at the end of the output: expected {n_ours}, got {n_theirs}"
    return Difference(words, len(ours), len(theirs))


def _start_of_line(text: str, number: int) -> int:
    return sum(len(line) + 1 for line in islice(text.split("\n"), number))


def _in_tokens(expected: str, got: str, is_same: Callable[[str, str], bool]) -> Difference | None:
    for number, (token, other) in enumerate(zip_longest(expected.split(), got.split())):
        if token is None or other is None or not is_same(token, other):
            same = common_length(token or "", other or "")
            return Difference(
                f"token {number + 1}: expected {_quoted(token, same)}, got {_quoted(other, same)}",
                _start_of_token(expected, number),
                _start_of_token(got, number),
            )
    return None


def _start_of_token(text: str, number: int) -> int:
    found = next(islice(re.finditer(r"\S+", text), number, None), None)
    return len(text) if found is None else found.start()


def _is_near(ours: str, theirs: str, how: Comparison) -> bool:
    if ours == theirs:
        return True
    expected, got = _number(ours), _number(theirs)
    if expected is None or got is None:
        return False
    if math.isnan(expected) or math.isnan(got):
        return math.isnan(expected) and math.isnan(got)
    if math.isinf(expected) or math.isinf(got):
        # 1e999 is no infinity: it is only too large to be compared with anything but itself.
        return expected == got and not _NUMBER.fullmatch(ours) and not _NUMBER.fullmatch(theirs)
    distance = abs(expected - got)
    return distance <= how.absolute_tolerance or distance <= how.relative_tolerance * abs(expected)


def _number(token: str) -> float | None:
    if _NUMBER.fullmatch(token) or token.lower().lstrip("+-") in _WORDS_FOR_NUMBERS:
        try:
            return float(token)
        except ValueError:
            return None
    return None


def _in_any_order(expected: str, got: str) -> Difference | None:
    ours, theirs = _trimmed(expected), _trimmed(got)
    missing = next(_more_often(ours, theirs), None)
    surplus = next(_more_often(theirs, ours), None)
    parts = []
    if missing is not None:
        parts.append(f"the line {_quoted(ours[missing], 0)} is missing")
    if surplus is not None:
        parts.append(f"line {surplus + 1} is not expected: {_quoted(theirs[surplus], 0)}")
    if not parts:
        return None
    return Difference(
        "; ".join(parts), _start_of_line(expected, missing or 0), _start_of_line(got, surplus or 0)
    )


def _more_often(lines: Sequence[str], others: Sequence[str]) -> Iterator[int]:
    """Where a line stands that comes more often in `lines` than in `others`."""
    left = Counter(others)
    for number, line in enumerate(lines):
        left[line] -= 1
        if line and left[line] < 0:
            yield number


def _in_json(expected: str, got: str) -> Difference | None:
    try:
        theirs = parse_json(got)
    except ValueError as error:
        return Difference(f"the output is {error}", got_at=common_length(expected, got))
    explanation = _difference_of_values(parse_json(expected), theirs)
    if explanation is None:
        return None
    same = common_length(expected, got)
    return Difference(explanation, same, same)


def _difference_of_values(expected: object, got: object) -> str | None:
    # The first in the order of the expected text, and never by recursion.
    waiting = [("$", expected, got)]
    while waiting:
        path, ours, theirs = waiting.pop()
        match ours, theirs:
            case dict(), dict():
                if ours.keys() != theirs.keys():
                    return f"{path}: {_difference_of_keys(ours, theirs)}"
                inner = [(_below(path, key), ours[key], theirs[key]) for key in ours]
                waiting += reversed(inner)
            case list(), list():
                pairs = enumerate(zip(ours, theirs, strict=False))
                inner = [(_below(path, n), a, b) for n, (a, b) in pairs]
                if len(ours) != len(theirs):
                    return f"{path}: expected {len(ours):,} items, got {len(theirs):,}"
                waiting += reversed(inner)
            case _ if type(ours) is not type(theirs) or ours != theirs:
                return f"{path}: expected {_shown(ours)}, got {_shown(theirs)}"
            case _:
                pass
    return None


def _difference_of_keys(ours: dict[str, object], theirs: dict[str, object]) -> str:
    missing = next((key for key in ours if key not in theirs), None)
    if missing is not None:
        return f"the key {_quoted(missing, 0)} is missing"
    surplus = next(key for key in theirs if key not in ours)
    return f"the key {_quoted(surplus, 0)} is not expected"


def _below(path: str, step: str | int) -> str:
    longer = f"{path}[{step if isinstance(step, int) else _quoted(step, 0)}]"
    return longer if len(longer) <= _PATH_CHARACTERS else f"…{longer[1 - _PATH_CHARACTERS :]}"


def _shown(value: object) -> str:
    match value:
        case dict():
            return "an object"
        case list():
            return "an array"
        case str():
            return _quoted(value, 0)
        case None | bool():
            return "null" if value is None else str(value).lower()
        case _:
            return excerpt(str(value), 0, _QUOTED_CHARACTERS)


def _in_pattern(pattern: str, got: str) -> Difference | None:
    compiled = compile_pattern(pattern)
    most = _MATCHING_STEPS // max(1, compiled.programsize)
    if len(got) > most:
        return Difference(
            f"the output is longer than the {most:,} characters that this pattern is tried on"
        )
    if compiled.fullmatch(got) or compiled.fullmatch(got.removesuffix("\n")):
        return None
    return Difference(f"the output does not match the pattern {_quoted(pattern, 0)}")


def _quoted(text: str | None, same: int) -> str:
    """`text` between quotes, or some of it from a little before the place up to which it was the same."""
    if text is None:
        return "the end of the output"
    if len(text) <= _QUOTED_CHARACTERS:
        return repr(text)
    start = max(0, same - _CONTEXT_CHARACTERS)
    part = text[start : start + _QUOTED_CHARACTERS]
    return f"{'…' if start else ''}{part!r}{'…' if start + len(part) < len(text) else ''}"
