"""A dataset that is looked at before it is paid for, and a run that leaves out what was found."""

import pytest

from .programs import recordings, reply
from .project import Project
from .told import told_by

pytestmark = pytest.mark.e2e

ROWS = [
    {
        "id": "good",
        "prompt": "Write add(a, b).",
        "tests": "assert add(1, 2) == 3",
        "reference": "def add(a, b):\n    return a + b\n",
        "brokenReference": "def add(a, b):\n    return a - b\n",
    },
    {
        "id": "broken",
        "prompt": "Write add(a, b).",
        "tests": "assert add(1, 2) == 4",
        "reference": "def add(a, b):\n    return a + b\n",
    },
    {"id": "useless", "prompt": "Write f().", "tests": "def check(f): assert f()"},
    {"id": "good", "prompt": "Write add(a, b) again.", "tests": "assert add(1, 2) == 3"},
]


def test_rows_that_were_found_are_left_out_of_the_score_by_name(project: Project) -> None:
    """A score that silently leaves rows out is as doubtful as one that silently counts them."""
    project.write_rows("tasks.jsonl", ROWS)
    looked = project.start(
        "dataset", "check", "tasks.jsonl", "--output", "found.json", "--repeats", "2", "--json"
    ).ended(within_seconds=60)
    assert looked.code == 1, looked.err
    found = looked.json()["found"]
    faults = [(each["id"], each["fault"]) for each in found]
    assert faults == [("good", "duplicate"), ("useless", "broken"), ("broken", "broken")]
    assert '"tests" cannot be used: they hold no case' in found[1]["why"]
    right = reply("def add(a, b):\n    return a + b\n")
    project.write_rows("said.jsonl", recordings({row["id"]: [right] for row in ROWS}))
    words = ("--exclude", "found.json", "--model", "replay:said.jsonl", "--max-attempts", "1")
    ended = project.start("eval", "tasks.jsonl", *words, "--json").ended(within_seconds=60)
    assert ended.code == 0, ended.err
    report = ended.json()
    assert (report["nJobs"], report["nScored"]) == (3, 1)
    assert report["solvedWithin"][-1]["successes"] == 1
    assert report["excluded"]["reasons"] == {"broken": 2}
    assert report["excluded"]["solvedWithThem"]["n"] == 2


def test_the_command_that_leaves_rows_out_can_be_typed_as_it_is_shown(project: Project) -> None:
    """A name with a space in it would be two files, and without its format the file would be read as another."""
    project.write_rows("my tasks.jsonl", ROWS[1:2])
    words = ("my tasks.jsonl", "--format", "promptmill", "--output", "my list.json")
    looked = project.start("dataset", "check", *words, "--repeats", "1").ended(within_seconds=60)
    assert (
        "promptmill eval 'my tasks.jsonl' --format promptmill --exclude 'my list.json'"
        in looked.err
    )


def test_rows_whose_packages_are_not_there_are_refused_before_anything_is_queued(
    project: Project,
) -> None:
    """Each answer would be a failed import, counted against the model that wrote it."""
    rows = [
        {"id": "a", "prompt": "x", "requires": ["nonesuch.inner", "json"], "expect": "1"},
        {"id": "b", "prompt": "x", "requires": ["nonesuch"], "expect": "1"},
        {"id": "c", "prompt": "x", "requires": ["json"], "expect": "1"},
    ]
    project.write_rows("rows.jsonl", rows)
    project.write_rows("said.jsonl", recordings({name: [reply("print(1)")] for name in "abc"}))
    command = ("eval", "rows.jsonl", "--model", "replay:said.jsonl", "--run", "r")
    told = told_by(project.run(*command))
    assert (told.code, told.kind, told.note) == (2, "sandbox-packages", "nothing was queued")
    assert told.message == "programs here cannot import nonesuch, nonesuch.inner"
    assert "nonesuch by 1 job, nonesuch.inner by 1 job, of 3" in told.body
    assert "sandbox.python.environment" in told.body
    assert project.records() == []

    assert project.run("dataset", "check", "rows.jsonl", "--output", "found.json").code == 1
    ended = project.run(*command, "--exclude", "found.json", "--json")
    assert ended.code == 0, ended.err
    assert ended.json()["excluded"]["reasons"] == {"needs-packages": 2}


def test_files_that_do_not_fit_are_refused_before_an_answer_is_paid_for(project: Project) -> None:
    """Each answer to the row would end before it was run, as a failure that looks like ours."""
    row = {"id": "big", "prompt": "x", "expect": "1", "files": {"data.txt": "x" * 2_000_000}}
    project.write_rows("rows.jsonl", [{**row, "id": "a", "files": {"b": ""}}, row])
    project.write_rows("said.jsonl", recordings({"a": [reply("print(1)")]}))
    command = ("eval", "rows.jsonl", "--model", "replay:said.jsonl")
    told = told_by(project.run(*command, PROMPTMILL_LIMITS__SCRATCH_MIB="1"))
    assert (told.code, told.note) == (2, "nothing was queued")
    assert told.message == (
        "the files of 'big' take 2,068,480 bytes of disk, and programs have 1 MiB"
    )
    assert "limits.scratch_mib, up to ceiling.scratch_mib" in told.body
    assert project.run(*command, "--item", "a", PROMPTMILL_LIMITS__SCRATCH_MIB="1").code == 0
