"""What a machine lacks is found out before anything is queued, and told with what to do about it."""

import json

import pytest

from tests.requiring import require
from tests.standin.running import Standin

from .programs import reply
from .project import Project
from .surroundings import IS_ROOT, without_namespaces, without_node
from .told import Told, told_as_json_by, told_by

pytestmark = pytest.mark.e2e

NOBODY_LISTENS = "redis://:hunter2-of-redis@127.0.0.1:1/0"
NEEDS_REDIS = [("submit", "Print 1."), ("eval", "one.jsonl"), ("worker",)]
WORKS = [("eval", "one.jsonl"), ("worker",)]


@pytest.fixture
def offline(project: Project) -> Project:
    """A folder with one task, and a recorded answer to it."""
    project.write_rows("one.jsonl", [{"id": "one", "prompt": "Print 1."}])
    row = {"taskId": "one", "attempt": 1, "reply": reply("print(1)")}
    project.write_rows("said.jsonl", [row])
    project.environment["PROMPTMILL_MODEL__NAME"] = "replay:said.jsonl"
    return project


def _assert_unreachable(told: Told) -> None:
    assert (told.kind, told.code, told.retryable) == ("redis-unreachable", 3, True)
    assert "127.0.0.1:1" in told.message
    assert "tried" in told.body
    assert "PROMPTMILL_REDIS__URL (environment)" in told.body
    assert "promptmill doctor" in told.body


@pytest.mark.parametrize("words", NEEDS_REDIS, ids=lambda words: words[0])
def test_a_configured_redis_that_does_not_answer_is_told(
    offline: Project, words: tuple[str, ...]
) -> None:
    """A fallback to another server would queue the jobs where no worker looks."""
    ended = offline.run(*words, PROMPTMILL_REDIS__URL=NOBODY_LISTENS)
    _assert_unreachable(told_by(ended))
    assert "hunter2" not in ended.said
    assert offline.records() == []


@pytest.mark.parametrize("words", NEEDS_REDIS, ids=lambda words: words[0])
def test_a_configured_redis_that_does_not_answer_is_told_in_json(
    offline: Project, words: tuple[str, ...]
) -> None:
    """Safe to try again is what a scheduler wants to know of a failed command."""
    ended = offline.run(*words, "--json", PROMPTMILL_REDIS__URL=NOBODY_LISTENS)
    _assert_unreachable(told_as_json_by(ended))


@pytest.mark.parametrize("words", WORKS, ids=lambda words: words[0])
@pytest.mark.parametrize("form", ["words", "json"])
def test_a_folder_that_takes_no_records_stops_work_before_it_starts(
    offline: Project, words: tuple[str, ...], form: str
) -> None:
    """Every answer would be paid for, and none could be kept."""
    offline.write("taken", "a file, where a folder should be")
    more = ("--json",) if form == "json" else ()
    ended = offline.run(*words, *more, PROMPTMILL_STORE__DIRECTORY="taken/store")
    told = told_as_json_by(ended) if form == "json" else told_by(ended)
    assert (told.kind, told.code) == ("store-failed", 3)
    assert "taken/store" in told.message
    assert "--store" in told.body
    assert offline.kept_in_redis() == set()


def test_an_embedded_server_that_has_no_place_is_told(bare_project: Project) -> None:
    """Without a configured Redis the folder is the queue, too."""
    bare_project.write("taken", "a file, where a folder should be")
    told = told_by(bare_project.run("submit", "Print 1.", "--store", "taken/store"))
    assert (told.kind, told.code) == ("no-redis", 3)
    assert "--store" in told.body


@pytest.mark.parametrize(
    ("prompt", "code", "n_ids"), [("Print 1.", 0, 1), ("", 2, 0)], ids=["queued", "refused"]
)
def test_a_closed_standard_error_keeps_nobody_from_work(
    project: Project, prompt: str, code: int, n_ids: int
) -> None:
    """Daemons are started that way; what would be told there must not come among the data instead."""
    ended = project.run_program("sh", "-c", f"promptmill submit '{prompt}' 2>&-")
    assert ended.code == code
    assert len(ended.out.splitlines()) == n_ids
    assert project.queued() == n_ids


@pytest.mark.parametrize("form", ["", "--json"], ids=["words", "json"])
def test_what_cannot_be_written_out_is_told_where_it_can_be(project: Project, form: str) -> None:
    """A disk that is full is no defect of ours, and what the command did meanwhile is done."""
    ended = project.run_program("sh", "-c", f"promptmill languages {form} >/dev/full")
    told = told_by(ended)
    assert (told.kind, told.code, told.retryable) == ("output-failed", 3, False)
    assert "No space left on device" in told.message


def test_a_standard_error_that_takes_nothing_changes_no_end(project: Project) -> None:
    """What is said beside the data is for people; the data and the exit code are owed to scripts."""
    project.write("program.py", "import sys\nprint('lost', file=sys.stderr)\nprint(6 * 7)")
    ended = project.run_program("sh", "-c", "promptmill sandbox run program.py 2>/dev/full")
    assert (ended.code, ended.out) == (0, "42\n")


def test_a_closed_standard_input_is_an_empty_one(project: Project) -> None:
    """Nothing can be read from it, and that is all there is to say."""
    told = told_by(project.run_program("sh", "-c", "promptmill submit - <&-"))
    assert (told.code, told.message) == (2, "the prompt is empty")


@pytest.mark.parametrize("words", ["submit 'Print 1.'", "config show", "doctor", "job list"])
def test_a_working_directory_that_is_gone_is_told(project: Project, words: str) -> None:
    """Another terminal removed it; settings and records are looked for in it, and nowhere else."""
    vanish = "mkdir gone && cd gone && rmdir ../gone"
    told = told_by(project.run_program("sh", "-c", f"{vanish} && promptmill {words}"))
    assert (told.kind, told.code) == ("usage", 2)
    assert "is gone" in told.message
    assert "cd" in told.body


@pytest.fixture
def scripted(project: Project) -> Project:
    """A folder with two tasks of which one wants node."""
    rows = [
        {"id": "py", "prompt": "Print 1."},
        {"id": "js", "prompt": "Print 1.", "language": "javascript"},
    ]
    project.write_rows("both.jsonl", rows)
    return project


@pytest.mark.parametrize("form", ["words", "json"])
def test_a_dataset_in_a_language_that_nothing_runs_is_refused(scripted: Project, form: str) -> None:
    """Half a dataset that fails for want of a program says nothing about the model."""
    more = ("--json",) if form == "json" else ()
    ended = scripted.run_program(*without_node("promptmill", "eval", "both.jsonl", *more))
    told = told_as_json_by(ended) if form == "json" else told_by(ended)
    assert (told.kind, told.code) == ("interpreter-missing", 2)
    assert "javascript" in told.message
    assert "apt-get install" in told.body
    assert "nothing was queued" in told.note
    assert scripted.kept_in_redis() == set()


async def test_a_job_in_a_language_that_no_worker_runs_is_refused(gemini: Project) -> None:
    """The interpreter has to be where the worker is; where the prompt is typed it helps nobody."""
    require("root, to start a worker without node", available=IS_ROOT)
    worker = gemini.start_program(*without_node("promptmill", "worker"))
    await worker.until_it_says("worker ready")
    for more in ((), ("--json",)):
        ended = gemini.run("submit", "Print 1.", "--language", "javascript", *more)
        told = told_as_json_by(ended) if more else told_by(ended)
        assert (told.kind, told.code) == ("interpreter-missing", 2)
        assert told.note == "nothing was queued"
    assert gemini.queued() == 0


async def test_a_job_in_a_language_that_one_worker_lacks_is_refused(gemini: Project) -> None:
    """Any worker may be given any job, and the one without node would fail it for good."""
    require("root, to start a worker without node", available=IS_ROOT)
    lacking = gemini.start_program(*without_node("promptmill", "worker"))
    await lacking.until_it_says("worker ready")
    await gemini.start_worker()
    told = told_by(gemini.run("submit", "Print 1.", "--language", "javascript"))
    assert (told.kind, told.note) == ("interpreter-missing", "nothing was queued")
    assert gemini.queued() == 0


@pytest.mark.parametrize("words", WORKS, ids=lambda words: words[0])
@pytest.mark.parametrize("form", ["words", "json"])
def test_isolation_that_cannot_be_had_stops_work_before_it_starts(
    offline: Project, words: tuple[str, ...], form: str
) -> None:
    """Walls are what people get unless they say otherwise; a quiet step down would be a lie in each record."""
    del offline.environment["PROMPTMILL_SANDBOX__REQUIRE"]
    more = ("--json",) if form == "json" else ()
    ended = offline.run_program(*without_namespaces("promptmill", *words, *more))
    told = told_as_json_by(ended) if form == "json" else told_by(ended)
    assert (told.kind, told.code) == ("sandbox-too-weak", 2)
    assert "'contained'" in told.message
    assert "PROMPTMILL_SANDBOX__REQUIRE=rlimits" in told.body
    assert offline.kept_in_redis() == set()


def test_every_layer_in_force_stands_in_the_record(offline: Project) -> None:
    """Who reads a record later cannot ask the machine any more."""
    assert offline.run("eval", "one.jsonl").code == 0
    [record] = offline.records()
    findings = json.loads(offline.run("doctor", "--json").out)
    [shown] = [row for row in findings if row["name"] == "layers"]
    assert record.isolation is not None
    assert shown["detail"].split() == list(record.isolation.layers)


async def test_a_run_is_worked_off_by_the_worker_that_lives(
    gemini: Project, standin: Standin
) -> None:
    """Two workers where one was meant would pay for two, and hide which of them did what."""
    standin.says(reply("print(1)"))
    gemini.write_rows("one.jsonl", [{"prompt": "Print 1."}])
    worker = await gemini.start_worker()
    assert gemini.run("eval", "one.jsonl").code == 0
    [record] = gemini.records()
    assert f"-{worker.pid}-" in record.worker
