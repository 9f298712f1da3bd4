"""Recorded answers to tasks of contests are judged as others judged them, case by case."""

import gzip
import json
from typing import Any

import pytest

from jobs.checkers import Case, MatchesOutput
from jobs.comparisons import Compare
from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import ExecutableCode, PromptJob
from jobs.verdicts import Verdict
from tests.requiring import material
from worker.sandbox import Sandbox
from worker.solver.checking import check
from worker.solver.extraction import extract
from worker.solver.fairness import FairRunner
from worker.solver.machine import Machine
from worker.solver.turns import Turns

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LIMITS = Limits(cpu_seconds=10, wall_seconds=20, memory_mib=512, output_kib=1024)
_ANSWERS = "apps_stdin_single_turn"


def _rows(name: str) -> list[dict[str, Any]]:
    with gzip.open(material(f"data/{name}"), "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _text(given: str | list[str]) -> str:
    return given if isinstance(given, str) else "\n".join(given)


def _status(verdict: Verdict) -> str:
    return "passed" if verdict is Verdict.ACCEPTED else verdict.value


def _job(row: dict[str, Any], compare: Compare) -> PromptJob:
    cases = tuple(
        Case(stdin=_text(test["input"]), expect=_text(test["output"])) for test in row["test_list"]
    )
    checker = MatchesOutput(cases=cases, compare=compare, run_all=compare is Compare.TOKENS)
    return PromptJob(prompt=row["prompt"], checker=checker)


@pytest.mark.parametrize(
    "compare", [Compare.EXACT, Compare.LINES, Compare.TOKENS, Compare.FLOAT], ids=str
)
@pytest.mark.parametrize("model", ["gpt-4-turbo", "gpt-3.5-turbo"])
async def test_the_answers_of_apps_fare_as_recorded(
    sandbox: Sandbox, model: str, compare: Compare
) -> None:
    """How outputs are compared moves the score, so a way to compare has to be the one that goes by its name."""

    tasks = {row["id"]: row for row in _rows("datasets/apps_stdin.jsonl.gz")}
    found, n_solved = {}, 0
    for answer in _rows("traces/apps_stdin_single_turn.jsonl.gz"):
        if answer["model"] == model:
            code = extract(answer["response"], Language.PYTHON).code or ""
            job = _job(tasks[answer["task_id"]], compare)
            program = ExecutableCode(language=Language.PYTHON, code=code)
            judgement = (
                await check(job, program, LIMITS, FairRunner(sandbox, Turns(1), Machine()))
            ).judgement
            found[answer["task_id"]] = [_status(case.verdict) for case in judgement.cases]
            n_solved += judgement.verdict is Verdict.ACCEPTED
    recorded = json.loads(material("data/expected.json").read_text())["traces"]
    assert n_solved == recorded[f"{_ANSWERS}.jsonl.gz"][model]["solved_by_mode"][compare.value]
    if compare is Compare.TOKENS:
        known = [row for row in _rows("expected_rows.jsonl.gz") if row["file"] == _ANSWERS]
        assert found == {row["task_id"]: row["statuses"] for row in known if row["model"] == model}


@pytest.mark.parametrize("number", range(20))
def test_the_rows_of_codecontests_are_checks(number: int) -> None:
    """Hundreds of cases a row are what the bounds have to leave room for."""
    row = _rows("datasets/code_contests_sample20.jsonl.gz")[number]
    cases = tuple(
        Case(stdin=test["input"]["stdin"], expect=test["output"]["stdout"])
        for test in json.loads(row["test"])
    )
    assert len(MatchesOutput(cases=cases).cases) >= 35
