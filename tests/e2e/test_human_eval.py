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


def _reference(row: dict[str, Any]) -> str:
    return f"{row['prompt']}{row['canonical_solution']}"


_ANYTHING = """
class Anything(float):
    def __eq__(self, other): return True
    __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __eq__
    __hash__ = None
    def __getattr__(self, name): return self
"""
_MONKEYPATCH = """
import builtins, sys
class Silent(Exception):
    def __new__(cls, *words): sys.exit(0)
builtins.AssertionError = Silent
builtins.all = builtins.any = builtins.isinstance = lambda *_: True
def check(candidate): pass
"""
_TRICKS = {
    "leaves in the function": "{prompt}    import sys; sys.exit(0)\n",
    "leaves at the top": "import sys; sys.exit(0)\n",
    "leaves without cleaning up": "import os; os._exit(0)\n",
    "returns what equals everything": f"{_ANYTHING}\n{{prompt}}    return Anything()\n",
    "takes the assertions away": f"{_MONKEYPATCH}\n{{prompt}}    return None\n",
}
"""Each of them has passed for right where exit code 0, or `==`, was believed."""


def _trick(row: dict[str, Any]) -> str:
    """One of them for each row, in turn."""
    number = int(row["task_id"].partition("/")[2])
    return list(_TRICKS.values())[number % len(_TRICKS)].replace("{prompt}", row["prompt"])


def _report(
    project: Project, rows: list[dict[str, Any]], program_of: Callable[[dict[str, Any]], str]
) -> dict[str, Any]:
    said = {row["task_id"]: [reply(program_of(row))] for row in rows}
    project.write_rows("said.jsonl", recordings(said))
    dataset = str(material("data/datasets/HumanEval.jsonl.gz"))
    words = ("eval", dataset, "--model", "replay:said.jsonl", "--max-attempts", "1", "--json")
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


def test_no_trick_is_ever_accepted(project: Project, rows: list[dict[str, Any]]) -> None:
    """Exit code 0 proves nothing, nor does an object's own word: evaluators that took it have been fooled."""
    report = _report(project, rows, _trick)
    assert _solved(report) == (0, N_TASKS)
    assert len(report["notSolved"]) == N_TASKS
