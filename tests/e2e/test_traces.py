"""Recorded answers of real models, replayed from their files as they are: every number is one that others measured."""

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jobs.datasets.readers import read_tasks
from jobs.models import Record
from jobs.verdicts import Verdict
from tests.requiring import material

from .project import Project

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(500)]

N_TASKS = 164
TYPES = "from typing import *\n"


@dataclass(frozen=True)
class Trace:
    """A file of answers, and how the independent run judged them."""

    name: str
    preamble: str | None = ""
    """What the independent run put before each program; None is what stands before the first function of the prompt."""
    cpu_seconds: int = 4
    """The independent run had 8 to 20 s of wall time. Where no right program is slow, endless ones need not have it."""


TRACES = [
    Trace("ldb_humaneval_gpt-3.5-turbo-0613"),
    Trace("ldb_humaneval_codellama-34b"),
    # The third answer to HumanEval/129 is right, and walks through all paths of a grid.
    Trace("reflexion10_humaneval_gpt-3.5-turbo", preamble=None, cpu_seconds=20),
    Trace("gemini-pro_humaneval_direct", preamble=TYPES),
    Trace("gemini-pro_humaneval_cot", preamble=TYPES),
]


@pytest.fixture(params=TRACES, ids=lambda trace: trace.name)
def trace(request: pytest.FixtureRequest) -> Trace:
    """Each of them."""
    found: Trace = request.param
    return found


def _rows(name: str) -> list[dict[str, Any]]:
    with gzip.open(material(f"data/{name}"), "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _write_dataset(project: Project, trace: Trace) -> None:
    """HumanEval as it is read, but for what stands before each program: the independent run left out that two rows have
    functions there as well.
    """
    rows = []
    for task in read_tasks(material("data/datasets/HumanEval.jsonl.gz")):
        imports = task.preamble.partition("def ")[0]
        preamble = imports if trace.preamble is None else trace.preamble
        row = task.model_copy(update={"preamble": preamble})
        rows.append(row.model_dump(mode="json", by_alias=True, exclude_defaults=True))
    project.write_rows("tasks.jsonl", rows)


def _expected(trace: Trace) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(material("data/expected.json").read_text())["traces"]
    expected: dict[str, Any] = found[f"{trace.name}.jsonl.gz"]
    return expected


def _differing(trace: Trace, records: list[Record]) -> dict[str, str]:
    """The tasks of which an attempt fared otherwise than in the independent run: what it was there, and what here."""
    expected = {
        row["task_id"]: row["statuses"]
        for row in _rows("expected_rows.jsonl.gz")
        if row["file"] == f"{trace.name}.jsonl.gz"
    }
    assert len(expected) == len(records) == N_TASKS
    found: dict[str, str] = {}
    for record in records:
        statuses = expected[record.job.task_id or ""]
        passed = [attempt.verdict is Verdict.ACCEPTED for attempt in record.attempts]
        if passed != [status == "passed" for status in statuses]:
            verdicts = [attempt.verdict.value for attempt in record.attempts]
            found[record.job.task_id or ""] = f"{statuses} there, {verdicts} here"
    return found


def test_a_replay_comes_to_what_was_measured_elsewhere(project: Project, trace: Trace) -> None:
    """Real answers, fences and prose and bugs and all: whoever gets another number has another extraction or judge."""
    expected = _expected(trace)
    answers: Path = material(f"data/traces/{trace.name}.jsonl.gz")
    words = ("--model", f"replay:{answers}", "--as-recorded", "--run", "replayed", "--json")
    environment = {
        "PROMPTMILL_SANDBOX__SLOTS": "4",
        "PROMPTMILL_LIMITS__CPU_SECONDS": f"{trace.cpu_seconds}",
        "PROMPTMILL_LIMITS__WALL_SECONDS": f"{10 * trace.cpu_seconds}",
    }
    _write_dataset(project, trace)
    ended = project.start("eval", "tasks.jsonl", *words, **environment).ended(within_seconds=400)
    assert ended.code == 0, ended.err
    report = ended.json()

    # Not one row of them differs, so there is none to explain.
    assert _differing(trace, project.records()) == {}
    rounds = report["rounds"]
    assert sum(each["nAttempts"] for each in rounds) == expected["attempts"]
    assert [each["solved"] for each in rounds] == expected["last_by_round"]
    assert [each["solvedOnce"] for each in rounds] == expected["any_by_round"]
    assert report["solvedWithin"][-1]["successes"] == expected["passed_last"]
    lost = sum(
        record.verdict is not Verdict.ACCEPTED
        and any(attempt.verdict is Verdict.ACCEPTED for attempt in record.attempts)
        for record in project.records()
    )
    assert lost == expected["passed_then_lost"]
    both, measured = report["firstAgainstLast"], expected["mcnemar_attempt0_vs_last"]
    assert (both["lost"], both["gained"]) == (measured["b_only_first"], measured["c_only_last"])
    assert both["p"] == pytest.approx(measured["p_exact"])
    low, high = (report["solvedWithin"][-1][end] for end in ("low", "high"))
    assert (low, high) == pytest.approx(expected["wilson95_last"], abs=1e-5)
    assert report["simulated"] is True
