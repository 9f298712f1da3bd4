"""A part of a dataset is run, gone on with as the same part, and watched from another terminal."""

import asyncio
import json
import signal

import pytest

from .programs import recordings, reply
from .project import Project
from .told import told_by

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

_ROWS = [
    {
        "id": f"t{n}",
        "prompt": f"Print {n}.",
        "expect": f"{n}",
        "tags": [["odd", "even"][n % 2 == 0]],
    }
    for n in range(6)
]


def test_a_part_is_gone_on_with_as_it_was_begun(project: Project) -> None:
    """Half a run of one part and half of another are the run of nothing."""
    project.write_rows("rows.jsonl", _ROWS)
    said = {f"t{n}": [reply("print(7)"), reply(f"print({n})")] for n in range(6)}
    project.write_rows("said.jsonl", recordings(said))
    command = ("eval", "rows.jsonl", "--model", "replay:said.jsonl")
    part = ("--where", "tag=even", "--limit", "2")
    ended = project.run(*command, *part, "--run", "r", "--feedback", "none", "--json")
    assert ended.code == 0, ended.err
    report = ended.json()
    assert (report["nJobs"], report["conduct"]["parts"]) == (2, ["--where tag=even --limit 2"])
    assert report["conduct"]["feedback"] == ["none"]
    assert {record.job.task_id for record in project.records()} == {"t0", "t2"}

    other = told_by(project.run(*command, "--run", "r", "--feedback", "none", "--shard", "1/2"))
    assert (other.code, other.kind, other.note) == (2, "run-differs", "nothing was queued")
    assert "--resume r" in other.body
    told = told_by(project.run(*command, "--resume", "r", "--feedback", "public"))
    assert (told.code, told.kind) == (2, "run-differs")
    assert "--feedback (none, now public)" in told.body

    again = project.run("eval", "rows.jsonl", "--resume", "r")
    assert again.code == 0, again.err
    assert "not all of the dataset: --where tag=even --limit 2" in again.out
    assert len(project.records()) == 2


def test_rows_without_a_check_and_those_left_out_are_told_before_anything_is_paid(
    project: Project,
) -> None:
    """Read in the report of a night, it comes too late: whatever ended well has counted as solved."""
    rows = [{key: row[key] for key in ("id", "prompt", "tags")} for row in _ROWS]
    project.write_rows("rows.jsonl", [*rows[:4], *_ROWS[4:]])
    project.write_rows("said.jsonl", recordings({f"t{n}": [reply("print()")] for n in range(6)}))
    command = ("eval", "rows.jsonl", "--model", "replay:said.jsonl", "--where", "tag=even")
    unchecked = "check {pad}NO CHECK: 4 jobs count as solved where the program ends"
    estimate = project.run(*command, "--samples", "2", "--dry-run").out
    assert unchecked.format(pad=" " * 6) in estimate
    assert "part        3 of 6 rows: --where tag=even\n" in estimate
    for words in (("--run", "r"), ("--run", "s", "--detach")):
        assert unchecked.format(pad=" " * 3) in project.run(*command, "--samples", "2", *words).err
    checked = project.run("eval", "rows.jsonl", "--item", "t4", "--dry-run").out
    assert "NO CHECK" not in checked
    assert "part        1 of 6 rows: --item t4\n" in checked


_CHOSEN = ("--samples", "2", "--max-attempts", "4", "--exclude", "found.json", "--no-cache")
_COUNTS = {"dataset": "rows.jsonl", "nRows": 6, "nWithReference": 6, "nRepeats": 1}
_FOUND = {**_COUNTS, "found": [{"id": "t5", "fault": "broken", "why": "w"}]}


def _begin(project: Project) -> None:
    """Leave a run to workers that there are none of: nothing of it is queued, and nothing recorded."""
    project.write_rows("rows.jsonl", _ROWS)
    said = {f"t{n}": [reply(f"print({n})")] for n in range(6)}
    project.write_rows("said.jsonl", recordings(said))
    project.write_rows("found.json", [_FOUND])
    command = ("eval", "rows.jsonl", "--model", "replay:said.jsonl", "--queue", "q", *_CHOSEN)
    left = project.run(*command, "--run", "r", "--detach")
    assert left.code == 0, left.err


def test_a_run_is_gone_on_with_as_it_was_begun_whatever_is_set_by_now(project: Project) -> None:
    """Whoever goes on next morning has forgotten half of the flags, and somebody has edited the settings since."""
    _begin(project)
    project.write("promptmill.toml", "[attempts]\nmax = 1\n[limits]\ncpu_seconds = 3\n")
    ended = project.run("eval", "rows.jsonl", "--resume", "r")
    assert ended.code == 0, ended.err
    jobs = [record.job for record in project.records()]
    assert len(jobs) == 12
    assert {(job.max_attempts, job.queue, job.cache) for job in jobs} == {(4, "q", False)}
    assert {job.limits and job.limits.cpu_seconds for job in jobs} == {10}
    assert {job.task_id for job in jobs if job.excluded} == {"t5"}
    watched = project.run("run", "watch", "r")
    assert watched.out.startswith("r  12 of 12 ended  solved 10 of 10: ")
    assert "finished, 2 of rows left out" in watched.out


def test_a_run_is_not_gone_on_with_otherwise_than_it_was_begun(project: Project) -> None:
    """Two halves of two runs under one name are told as one number, which is of neither."""
    _begin(project)
    more = ("--samples", "3", *_CHOSEN[2:], "--queue", "q", "--model", "replay:said.jsonl")
    again = project.run("eval", "rows.jsonl", *more, "--run", "r", "--detach")
    assert (again.code, "and none was added" in again.err) == (0, True), again.err
    resume = ("eval", "rows.jsonl", "--resume", "r")
    other = told_by(project.run(*resume, "--samples", "3", "--priority", "high", "--cache"))
    assert (other.code, other.kind, other.note) == (2, "run-differs", "nothing was queued")
    differs = "--samples (2, now 3), --cache (off, now on), --priority (normal, now high)"
    assert differs in other.body
    project.write_rows("fewer.jsonl", _ROWS[1:])
    fewer = told_by(project.run("eval", "fewer.jsonl", "--resume", "r"))
    assert "was begun with 12 jobs, and this dataset makes 10" in fewer.message
    project.write_rows("found.json", [{**_FOUND, "found": []}])
    other = told_by(project.run(*resume))
    assert (other.code, other.kind, other.note) == (2, "run-differs", "nothing was queued")
    assert "found.json as it was then, and not with what stands in it by now" in other.message


def test_a_run_is_watched_and_left_alone(project: Project) -> None:
    """Whoever looks at somebody else's run must not stop it by going home."""
    project.write_rows("rows.jsonl", _ROWS)
    submitted = project.run("submit", "--jsonl", "rows.jsonl", "--run", "r", "--model", "replay")
    assert submitted.code == 0, submitted.err
    watching = project.start("run", "watch", "r", "--json")
    asyncio.run(watching.until_it_prints('"ended": 0'))
    watching.send(signal.SIGINT)
    ended = watching.ended()
    lines = [json.loads(line) for line in ended.out.splitlines() if line.startswith('{"run"')]
    assert (ended.code, lines[0]["jobs"], lines[0]["isOver"]) == (130, 6, False)
    assert "promptmill run watch r" in ended.out
    assert project.queued() == 6
    assert project.run("run", "cancel", "r").code == 0
    last = project.run("run", "watch", "r")
    assert last.code == 5
    assert last.out.splitlines()[-1].startswith("r  0 of 6 ended  solved 0 of 0  cancelled")
    assert "promptmill report r" in last.err
