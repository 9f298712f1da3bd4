"""A known benchmark with its own reference solutions: all of them pass, and none of the ways around the tests does."""

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.requiring import material

from .programs import recordings, reply
from .project import Project

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

N_TASKS = 164


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    """The benchmark's own rows."""
    with gzip.open(material("data/datasets/HumanEval.jsonl.gz"), "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _task(row: dict[str, Any]) -> dict[str, object]:
    return {
        "id": row["task_id"],
        "prompt": row["prompt"],
        "tests": f"{row['test']}\ncheck({row['entry_point']})\n",
    }


def _reference(row: dict[str, Any]) -> str:
    return f"{row['prompt']}{row['canonical_solution']}"


def _body_that_leaves(row: dict[str, Any]) -> str:
    return f"{row['prompt']}    import sys; sys.exit(0)\n"


def _program_that_leaves(_: dict[str, Any]) -> str:
    return "import sys; sys.exit(0)\n"


def _program_that_leaves_at_once(_: dict[str, Any]) -> str:
    return "import os; os._exit(0)\n"


def _report(
    project: Project, rows: list[dict[str, Any]], program_of: Callable[[dict[str, Any]], str]
) -> dict[str, Any]:
    project.write_rows("tasks.jsonl", [_task(row) for row in rows])
    said = {row["task_id"]: [reply(program_of(row))] for row in rows}
    project.write_rows("said.jsonl", recordings(said))
    words = ("eval", "tasks.jsonl", "--model", "replay:said.jsonl", "--max-attempts", "1", "--json")
    ended = project.start(*words).ended(within_seconds=280)
    assert ended.code == 0, ended.err
    report: dict[str, Any] = ended.json()
    return report


def _solved(report: dict[str, Any]) -> tuple[int, int]:
    [rate] = report["solvedWithin"]
    return rate["successes"], rate["n"]


def test_every_reference_solution_is_accepted(project: Project, rows: list[dict[str, Any]]) -> None:
    """A judge that refuses a right program makes every number it reports too small."""
    report = _report(project, rows, _reference)
    assert _solved(report) == (N_TASKS, N_TASKS)
    assert report["verdicts"] == {"accepted": N_TASKS}
    assert report["simulated"] is True


@pytest.mark.parametrize(
    "program_of",
    [
        pytest.param(_body_that_leaves, id="in-the-function"),
        pytest.param(_program_that_leaves, id="at-the-top"),
        pytest.param(_program_that_leaves_at_once, id="without-cleaning-up"),
    ],
)
def test_a_program_that_leaves_before_its_tests_is_never_accepted(
    project: Project, rows: list[dict[str, Any]], program_of: Callable[[dict[str, Any]], str]
) -> None:
    """Exit code 0 proves nothing: evaluators that took its word have been fooled by exactly this."""
    report = _report(project, rows, program_of)
    assert _solved(report) == (0, N_TASKS)
    assert len(report["neverSolved"]) == N_TASKS
