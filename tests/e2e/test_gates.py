"""What a run has to reach, and what a script that gates on it may rely on."""

import pytest

from .programs import recordings, reply
from .project import Project
from .surroundings import without_reader

pytestmark = pytest.mark.e2e

FAILED_BECAUSE_OF_US = "failed because of us; queue them again:  promptmill run retry run_"


@pytest.fixture
def recorded(project: Project) -> Project:
    """A folder with a right answer, a wrong one, and a task whose answer nobody recorded."""
    rows = {
        name: {"id": name, "prompt": name, "expect": "1"} for name in ("right", "wrong", "none")
    }
    project.write_rows("right.jsonl", [rows["right"]])
    project.write_rows("wrong.jsonl", [rows["wrong"]])
    project.write_rows("none.jsonl", [rows["none"]])
    project.write_rows("right and none.jsonl", [rows["right"], rows["none"]])
    project.write_rows("wrong and none.jsonl", [rows["wrong"], rows["none"]])
    said = {"right": [reply("print(1)")], "wrong": [reply("print(2)")]}
    project.write_rows("said.jsonl", recordings(said))
    project.environment["PROMPTMILL_MODEL__NAME"] = "replay:said.jsonl"
    project.environment["PROMPTMILL_ATTEMPTS__MAX"] = "1"
    return project


@pytest.mark.parametrize(
    ("dataset", "share", "code"),
    [
        pytest.param("right", "1", 0, id="reached"),
        pytest.param("wrong", "0.5", 1, id="missed"),
        pytest.param("right and none", "0.9", 5, id="reached-by-the-one-that-was-judged"),
        pytest.param("none", "0", 5, id="reached-by-nothing"),
        pytest.param("wrong and none", "0.5", 1, id="missed-by-the-one-that-was-judged"),
    ],
)
def test_a_gate_passes_only_a_run_of_which_every_job_was_judged(
    recorded: Project, dataset: str, share: str, code: int
) -> None:
    """A full disk fails most of a run, and the rate of the few jobs left says nothing about the model."""
    ended = recorded.run("eval", f"{dataset}.jsonl", "--fail-under", share)
    assert ended.code == code, ended.err
    assert ("FAILED" in ended.err) == (code == 1)
    assert (FAILED_BECAUSE_OF_US in ended.err) == ("none" in dataset)


def test_a_gate_fails_for_whoever_does_not_read_the_report(recorded: Project) -> None:
    """The code is all that a script asks for, and a closed pipe must not turn it into a pass."""
    ended = recorded.run_program(
        *without_reader("promptmill", "eval", "wrong.jsonl", "--fail-under", "0.9")
    )
    assert ended.code == 1, ended.err
    assert "FAILED" in ended.err


def test_a_gate_fails_for_whoever_reads_nothing_at_all(recorded: Project) -> None:
    """Standard error goes through the same pipe with `2>&1`."""
    ended = recorded.run_program(
        *without_reader("promptmill", "eval", "wrong.jsonl", "--fail-under", "0.9", streams="1,2")
    )
    assert (ended.code, ended.said) == (1, "")
    assert len(recorded.records()) == 1
