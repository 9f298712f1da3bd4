"""HumanEval: the start of a function, and a `check(candidate)` for it. HumanEval+ in the same form."""

from typing import Any

from .rows import Format, Row, before_function, requires_of, rest_of, text_of, to_complete


def tests_of(row: Row) -> str:
    """The tests, and the call that runs them where nothing of them does."""
    test, name = text_of(row, "test"), text_of(row, "entry_point")
    call = f"check({name})"
    return test if call in test.split("\n") else f"{test.rstrip()}\n\n{call}\n"


def _task(row: Row) -> dict[str, Any]:
    prompt, name = text_of(row, "prompt"), text_of(row, "entry_point")
    reference, tests = prompt + text_of(row, "canonical_solution"), tests_of(row)
    return {
        "id": row["task_id"],
        "prompt": to_complete("python", prompt),
        "preamble": before_function(prompt, name),
        "tests": tests,
        "reference": reference,
        "requires": requires_of(reference, tests),
        "metadata": rest_of(row, "task_id", "prompt", "canonical_solution", "test"),
    }


FORMATS = (
    Format(
        name="human-eval",
        title="HumanEval, and HumanEval+ in its form",
        keys=frozenset(("task_id", "prompt", "entry_point", "canonical_solution", "test")),
        task=_task,
        gives="hidden `tests` that end in `check(ENTRY_POINT)`; what stands before the function is the `preamble`",
    ),
)
