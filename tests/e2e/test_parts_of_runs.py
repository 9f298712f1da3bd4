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
    told = told_by(project.run(*command, "--resume", "r"))
    assert (told.code, told.kind) == (2, "run-differs")
    assert "feedback (none, now public)" in told.body

    again = project.run(*command, "--resume", "r", "--feedback", "none")
    assert again.code == 0, again.err
    assert "not all of the dataset: --where tag=even --limit 2" in again.out
    assert len(project.records()) == 2


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
