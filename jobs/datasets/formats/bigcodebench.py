"""BigCodeBench: functions that use libraries, with a `unittest.TestCase` each."""

from typing import Any

from .rows import Format, Row, parsed, requires_of, rest_of, text_of, to_complete


def _made(row: Row, task_id: object, start: str) -> dict[str, Any]:
    reference, tests = start + text_of(row, "canonical_solution"), text_of(row, "test")
    return {
        "id": task_id,
        "prompt": to_complete("python", start),
        "tests": tests,
        "reference": reference,
        "requires": requires_of(reference, tests),
        "metadata": rest_of(row, "id", "task_id", "canonical_solution", "test", "content"),
    }


def _task(row: Row) -> dict[str, Any]:
    return _made(row, row["task_id"], text_of(row, "complete_prompt"))


def _task_of_fusion(row: Row) -> dict[str, Any]:
    return _made(row, row["id"], text_of(row, "content"))


def _has_entry_point(row: Row) -> bool:
    labels = parsed(row.get("labels"), "labels")
    return isinstance(labels, dict) and "entry_point" in labels


FORMATS = (
    Format(
        name="bigcodebench",
        title="BigCodeBench",
        keys=frozenset(("task_id", "complete_prompt", "canonical_solution", "test")),
        task=_task,
        gives="hidden `tests`, and what they and the reference import as `requires`",
    ),
    Format(
        name="bigcodebench-fusion",
        title="BigCodeBench as SandboxFusion carries it",
        keys=frozenset(("id", "content", "labels", "canonical_solution", "test")),
        also=_has_entry_point,
        task=_task_of_fusion,
        gives="the same",
    ),
)
