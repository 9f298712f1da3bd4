"""Contests, whose programs read an input and print an output: APPS, TACO, CodeContests."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from .rows import ForeignRowError, Format, Row, parsed, rest_of, tests_of_method, text_of

_PYTHON_3 = 3
_METHOD = re.compile(r"^class Solution\b", re.MULTILINE)


def _text(value: object) -> str:
    """An input or output: a text, or the lines of one."""
    if isinstance(value, list):
        return "\n".join(map(str, value))
    return value if isinstance(value, str) else str(value)


def _case(given: object, expected: object, *, public: bool | None = None) -> dict[str, Any]:
    case: dict[str, Any] = {"stdin": _text(given), "expect": _text(expected)}
    return case if public is None else {**case, "public": public}


def _cases_of(pairs: Iterable[tuple[object, object]]) -> list[dict[str, Any]]:
    cases = [_case(given, expected) for given, expected in pairs]
    if not cases:
        raise ForeignRowError("it has no cases")
    return cases


def _apps(row: Row) -> dict[str, Any]:
    """With `fn_name`, a function is called, or a method of the class that is begun, and nothing is read or printed."""
    held = parsed(row["input_output"] or "{}", "input_output")
    solutions = parsed(row.get("solutions") or "[]", "solutions")
    task = {
        "id": str(row["problem_id"] if "problem_id" in row else row["id"])
        if _has_id(row)
        else None,
        "prompt": "\n\n".join(
            filter(None, (text_of(row, "question"), text_of(row, "starter_code")))
        ),
        "reference": solutions[0] if solutions else None,
        "tags": [row["difficulty"]] if row.get("difficulty") else [],
        "metadata": rest_of(row, "question", "input_output", "solutions", "starter_code"),
    }
    try:
        pairs = zip(held["inputs"], held["outputs"], strict=True)
    except (KeyError, ValueError, TypeError):
        raise ForeignRowError('"input_output" holds no "inputs" with as many "outputs"') from None
    if not (name := held.get("fn_name")):
        return {**task, "cases": _cases_of(pairs)}
    calls = list(_unpacked(pairs))
    if _METHOD.search(text_of(row, "starter_code")):
        return {**task, "tests": tests_of_method(name, calls)}
    made = [{"arguments": given, "expected": expected} for given, expected in calls]
    return {**task, "entryPoint": name, "calls": made}


def _unpacked(pairs: Iterable[tuple[list[Any], Any]]) -> Iterator[tuple[list[Any], Any]]:
    """Arguments and results; in some rows each result stands in a list of its own."""
    calls = list(pairs)
    are_packed = all(isinstance(one, list) and len(one) == 1 for _, one in calls)
    return ((given, one[0] if are_packed else one) for given, one in calls)


def _has_id(row: Row) -> bool:
    return "problem_id" in row or "id" in row


def _selection(row: Row) -> dict[str, Any]:
    """Its sample cases may be shown."""
    samples = [_pair(each) for each in parsed(row.get("sample_io") or [], "sample_io")]
    cases = [
        _case(given, expected, public=(given, expected) in samples)
        for given, expected in map(_pair, parsed(row["test_list"], "test_list"))
    ]
    return {
        "id": str(row["id"]),
        "prompt": text_of(row, "prompt"),
        "cases": cases,
        "tags": [row["difficulty"]] if row.get("difficulty") else [],
        "metadata": rest_of(row, "id", "prompt", "sample_io", "test_list"),
    }


def _pair(held: Row) -> tuple[str, str]:
    try:
        return _text(held["input"]), _text(held["output"])
    except (KeyError, TypeError):
        raise ForeignRowError('a case is no object of "input" and "output"') from None


def _fusion(row: Row) -> dict[str, Any]:
    tests = parsed(row["test"], "test")
    try:
        pairs = [(each["input"]["stdin"], each["output"]["stdout"]) for each in tests]
    except (KeyError, TypeError):
        raise ForeignRowError('"test" is no list of objects of "input" and "output"') from None
    return {
        "id": str(row["id"]),
        "prompt": text_of(row, "content"),
        "cases": _cases_of(pairs),
        "metadata": rest_of(row, "id", "content", "test"),
    }


def _has_streams(row: Row) -> bool:
    tests = parsed(row.get("test"), "test")
    return isinstance(tests, list) and all(isinstance(each, dict) for each in tests)


def _code_contests(row: Row) -> dict[str, Any]:
    """Public cases may be shown; private and generated ones are hidden."""
    cases = [
        _case(given, expected, public=key == "public_tests")
        for key in ("public_tests", "private_tests", "generated_tests")
        for given, expected in _streams(row, key)
    ]
    if not cases:
        raise ForeignRowError("it has no cases")
    return {
        "id": row["name"],
        "prompt": text_of(row, "description"),
        "cases": cases,
        "reference": next(_references(row, "solutions"), None),
        "brokenReference": next(_references(row, "incorrect_solutions"), None),
        "metadata": {key: row[key] for key in ("source", "difficulty", "cf_rating") if key in row},
    }


def _streams(row: Row, key: str) -> Iterator[tuple[object, object]]:
    held = parsed(row.get(key) or {}, key)
    return zip(held.get("input", ()), held.get("output", ()), strict=True)


def _references(row: Row, key: str) -> Iterator[str]:
    held = parsed(row.get(key) or {}, key)
    for language, solution in zip(held.get("language", ()), held.get("solution", ()), strict=True):
        if language in (_PYTHON_3, "PYTHON3"):
            yield solution


FORMATS = (
    Format(
        name="code-contests",
        title="CodeContests",
        keys=frozenset(("name", "description", "public_tests", "private_tests")),
        task=_code_contests,
        gives="`cases`, those of `public_tests` public; a solution in Python 3 is the `reference`",
    ),
    Format(
        name="code-contests-fusion",
        title="CodeContests as SandboxFusion carries it",
        keys=frozenset(("id", "content", "test")),
        also=_has_streams,
        task=_fusion,
        gives="hidden `cases`",
    ),
    Format(
        name="apps",
        title="APPS and TACO",
        keys=frozenset(("question", "input_output")),
        task=_apps,
        gives="hidden `cases`, or `calls` (of methods: asserts) if named; the first solution is the `reference`",
    ),
    Format(
        name="apps-selection",
        title="APPS in lists of cases",
        keys=frozenset(("id", "prompt", "test_list")),
        task=_selection,
        gives="`cases`, those of `sample_io` public",
    ),
)
