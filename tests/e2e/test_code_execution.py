"""`--code-execution`: Gemini runs the programs, and the commands say so."""

import pytest

from tests.standin import steps
from tests.standin.running import Standin

from .project import Project
from .told import told_by

pytestmark = pytest.mark.e2e


def test_an_evaluation_by_geminis_own_runs_says_who_ran_them(
    gemini: Project, standin: Standin
) -> None:
    """Its numbers are Gemini's word, and a reader must not take them for ours."""
    standin.says(
        steps.parts(
            {"executableCode": {"language": "PYTHON", "code": "print(42)\n"}},
            {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "42\n"}},
        )
    )
    gemini.write_rows("one.jsonl", [{"id": "one", "prompt": "Print the answer.", "expect": "42"}])
    ended = gemini.run("eval", "one.jsonl", "--code-execution")
    assert ended.code == 0
    assert "layers" not in ended.out, "of a sandbox that nothing ran in"
    [record] = gemini.records()
    assert (record.solved_at, record.attempts[0].executed_by) == (1, "gemini")
    assert record.isolation is None
    shown = gemini.run("job", "show", record.job_id).out
    assert "run by Gemini, and not here" in shown
    assert "sandbox    nothing ran here" in shown


def test_tests_and_recordings_do_not_go_with_it(gemini: Project, project: Project) -> None:
    """Refused before anything is queued, with the row that stands in the way."""
    project.write_rows(
        "rows.jsonl",
        [{"id": "a", "prompt": "Print 1."}, {"id": "b", "prompt": "Add.", "tests": "assert f()"}],
    )
    told = told_by(project.run("eval", "rows.jsonl", "--code-execution"))
    assert (told.code, told.note) == (2, "nothing was queued")
    assert "'b': its tests have to run with the program" in told.message
    words = ("submit", "Print 1.", "--code-execution", "--model", "replay")
    told = told_by(project.run(*words))
    assert told.code == 2
    assert "replay is no model of Gemini's" in told.message
    assert gemini.queued() == 0
