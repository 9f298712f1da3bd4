"""MBPP, whole and sanitized, and MBPP+: a sentence that asks for a function, and asserts."""

from typing import Any

from .rows import Format, Row, lines, requires_of, rest_of, text_of, texts_of

# Some references of MBPP+ reckon for half a minute.
_PLUS_LIMITS = {"cpuSeconds": 60, "wallSeconds": 180, "memoryMib": 1024}


def _prompt(text: str, tests: list[str]) -> str:
    # The text rarely names the function.
    shown = (
        f"\n\nIt has to pass this test, among others:\n\n```python\n{tests[0]}\n```"
        if tests
        else ""
    )
    return f"{text.strip()}{shown}"


def _task(row: Row) -> dict[str, Any]:
    tests = texts_of(row, "test_list")
    code = text_of(row, "code")
    every = lines((text_of(row, "test_setup_code"), *texts_of(row, "test_imports"), *tests))
    plus = text_of(row, "test")
    return {
        "id": f"MBPP/{row['task_id']}",
        "prompt": _prompt(text_of(row, "prompt") or text_of(row, "text"), tests),
        "tests": plus or every,
        "reference": code,
        "requires": requires_of(code, plus or every),
        "limits": _PLUS_LIMITS if plus else {},
        "metadata": rest_of(row, "task_id", "prompt", "text", "code", "test_list", "test"),
    }


FORMATS = (
    Format(
        name="mbpp-plus",
        title="MBPP+",
        keys=frozenset(("task_id", "prompt", "code", "test_list", "test")),
        task=_task,
        gives="hidden `tests` with what they require, and 60 s of CPU time; the prompt shows the first assert of MBPP",
    ),
    Format(
        name="mbpp-sanitized",
        title="MBPP, sanitized",
        keys=frozenset(("task_id", "prompt", "code", "test_list", "test_imports")),
        task=_task,
        gives="hidden `tests`; the prompt shows the first of them, since no text names the function",
    ),
    Format(
        name="mbpp",
        title="MBPP",
        keys=frozenset(("task_id", "text", "code", "test_list")),
        task=_task,
        gives="hidden `tests`; the prompt shows the first of them, since no text names the function",
    ),
)
