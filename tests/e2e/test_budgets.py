"""What a run may use, as somebody sets it who pays for it: reached, it stands still, and goes on when it is raised."""

import pytest

from tests.standin import steps
from tests.standin.running import GOOD_KEY, Standin

from .project import Ended, Project
from .told import told_as_json_by, told_by

# Each of a test's commands takes seconds on a busy machine.
pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(240)]

_ROWS = [{"id": f"t{number}", "prompt": f"Print {number}."} for number in range(4)]
_GOOD = steps.text("```python\nprint(1)\n```")


@pytest.fixture
def mill(project: Project, standin: Standin) -> Project:
    """A project that asks the stand-in, one call at a time."""
    project.write_rows("rows.jsonl", _ROWS)
    standin.says(_GOOD)
    project.environment |= {
        "PROMPTMILL_MODEL__API_KEY": GOOD_KEY,
        "PROMPTMILL_MODEL__BASE_URL": standin.url,
        "PROMPTMILL_WORKER__CALLS_IN_FLIGHT": "1",
    }
    return project


def _n_asked(standin: Standin) -> int:
    return len(standin.requests)


def _evaluated(project: Project, *words: str) -> Ended:
    return project.run("eval", "rows.jsonl", "--run", "r1", *words)


def test_a_run_that_has_used_its_requests_stands_still_and_goes_on_with_more(
    mill: Project, standin: Standin
) -> None:
    """A budget that only warned would be noticed on the bill; one that lost the work would be paid for twice."""
    stopped = _evaluated(mill, "--max-requests", "2")
    assert stopped.code == 6
    assert "2 of --max-requests 2 are used" in stopped.err
    assert "promptmill run resume r1 --max-requests MORE" in stopped.err
    assert "go on with" not in stopped.err, "the same words would stop again"
    assert "2 records" in stopped.out
    assert _n_asked(standin) == 2

    shown = mill.run("run", "show", "r1")
    assert "paused: 2 of --max-requests 2 are used" in shown.out
    assert "used       2 of 2 requests" in shown.out
    assert "2 open, 2 of them set aside, 2 recorded" in shown.out

    refused = mill.run("run", "resume", "r1")
    assert refused.code == 2
    assert "give it more" in refused.err
    assert mill.run("run", "resume", "r1", "--max-requests", "4", "--json").json()["resumed"] == 2
    ended = _evaluated(mill)
    assert ended.code == 0, ended.err
    assert "4 records" in ended.out
    assert _n_asked(standin) == 4
    assert "by list prices" in ended.out
    assert all(record.cost_usd for record in mill.records())


@pytest.mark.parametrize(
    ("words", "reason", "more"),
    [
        (
            ("--max-tokens-total", "30"),
            "of --max-tokens-total 30 are used",
            ("--max-tokens-total", "9999"),
        ),
        (("--max-usd", "0.00002"), "of --max-usd 2e-05 are used", ("--max-usd", "5")),
    ],
    ids=["tokens", "dollars"],
)
def test_the_command_itself_goes_on_where_it_is_typed_with_more(
    mill: Project, standin: Standin, words: tuple[str, str], reason: str, more: tuple[str, str]
) -> None:
    """It is the line in the shell's history; what is used stays used, and what is recorded is not paid for again."""
    stopped = _evaluated(mill, *words)
    assert stopped.code == 6, stopped.said
    assert reason in stopped.err
    again = _evaluated(mill, *words)
    assert again.code == 6
    n_asked = _n_asked(standin)
    assert 0 < n_asked < 4
    ended = _evaluated(mill, *more)
    assert ended.code == 0, ended.err
    assert _n_asked(standin) == 4


def test_a_run_of_a_model_without_a_price_is_not_begun_under_a_budget_of_money(
    mill: Project, standin: Standin
) -> None:
    """What costs nobody knows how much cannot be held to a sum, and 0 would hold it to none."""
    stopped = _evaluated(mill, "--max-usd", "5", "--model", "gemini-0-nobody")
    assert stopped.code == 6, stopped.said
    assert "the price of gemini-0-nobody is unknown" in stopped.err
    assert standin.requests == ()
    refused = mill.run("run", "resume", "r1", "--max-usd", "50")
    assert refused.code == 2
    assert "run resume r1 --lift-max-usd" in refused.err
    assert mill.run("run", "resume", "r1", "--lift-max-usd", "--json").json()["resumed"] == 4
    assert mill.run("run", "show", "r1", "--json").json()["budget"]["usd"] is None


def test_a_budget_is_told_as_json(mill: Project) -> None:
    """A script reads numbers, and the kind of an error, and nobody's prose."""
    error = told_as_json_by(_evaluated(mill, "--max-requests", "1", "--json"))
    assert (error.kind, error.code) == ("budget-reached", 6)
    shown = mill.run("run", "show", "r1", "--json").json()
    assert shown["budget"]["requests"] == 1
    assert shown["spent"]["requests"] == 1
    assert shown["cause"] == "budget-reached"


def test_a_file_that_is_submitted_may_have_a_budget(mill: Project) -> None:
    """Whoever leaves a run to the workers is not there to stop it."""
    words = ("--run", "r1", "--max-usd", "1.5", "--max-duration", "2h")
    assert mill.run("submit", "--jsonl", "rows.jsonl", *words).code == 0
    shown = mill.run("run", "show", "r1", "--json").json()
    assert shown["budget"] == {"requests": None, "tokens": None, "usd": 1.5, "seconds": 7200.0}
    wrong = told_by(mill.run("run", "resume", "r1", "--max-duration", "soon"))
    assert "90s, 10m, 2h or 1d" in wrong.body


def test_one_prompt_has_no_budget(mill: Project) -> None:
    """It belongs to no run, so the flag would be typed in vain."""
    told = told_by(mill.run("submit", "Print 1.", "--max-usd", "1"))
    assert "--jsonl" in told.body
