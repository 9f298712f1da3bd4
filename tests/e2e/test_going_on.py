"""Commands that are typed again: what is queued or recorded already is kept, and never mixed with something else."""

import asyncio
import re
import shlex
from pathlib import Path

import pytest

from tests.cutting import Cutter, cutting
from tests.standin.running import Standin
from tests.waiting import wait_until

from .ghosts import forsaken, leave_a_ghost
from .programs import reply
from .project import Ended, Project
from .told import Told, told_as_json_by, told_by

pytestmark = pytest.mark.e2e

GO_ON = re.compile(r"(?:go on with:  )(promptmill .+)$", re.MULTILINE)
WITH_ID = re.compile(r"with (--id) (job\S+?)[;,:\s]")
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


async def _run_until_redis_should_take(
    project: Project, folder: Path, prompt: str, *words: str
) -> Ended:
    """Run the command while Redis takes what comes before this prompt and then, whatever is tried, no more."""
    assert project.redis_url is not None
    # Of a chunk that is taken, jobs are worked off at once where the command has a worker of its own.
    environment = {"PROMPTMILL_QUEUE__HIGH_WATER": "1"} if words[0] == "eval" else {}
    cutter = Cutter(prompt.encode(), 1000)
    async with cutting(project.redis_url, cutter, folder) as url:
        environment["PROMPTMILL_REDIS__URL"] = url
        ended = await asyncio.to_thread(project.run, *words, **environment)
    assert ended.code == 3, ended.err
    return ended


def _typed_again(project: Project, ended: Ended) -> Ended:
    said = GO_ON.search(ended.err)
    assert said is not None, ended.err
    return project.run_program(*shlex.split(said[1]))


async def test_an_evaluation_that_lost_redis_halfway_says_how_to_go_on(
    rows: Project, standin: Standin, short_folder: Path
) -> None:
    """Typed again as it was, it would be another run: what is queued of this one would be paid for as well."""
    ended = await _run_until_redis_should_take(rows, short_folder, "Print 2.", "eval", "rows.jsonl")
    assert rows.queued() + len(rows.records()) == 1
    assert "what was queued stays queued" in ended.err
    again = _typed_again(rows, ended)
    assert again.code == 0, again.err
    assert (len(rows.records()), len(standin.requests)) == (2, 2)
    # Its record is there a moment before a job leaves the queue.
    await wait_until(lambda: rows.queued() == 0, 10, "an empty queue")


async def test_an_evaluation_that_lost_redis_halfway_says_so_to_programs(
    rows: Project, short_folder: Path
) -> None:
    """A scheduler that tries again has to be given the name of the run."""
    words = ("eval", "rows.jsonl", "--json")
    ended = await _run_until_redis_should_take(rows, short_folder, "Print 2.", *words)
    told = told_as_json_by(ended)
    assert (told.kind, told.retryable) == ("redis-unreachable", True)
    assert re.search(r"--run run\S+", told.body)


async def test_a_file_that_was_queued_in_part_is_queued_to_its_end(
    rows: Project, short_folder: Path
) -> None:
    """Its ids are told as they are queued, and the same rows under another run would be queued twice."""
    # Redis takes hundreds of them in one step.
    rows.write_rows("rows.jsonl", [*[{"prompt": "Print 1."}] * 500, {"prompt": "The last."}])
    words = ("submit", "--jsonl", "rows.jsonl")
    ended = await _run_until_redis_should_take(rows, short_folder, "The last.", *words)
    first = ended.out.split()
    assert (len(first), rows.queued()) == (500, 500)
    again = _typed_again(rows, ended)
    assert again.code == 0, again.err
    assert again.out.split()[:500] == first
    assert rows.queued() == 501


async def test_a_prompt_that_was_perhaps_not_queued_can_be_submitted_again(
    rows: Project, short_folder: Path
) -> None:
    """Whether Redis took it cannot be told, so the command that is typed again must not matter."""
    words = ("submit", "Print 1.")
    told = told_by(await _run_until_redis_should_take(rows, short_folder, "Print 1.", *words))
    said = WITH_ID.search(told.body)
    assert said is not None, told.body
    for _ in range(2):
        assert rows.submit("Print 1.", *said.groups()) == said[2]
        assert rows.queued() == 1


def test_another_prompt_under_the_id_of_one_that_is_queued_is_refused(rows: Project) -> None:
    """It would be taken for that one, and never be asked."""
    rows.submit("Print 1.", "--id", "mine")
    told = told_by(rows.run("submit", "Print 2.", "--id", "mine"))
    assert (told.kind, told.code) == ("run-differs", 2)
    assert "job 'mine'" in told.message
    assert "--id" in told.body
    assert rows.queued() == 1


async def test_a_command_to_go_on_holds_no_password(project: Project) -> None:
    """It is kept in the logs of whatever ran the command."""
    project.write_rows("one.jsonl", [{"id": "one", "prompt": "Print 1."}])
    with project.client() as client:
        client.acl_setuser(
            "somebody", enabled=True, passwords=["+hunter2"], keys=["*"], categories=["+@all"]
        )
        leave_a_ghost(project)
        url = f"{project.redis_url}".replace("unix://", "unix://somebody:hunter2@")
        ended = await forsaken(project, project.start("eval", "one.jsonl", "--redis", url))
        client.acl_deluser("somebody")
    assert told_by(ended).kind == "no-worker"
    assert GO_ON.search(ended.err) is not None
    assert "somebody:[redacted]@" in ended.err
    assert "hunter2" not in ended.said
