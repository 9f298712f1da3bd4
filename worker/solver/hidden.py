"""What a check expects in secret, as texts that could be found again."""

import ast
import json
import re
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import assert_never

from pydantic import JsonValue

from jobs.checkers import (
    Check,
    ExitsCleanly,
    MatchesCalls,
    MatchesOutput,
    PassesTests,
    checks_of,
)
from jobs.languages import Language
from jobs.models import PromptJob

_LONGEST_PARSED = 262_144
# What is escaped is passed over as a whole: of a text that nobody closes, not each quote begins another search.
_LITERAL = re.compile(
    r"""("(?:[^"\\\n]|\\.)*+"|'(?:[^'\\\n]|\\.)*+'|\[[^\[\]()$\n]*\]|(?<![\w.])-?\d[\d_.]*)|\\."""
)
_COMPARES = re.compile(r"\b(?:assert|expect|should|equal|require)|[=!]=|\[\[", re.IGNORECASE)


@dataclass(frozen=True)
class Secret:
    """A text of a hidden check."""

    case: str
    text: str
    is_value: bool
    """Whether it is a value that is expected, rather than a line of the check itself."""


def secrets_of(job: PromptJob) -> Iterator[Secret]:
    """What the hidden part of the job's check expects, trivial things among it."""
    for check in checks_of(job.checker):
        yield from _secrets_of(check, job.language)


def _secrets_of(check: Check, language: Language) -> Iterator[Secret]:
    match check:
        case ExitsCleanly():
            return
        case MatchesOutput():
            yield from _secrets_of_cases(check)
        case PassesTests(public=False, tests=tests):
            yield from _secrets_of_tests(tests, language)
        case MatchesCalls(public=False, calls=calls):
            for number, call in enumerate(calls, 1):
                yield from _spelled(f"call {number}", call.expected)
        case PassesTests() | MatchesCalls():
            return
        case _:
            assert_never(check)


def shown_of(job: PromptJob) -> Iterator[str]:
    """What the model is or may be told anyway: the prompt, and what is public of the check."""
    yield from (job.prompt, job.preamble)
    several = checks_of(job.checker)
    for check in several:
        match check:
            case MatchesOutput():
                for case in filter(check.is_public, check.cases):
                    yield from (case.stdin, case.expect)
            case PassesTests(public=True, tests=tests) if len(several) > 1:
                yield tests
            case MatchesCalls(public=True, calls=calls) if len(several) > 1:
                for call in calls:
                    yield from _spellings(call.expected)
            case ExitsCleanly() | PassesTests() | MatchesCalls():
                # One of them alone is public or hidden as a whole.
                continue
            case _:
                assert_never(check)


def _secrets_of_cases(checker: MatchesOutput) -> Iterator[Secret]:
    for number, case in enumerate(checker.cases):
        if not checker.is_public(case):
            yield from _spelled(checker.name_of(number), case.expect)


def _spelled(case: str, value: JsonValue) -> Iterator[Secret]:
    return (Secret(case, text, is_value=True) for text in dict.fromkeys(_spellings(value)))


def _spellings(value: JsonValue) -> Iterator[str]:
    """A value as programs write it: Python's way, and that of most others."""
    if isinstance(value, str):
        yield from (value, json.dumps(value)[1:-1])
    elif not isinstance(value, bool | None):
        yield from (repr(value), json.dumps(value, ensure_ascii=False))


# Asked again for each attempt, and for each sample of a task.
@lru_cache(maxsize=64)
def _secrets_of_tests(tests: str, language: Language) -> tuple[Secret, ...]:
    return (*_lines_of(tests), *_values_of(tests, language))


def _lines_of(tests: str) -> Iterator[Secret]:
    for number, line in enumerate(tests.split("\n"), 1):
        if _COMPARES.search(line):
            yield Secret(f"line {number}", line, is_value=False)


def _values_of(tests: str, language: Language) -> Iterator[Secret]:
    if language is Language.PYTHON and len(tests) <= _LONGEST_PARSED:
        try:
            with warnings.catch_warnings(action="ignore"):
                tree = ast.parse(tests)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return
        yield from _values_in_python(tree)
        return
    for number, line in enumerate(tests.split("\n"), 1):
        # What is expected stands last in most languages.
        if _COMPARES.search(line) and (found := [*filter(None, _LITERAL.findall(line))]):
            yield Secret(f"line {number}", found[-1].strip("\"'"), is_value=True)


def _values_in_python(tree: ast.Module) -> Iterator[Secret]:
    """Literals that are compared with something, or given to an assertion beside something, that is no literal."""
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=left, comparators=others):
                sides = [left, *others]
            case ast.Call(func=ast.Attribute(attr=name), args=args) if name.startswith("assert"):
                sides = args
            case _:
                continue
        values = [value for side in sides for value in _literal(side)]
        for value in values if len(values) < len(sides) else ():
            for text in set(_texts(value)):
                yield Secret(f"line {node.lineno}", text, is_value=True)


def _literal(node: ast.expr) -> Iterator[object]:
    try:
        yield ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield from _spellings(value)
    elif not isinstance(value, bool | None):
        # Python refuses to spell a number of thousands of digits in tens, however short it is in the source.
        with suppress(ValueError):
            yield repr(value)
