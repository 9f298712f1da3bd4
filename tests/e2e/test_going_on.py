"""Commands that are typed again: what is queued or recorded already is kept, and never mixed with something else."""

import pytest

from tests.standin.running import Standin

from .programs import reply
from .project import Project
from .told import Told, told_by

pytestmark = pytest.mark.e2e

RUN = ("--run", "mine")
ROWS = [{"id": "a", "prompt": "Print 1."}, {"id": "b", "prompt": "Print 2."}]
ROWS_AFTER_A_CHANGE = [ROWS[0], {"id": "b", "prompt": "Print 2, and a line end."}]


def _assert_refused(told: Told, *words: str) -> None:
    assert (told.kind, told.code, told.note) == ("run-differs", 2, "nothing was queued")
    assert "'mine'" in told.message
    assert [word for word in words if word not in told.body] == [], told.body


@pytest.fixture
def rows(gemini: Project, standin: Standin) -> Project:
    """A folder with a dataset of two rows."""
    standin.says(reply("print(1)"))
    gemini.write_rows("rows.jsonl", ROWS)
    return gemini


@pytest.mark.parametrize("command", [("eval",), ("submit", "--jsonl")], ids=lambda words: words[0])
def test_queued_jobs_are_not_mixed_with_those_of_other_conditions(
    rows: Project, command: tuple[str, ...]
) -> None:
    """Those that are queued would win in silence, and the report would be of two runs."""
    assert rows.run("submit", "--jsonl", "rows.jsonl", *RUN, "--max-attempts", "1").code == 0
    ended = rows.run(*command, "rows.jsonl", *RUN, "--max-attempts", "3")
    _assert_refused(told_by(ended), "max_attempts", "task")
    assert (rows.queued(), rows.records()) == (2, [])


@pytest.mark.parametrize("is_worked_off", [False, True], ids=["queued", "recorded"])
def test_a_row_that_was_changed_is_not_taken_for_the_one_before(
    rows: Project, is_worked_off: bool
) -> None:
    """Nobody who edits a file expects the old text to be asked because the name of its run is known."""
    assert rows.run("submit", "--jsonl", "rows.jsonl", *RUN).code == 0
    if is_worked_off:
        assert rows.run("worker", "--burst").code == 0
    rows.write_rows("rows.jsonl", ROWS_AFTER_A_CHANGE)
    before = rows.queued()
    _assert_refused(told_by(rows.run("submit", "--jsonl", "rows.jsonl", *RUN)), "prompt", "b")
    assert rows.queued() == before


def test_rows_that_were_added_to_a_file_are_queued_beside_the_others(rows: Project) -> None:
    """A run may grow; only what it has may not change."""
    for n_rows in (1, 2, 2):
        rows.write_rows("rows.jsonl", ROWS[:n_rows])
        assert rows.run("submit", "--jsonl", "rows.jsonl", *RUN).code == 0
        assert rows.queued() == n_rows
