"""The worker as a process: how it ends, how arq's own command starts it, what it writes."""

import json
import re
import signal

import pytest

from config.settings import Settings
from jobs.keys import Keys
from jobs.verdicts import Verdict
from tests.standin import steps
from tests.standin.running import GOOD_KEY, Standin
from tests.waiting import wait_until

from .programs import reply
from .project import Project

pytestmark = pytest.mark.e2e

PROMPT = "Print the answer to everything."
PROGRAM = "print(6 * 7)  # as everybody knows"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_worker_that_is_told_to_stop_finishes_what_it_holds(
    gemini: Project, standin: Standin, number: signal.Signals
) -> None:
    """A deployment must cost no job, and none must be taken that could not be finished."""
    standin.says(steps.slow(steps.text(reply(PROGRAM)), 2))
    worker = await gemini.start_worker(PROMPTMILL_WORKER__JOBS_IN_FLIGHT="1")
    rows = [{"id": name, "prompt": f"{PROMPT} ({name})"} for name in ("held", "waiting")]
    gemini.write_rows("two.jsonl", rows)
    assert gemini.run("submit", "--jsonl", "two.jsonl").code == 0
    await wait_until(lambda: len(standin.requests) == 1, 20, "the first request")
    worker.send(number)
    assert worker.ended().code == 0
    [record] = gemini.records()
    assert record.verdict is Verdict.ACCEPTED
    assert gemini.queued() == 1
    assert len(standin.requests) == 1


async def test_a_worker_gives_back_what_it_cannot_finish_in_time(
    gemini: Project, standin: Standin
) -> None:
    """Whoever stops a machine waits for so long and no longer; the job is another worker's then."""
    standin.says(steps.slow(steps.text(reply(PROGRAM)), 40))
    worker = await gemini.start_worker(PROMPTMILL_WORKER__DRAIN_SECONDS="1")
    job_id = gemini.submit(PROMPT)
    await wait_until(lambda: len(standin.requests) == 1, 20, "the request")
    worker.send(signal.SIGTERM)
    assert worker.ended(within_seconds=15).code == 0
    assert (gemini.records(), gemini.queued()) == ([], 1)

    standin.says(reply(PROGRAM))
    await gemini.start_worker()
    await wait_until(lambda: len(gemini.records()) == 1, 20, "the record")
    assert gemini.records()[0].job_id == job_id


async def test_a_worker_that_was_stopped_gives_no_sign_of_life_any_more(gemini: Project) -> None:
    """A command would count on it, and wait for somebody who is not there."""
    worker = await gemini.start_worker()
    worker.send(signal.SIGTERM)
    assert worker.ended().code == 0
    with gemini.client() as client:
        assert list(client.scan_iter(Keys().worker("*"))) == []


def test_a_worker_in_a_burst_ends_with_the_queue(gemini: Project, standin: Standin) -> None:
    """A cron job that never ends is one too many by tomorrow."""
    standin.says(reply(PROGRAM))
    gemini.write_rows("three.jsonl", [{"prompt": f"{PROMPT} ({number})"} for number in range(3)])
    assert gemini.run("submit", "--jsonl", "three.jsonl").code == 0
    ended = gemini.run("worker", "--burst")
    assert ended.code == 0, ended.err
    assert len(gemini.records()) == 3
    assert gemini.queued() == 0


async def test_arqs_own_command_starts_the_same_worker(gemini: Project, standin: Standin) -> None:
    """Whoever already runs arq workers has the units, the probes and the habits for it."""
    standin.says(reply("print(41)"), reply("print(42)"))
    worker = gemini.start_program("arq", "worker.main.WorkerSettings")
    job_id = gemini.submit(PROMPT, "--expect", "42")
    await wait_until(lambda: len(gemini.records()) == 1, 30, f"the record: {worker.err}")
    [record] = gemini.records()
    assert (record.job_id, record.solved_at) == (job_id, 2)
    worker.send(signal.SIGTERM)
    said = worker.ended().said
    assert "Traceback" not in said
    assert "attempt judged" in said
    assert [word for word in (PROMPT, "print(4", GOOD_KEY) if word in said] == []


async def test_arqs_own_command_keeps_the_schedules_of_the_file(gemini: Project) -> None:
    """It starts the runs of schedules, and one that stands in the file would never have any."""
    gemini.write(
        "promptmill.toml", '[[schedules]]\nname = "n"\ncron = "@yearly"\nprompt = "Print 1."\n'
    )
    worker = gemini.start_program("arq", "worker.main.WorkerSettings")
    await wait_until(lambda: "schedule kept" in worker.err, 30, f"the schedule: {worker.err}")
    [state] = gemini.run("schedule", "list", "--json").json()
    assert (state["schedule"]["name"], state["schedule"]["declaredIn"]) == ("n", "file")


async def test_arqs_own_command_holds_a_job_no_longer_than_ours_does(
    gemini: Project, standin: Standin
) -> None:
    """Arq's own claim would keep the jobs of a killed worker from the others for as long as any job may take."""
    standin.says(steps.slow(steps.text(reply(PROGRAM)), 40))
    gemini.start_program("arq", "worker.main.WorkerSettings")
    job_id = gemini.submit(PROMPT)
    await wait_until(lambda: len(standin.requests) == 1, 30, "the request")
    with gemini.client() as client:
        ends_ms = client.zscore("promptmill:leased:default:gemini:normal", job_id)
        seconds, _ = client.time()
    assert 0 < ends_ms / 1000 - seconds <= Settings().worker.lease_seconds + 1


@pytest.mark.parametrize("words", [("promptmill", "worker"), ("arq", "worker.main.WorkerSettings")])
async def test_a_worker_that_has_stopped_leaves_no_process(
    gemini: Project, standin: Standin, words: tuple[str, ...]
) -> None:
    """The sandbox keeps processes warm, and one that outlives its worker is memory nobody gives back."""
    standin.says(reply(PROGRAM))
    worker = gemini.start_program(*words)
    gemini.submit(PROMPT)
    await wait_until(lambda: len(gemini.records()) == 1, 30, f"the record: {worker.err}")
    tree = worker.tree()
    assert len(tree) > 1, "a zygote at least"
    worker.send(signal.SIGTERM)
    ended = worker.ended()
    assert [process for process in tree if process.is_alive] == []
    assert "Warning" not in ended.said


async def test_a_worker_writes_one_json_object_a_line(gemini: Project, standin: Standin) -> None:
    """Logs are read by machines; a line that is no JSON is lost, or stops the reading of the rest."""
    standin.says(reply("print(undefined)"), reply(PROGRAM))
    worker = await gemini.start_worker()
    job_id = gemini.submit(PROMPT, "--expect", "42")
    await wait_until(lambda: len(gemini.records()) == 1, 20, "the record")
    worker.send(signal.SIGTERM)
    ended = worker.ended()
    lines = [json.loads(line) for line in ended.err.splitlines()]
    # Its Redis writes nothing down, and it says so.
    assert {line["event"] for line in lines if line["level"] != "info"} == {"jobs may be lost"}
    judged = [line for line in lines if line["event"] == "attempt judged"]
    assert [(line["number"], line["verdict"]) for line in judged] == [
        (1, "runtime_error"),
        (2, "accepted"),
    ]
    assert {line["job_id"] for line in judged} == {job_id}
    assert [line["job_id"] for line in lines if line["event"] == "job finished"] == [job_id]
    assert ended.out == ""


async def test_a_workers_log_holds_neither_prompt_nor_program_nor_key(
    gemini: Project, standin: Standin
) -> None:
    """Logs go where nobody looks after them, and what people ask a model is theirs."""
    standin.says(steps.rate_limited(), reply("print(undefined)"), reply(PROGRAM))
    worker = await gemini.start_worker(PROMPTMILL_LOG__LEVEL="debug")
    gemini.submit(PROMPT, "--expect", "42")
    await wait_until(lambda: len(gemini.records()) == 1, 20, "the record")
    worker.send(signal.SIGTERM)
    said = worker.ended().said
    assert "attempt judged" in said
    found = [word for word in (PROMPT, PROGRAM, "undefined", GOOD_KEY) if word in said]
    assert found == []
    assert re.findall(r"AIza|x-goog-api-key", said) == []
