"""Evaluations that are repeated or resumed: what was answered is not asked again."""

import pytest

from tests.standin.running import Standin
from tests.standin.script import Rule
from tests.standin.steps import text

from .programs import reply
from .project import Project

pytestmark = pytest.mark.e2e

ROWS = [{"id": name, "prompt": f"Print {name}.", "expect": name, "public": True} for name in "abc"]


@pytest.fixture
def rows(gemini: Project, standin: Standin) -> Project:
    """A folder with three tasks, each of which is solved at the second attempt."""
    gemini.write_rows("rows.jsonl", ROWS)
    standin.script(
        *(
            Rule(
                first=f"Print {name}.",
                steps=(text(reply(f"print({name!r} + 1)")), text(reply(f"print({name!r})"))),
                repeats=True,
            )
            for name in "abc"
        )
    )
    return gemini


def test_an_evaluation_that_is_repeated_asks_nothing_again(rows: Project, standin: Standin) -> None:
    """Changing a checker, a limit or a report would otherwise cost a whole run each time."""
    assert rows.run("eval", "rows.jsonl", "--run", "one").code == 0
    assert len(standin.requests) == 6
    assert rows.run("eval", "rows.jsonl", "--run", "two").code == 0
    assert len(standin.requests) == 6
    by_run = {
        run: [
            [attempt.reply.cached for attempt in record.attempts]
            for record in rows.records()
            if record.job.run_id == run
        ]
        for run in ("one", "two")
    }
    assert by_run == {"one": [[False, False]] * 3, "two": [[True, True]] * 3}
    job_id = next(record.job_id for record in rows.records() if record.job.run_id == "two")
    assert "came out of the cache" in rows.run("job", "show", job_id).out


def test_whoever_wants_fresh_answers_says_so(rows: Project, standin: Standin) -> None:
    """A measurement of the model's spread needs answers of its own, and so may a whole project."""
    assert rows.run("eval", "rows.jsonl", "--run", "one").code == 0
    asked = len(standin.requests)
    assert rows.run("eval", "rows.jsonl", "--run", "two", "--no-cache").code == 0
    assert len(standin.requests) > asked
    asked = len(standin.requests)
    ended = rows.run("eval", "rows.jsonl", "--run", "three", PROMPTMILL_MODEL__CACHE="never")
    assert ended.code == 0
    assert len(standin.requests) > asked


def test_a_submitted_prompt_is_asked_again_unless_the_project_says_otherwise(
    rows: Project, standin: Standin
) -> None:
    """Who types a prompt twice wants to see what else the model says."""
    standin.says(reply("print(1)"))
    for _ in range(2):
        rows.submit("Print 1.")
    assert rows.run("worker", "--burst").code == 0
    assert len(standin.requests) == 2
    rows.environment["PROMPTMILL_MODEL__CACHE"] = "always"
    for _ in range(2):
        rows.submit("Print 1.")
        assert rows.run("worker", "--burst").code == 0
    assert len(standin.requests) == 3


def test_a_run_goes_on_without_paying_again_whether_or_not_it_asks_the_cache(
    rows: Project, standin: Standin
) -> None:
    """Where a reply came from is no condition of a run: refusing to go on would cost what the cache saves."""
    assert rows.run("eval", "rows.jsonl", "--run", "one").code == 0
    assert rows.run("eval", "rows.jsonl", "--run", "one", "--no-cache").code == 0
    assert len(standin.requests) == 6


def test_what_comes_out_of_the_cache_costs_nothing_and_uses_no_budget(
    rows: Project, standin: Standin
) -> None:
    """A budget that is charged for what nobody paid would end a run that was about to be free."""
    assert rows.run("eval", "rows.jsonl", "--run", "one").code == 0
    assert rows.run("eval", "rows.jsonl", "--run", "two", "--max-requests", "1").code == 0
    assert len(standin.requests) == 6
    costs = {record.cost_usd for record in rows.records() if record.job.run_id == "two"}
    assert costs == {0.0}
