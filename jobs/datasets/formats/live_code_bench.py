"""LiveCodeBench: contest problems by date. Its private cases are a pickled text, which is read without being run."""

import base64
import json
import pickletools
import zlib
from typing import Any

from .rows import ForeignRowError, Format, Row, parsed, rest_of, tests_of_method, text_of

# All that a pickle of one text needs; none of them calls anything.
_HARMLESS = frozenset(
    (
        *("PROTO", "FRAME", "MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT", "STOP"),
        *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE"),
    )
)
_MOST_BYTES = 256 << 20


def _private(row: Row) -> list[Any]:
    held = row.get("private_test_cases") or "[]"
    try:
        return list(parsed(held, "private_test_cases"))
    except ForeignRowError:
        pass
    try:
        unpacker = zlib.decompressobj()
        packed = unpacker.decompress(base64.b64decode(str(held), validate=True), _MOST_BYTES)
        return list(json.loads(_text_in_pickle(packed)))
    except (ValueError, zlib.error):
        raise ForeignRowError('"private_test_cases" are neither JSON nor one packed text') from None


def _text_in_pickle(packed: bytes) -> str:
    """The text that was pickled, by reading the pickle and not by doing what it says."""
    texts = []
    for operation, argument, _ in pickletools.genops(packed):
        if operation.name not in _HARMLESS:
            raise ValueError(operation.name)
        if isinstance(argument, str):
            texts.append(argument)
    (text,) = texts
    return text


def _task(row: Row) -> dict[str, Any]:
    public = list(parsed(row["public_test_cases"] or "[]", "public_test_cases"))
    every = [(True, one) for one in public] + [(False, one) for one in _private(row)]
    if not every:
        raise ForeignRowError("it has no cases")
    start = text_of(row, "starter_code")
    asked = (
        f"{text_of(row, 'question_content')}\n\nBegin with:\n\n```python\n{start}\n```"
        if start
        else ""
    )
    task = {
        "id": str(row["question_id"]),
        "prompt": asked or text_of(row, "question_content"),
        "released": str(row["contest_date"])[:10] if row.get("contest_date") else None,
        "tags": [row["difficulty"]] if row.get("difficulty") else [],
        "metadata": rest_of(
            row, "question_id", "question_content", "public_test_cases", "private_test_cases"
        ),
    }
    if any(one.get("testtype") == "functional" for _, one in every):
        metadata = parsed(row.get("metadata") or "{}", "metadata")
        name = metadata.get("func_name") if isinstance(metadata, dict) else None
        if not name:
            raise ForeignRowError('it names no function to be called ("func_name" in "metadata")')
        checks = [_calls(name, every, is_public) for is_public in (True, False)]
        return {**task, "checks": [check for check in checks if check]}
    cases = [
        {"stdin": one["input"], "expect": one["output"], "public": is_public}
        for is_public, one in every
    ]
    return {**task, "cases": cases}


def _calls(name: str, every: list[tuple[bool, Any]], is_public: bool) -> dict[str, Any]:
    """Asserts about a method of the class that its starting code begins."""
    calls = (
        ([json.loads(part) for part in one["input"].splitlines()], json.loads(one["output"]))
        for public, one in every
        if public is is_public
    )
    tests = tests_of_method(name, calls)
    return {"tests": tests, "public": is_public} if tests else {}


FORMATS = (
    Format(
        name="live-code-bench",
        title="LiveCodeBench",
        keys=frozenset(("question_id", "question_content", "public_test_cases")),
        task=_task,
        gives="`cases`, or asserts about a method of `Solution`, those of `public_test_cases` public; `released`",
    ),
)
