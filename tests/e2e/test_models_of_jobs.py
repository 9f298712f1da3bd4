"""Jobs name who is to answer them, and are answered by nobody else, whatever runs beside them."""

import re
import shlex

import pytest

from jobs.datasets.readers import demo_tasks
from jobs.keys import Keys
from jobs.verdicts import Verdict
from jobs.wire import decode
from tests.standin.running import Standin
from tests.waiting import wait_until

from .programs import recordings, reply
from .project import Project, Running

pytestmark = pytest.mark.e2e

SLOW, QUICK = ("--model", "replay:slow.rec", "--run", "slow"), ("--model", "replay:quick.rec")
GO_ON = re.compile(r"Go on with:  (promptmill .+)$", re.MULTILINE)
# Longer than another command takes to begin; three of them wait in the queue meanwhile.
SOME_SECONDS = "import time\ntime.sleep(3)\nprint(1)"


@pytest.fixture
def two(project: Project) -> Project:
    """A folder with two datasets, each with recordings that know nothing of the other's tasks."""
    for name, program in (("slow", SOME_SECONDS), ("quick", "print(1)")):
        tasks = [f"{name}-{number}" for number in range(4)]
        rows = [{"id": task, "prompt": f"Print 1, {task}.", "expect": "1"} for task in tasks]
        project.write_rows(f"{name}.jsonl", rows)
        project.write_rows(f"{name}.rec", recordings({task: [reply(program)] for task in tasks}))
    return project


async def _start_slowly(project: Project) -> Running:
    """The slow run, one job after the other, some of them still in the queue."""
    run = project.start("eval", "slow.jsonl", *SLOW, PROMPTMILL_WORKER__JOBS_IN_FLIGHT="1")
    await wait_until(lambda: len(project.records()) == 1, 30, "the first record")
    assert project.queued() > 0
    return run


def _assert_all_solved(project: Project, model: str, run_id: str) -> None:
    records = [record for record in project.records() if record.job.run_id == run_id]
    assert [record.verdict for record in records] == [Verdict.ACCEPTED] * 4
    assert {record.requested_model for record in records} == {model}
    assert {record.deliveries for record in records} == {1}


def _models_in_queue(project: Project) -> list[str | None]:
    with project.client() as client:
        payloads = [decode(client.get(key) or b"") for key in client.scan_iter("arq:job:*")]
    return [payload["a"][0]["model"] for payload in payloads]


async def test_two_runs_at_once_take_nothing_from_each_other(two: Project) -> None:
    """Each would answer the other's jobs with what it has no recording of, and spoil both."""
    slow = await _start_slowly(two)
    quick = two.run("eval", "quick.jsonl", *QUICK, "--run", "quick")
    assert quick.code == 0, quick.err
    assert "the running workers answer with replay:slow.rec" in quick.err
    ended = slow.ended()
    assert ended.code == 0, ended.err
    _assert_all_solved(two, "replay:slow.rec", "slow")
    _assert_all_solved(two, "replay:quick.rec", "quick")


async def test_a_run_that_was_stopped_is_left_alone_by_those_that_come_after(two: Project) -> None:
    """What is still queued of it would be answered by somebody else, and it could not go on."""
    slow = await _start_slowly(two)
    slow.interrupt_group()
    said = GO_ON.search(slow.ended().err)
    assert said is not None
    quick = two.run("eval", "quick.jsonl", *QUICK, "--run", "quick")
    assert quick.code == 0, quick.err
    assert two.queued() > 0
    again = two.run_program(*shlex.split(said[1]))
    assert again.code == 0, again.err
    _assert_all_solved(two, "replay:slow.rec", "slow")


def test_what_was_queued_for_gemini_is_never_answered_by_recordings(project: Project) -> None:
    """A wrong key must not turn into an answer that nobody asked for."""
    prompt = next(iter(demo_tasks())).prompt
    queued = project.run("submit", prompt, GEMINI_API_KEY="wrong")
    assert queued.code == 0, queued.err
    assert _models_in_queue(project) == ["gemini-3.8-flash"]
    project.write_rows("other.jsonl", [{"id": "o", "prompt": list(demo_tasks())[1].prompt}])
    assert project.run("eval", "other.jsonl", "--run", "other").code == 0
    assert [record.job.run_id for record in project.records()] == ["other"]
    # The evaluation's own job may not have left the queue yet when its record is there.
    assert "gemini-3.8-flash" in _models_in_queue(project)


def test_a_burst_ends_when_only_jobs_for_others_are_left(project: Project) -> None:
    """It cannot do them, and whoever started it waits for its end."""
    tasks = list(demo_tasks())
    project.submit(tasks[0].prompt, "--model", "gemini-3.8-flash")
    mine = project.submit(tasks[1].prompt, "--model", "replay")
    ended = project.run("worker", "--burst")
    assert ended.code == 0, ended.err
    assert [record.job_id for record in project.records()] == [mine]
    assert project.queued() == 1
    with project.client() as client:
        # It was not even handed over.
        assert list(client.scan_iter("arq:retry:*")) == []


async def test_a_wait_for_a_model_that_no_worker_asks_says_so_and_goes_on(
    gemini: Project, standin: Standin
) -> None:
    """A worker for it may be started any moment, and until then nobody should wonder why nothing happens."""
    standin.says(reply("print(1)"))
    await gemini.start_worker("--model", "replay")
    waiting = gemini.start("submit", "Print 1.", "--model", "gemini-3.8-flash", "--wait")
    await waiting.until_it_says(
        "queued for gemini-3.8-flash; the running workers answer with replay. "
        "Start one:  promptmill worker --model gemini-3.8-flash"
    )
    await gemini.start_worker()
    ended = waiting.ended()
    assert ended.code == 0, ended.err
    [record] = gemini.records()
    assert (record.requested_model, record.simulated) == ("gemini-3.8-flash", False)


async def test_a_command_without_a_key_lets_the_workers_ask_gemini(
    gemini: Project, standin: Standin
) -> None:
    """The key belongs to the workers; whoever queues jobs for them needs none."""
    standin.says(reply("print(1)"))
    await gemini.start_worker("--model", "gemini-3.1-pro-preview")
    gemini.submit("Print 1.", "--wait")
    keyless = {"GEMINI_API_KEY": ""}
    gemini.write_rows("one.jsonl", [{"id": "one", "prompt": "Print 1."}])
    ended = gemini.run("eval", "one.jsonl", **keyless)
    assert ended.code == 0, ended.err
    assert {record.requested_model for record in gemini.records()} == {"gemini-3.1-pro-preview"}


async def test_workers_that_ask_several_models_leave_open_which_is_meant(gemini: Project) -> None:
    """A run would be of one or the other, by chance."""
    for model in ("gemini-3.1-pro-preview", "gemini-3.1-flash-lite"):
        await gemini.start_worker("--model", model)
    ended = gemini.run("submit", "Print 1.")
    assert ended.code == 2
    assert "gemini-3.1-flash-lite and gemini-3.1-pro-preview" in ended.err
    assert "--model NAME" in ended.err
    assert gemini.queued() == 0


async def test_a_run_does_not_go_on_with_another_model(two: Project) -> None:
    """Its jobs name the one that it began with, and the message says which."""
    assert two.run("submit", "--jsonl", "quick.jsonl", *QUICK, "--run", "r").code == 0
    ended = two.run("eval", "quick.jsonl", "--model", "replay", "--run", "r")
    assert ended.code == 2
    assert "model (replay:quick.rec, now replay)" in ended.err
    assert _models_in_queue(two) == ["replay:quick.rec"] * 4


async def test_a_worker_that_was_stopped_is_seen_no_more(two: Project) -> None:
    """The next command would count on it, and wait for nothing."""
    slow = await _start_slowly(two)
    slow.interrupt_group()
    assert slow.ended().code == 130
    with two.client() as client:
        assert list(client.scan_iter(Keys().worker("*"))) == []


async def test_ctrl_c_again_and_again_is_still_the_code_of_ctrl_c(two: Project) -> None:
    """Who presses it twice has not killed anything: the code tells a script that somebody stopped it."""
    slow = await _start_slowly(two)

    def is_over() -> bool:
        slow.interrupt_group()
        return not any(process.is_alive for process in slow.tree())

    await wait_until(is_over, 30, "the end of the run")
    ended = slow.ended()
    assert ended.code == 130
    assert "Traceback" not in ended.err
    with two.client() as client:
        assert list(client.scan_iter(Keys().worker("*"))) == []
