"""The commands for runs and queues, as somebody at a terminal and a program that reads JSON use them."""

import asyncio
import json

import pytest

from jobs.feeding import runs_to_feed
from jobs.queue import JobQueue
from jobs.verdicts import Verdict
from tests.queueing import claim, finish
from tests.waiting import wait_until
from worker.consumer.feeder import Feeder

from .project import Project
from .told import told_as_json_by, told_by

pytestmark = pytest.mark.e2e

ROWS = [{"id": f"t{number}", "prompt": f"Print {number}."} for number in range(3)]


def submitted(project: Project, *words: str, rows: list[dict[str, str]] | None = None) -> list[str]:
    project.write_rows("rows.jsonl", rows or ROWS)
    ended = project.run("submit", "--jsonl", "rows.jsonl", *words)
    assert ended.code == 0, ended.err
    return ended.out.split()


def queue_of(project: Project) -> JobQueue:
    assert project.redis_url is not None
    return JobQueue(project.redis_url, records=project.folder / ".promptmill" / "records")


async def finished(project: Project, job_id: str, verdict: Verdict, reason: str = "") -> None:
    async with queue_of(project) as queue:
        job = await queue.find(job_id)
        assert job is not None
        await claim(queue, job_id)
        await finish(queue, job, verdict, reason=reason)


async def test_a_run_is_paused_and_goes_on(project: Project) -> None:
    """Somebody else's work is more urgent, for once."""
    ids = submitted(project, "--run", "r1")
    await finished(project, ids[0], Verdict.ACCEPTED)
    paused = project.run("run", "pause", "r1", "--reason", "over budget")
    assert (paused.code, paused.out) == (0, "")
    assert "2 jobs set aside" in paused.err
    assert "promptmill run resume r1" in paused.err
    assert project.queued() == 0
    shown = project.run("run", "show", "r1")
    assert "paused: over budget" in shown.out
    assert "2 open, 2 of them set aside, 1 recorded" in shown.out
    assert project.run("run", "resume", "r1", "--json").json()["resumed"] == 2
    assert project.queued() == 2


async def test_pausing_a_run_says_what_workers_go_on_with(project: Project) -> None:
    """A worker holds more than it runs at one time; "0 set aside" would pass for one that stands still."""
    ids = submitted(project, "--run", "r1")
    async with queue_of(project) as queue:
        await claim(queue, ids[0])
    paused = project.run("run", "pause", "r1")
    assert "2 jobs set aside, 1 are held by workers" in paused.err
    again = project.run("run", "pause", "r1", "--json").json()
    assert (again["held"], again["running"]) == (0, 1)


async def test_a_cancelled_run_is_listed_and_may_be_started_again(project: Project) -> None:
    """Cancelled by mistake, it goes on under its name, and what is recorded is not paid for twice."""
    ids = submitted(project, "--run", "r1")
    await finished(project, ids[0], Verdict.ACCEPTED)
    assert project.run("run", "cancel", "r1", "--json").json() == {
        "runId": "r1",
        "state": "cancelled",
        "cancelled": 2,
        "stopping": 0,
        "neverQueued": 0,
        "batches": [],
    }
    [listed] = project.run("run", "list", "--json").json()
    assert (listed["runId"], listed["state"], listed["ended"], listed["open"]) == (
        "r1",
        "cancelled",
        1,
        0,
    )
    submitted(project, "--run", "r1")
    assert project.queued() == 2
    again = project.run("run", "show", "r1", "--json").json()
    assert (again["open"], again["cancelled"], again["submitted"]) == (2, 0, 3)


@pytest.mark.parametrize("ends", ["open", "cancelled"])
async def test_a_report_of_half_a_run_looks_like_none_of_a_whole_one(
    project: Project, ends: str
) -> None:
    """Three of four that ended before the machine died would pass for a score of 75 %."""
    ids = submitted(project, "--run", "r1")
    await finished(project, ids[0], Verdict.ACCEPTED)
    if ends == "cancelled":
        assert project.run("run", "cancel", "r1").code == 0
    missing = f"NOT FINISHED: 1 of 3 jobs have their record; 2 {ends}"
    for form in ("text", "markdown", "junit"):
        ended = project.run("report", "r1", "--format", form)
        assert (ended.code, missing in ended.out) == (5, True), form
    assert project.run("report", "r1", "--output", "r1.html").code == 5
    assert missing in (project.folder / "r1.html").read_text()
    ended = project.run("report", "r1", "--json")
    counts = {"nOpen": 0, "nCancelled": 0} | {f"n{ends.capitalize()}": 2}
    assert (ended.code, ended.json()["unfinished"]) == (5, counts)


async def test_a_report_needs_no_queue_and_calls_nothing_missing_that_it_has_forgotten(
    project: Project,
) -> None:
    """Records are for good; whoever keeps them keeps no Redis for them."""
    ids = submitted(project, "--run", "r1")
    await finished(project, ids[0], Verdict.ACCEPTED)
    with project.client() as client:
        client.flushdb()
    ended = project.run("report", "r1", "--json")
    assert (ended.code, ended.json()["unfinished"]) == (0, None)
    project.environment["PROMPTMILL_REDIS__URL"] = "redis://127.0.0.1:1/0"
    ended = project.run("report", "r1")
    assert (ended.code, "nobody can say whether jobs of the run are open" in ended.err) == (0, True)


async def test_a_run_is_shown_by_its_records_when_redis_has_forgotten_it(project: Project) -> None:
    """Counters are kept for a month, records for good."""
    ids = submitted(project, "--run", "r1")
    await finished(project, ids[0], Verdict.ACCEPTED)
    with project.client() as client:
        client.flushdb()
    shown = project.run("run", "show", "r1", "--json").json()
    assert (shown["recorded"], shown["open"]) == ({"accepted": 1}, 0)
    assert told_by(project.run("run", "show", "r2")).kind == "run-not-found"


async def test_what_failed_because_of_us_is_retried(project: Project) -> None:
    """The disk was full at night; in the morning one command puts it right."""
    ids = submitted(project, "--run", "r1")
    await finished(project, ids[0], Verdict.INTERNAL_ERROR, reason="the disk was full")
    await finished(project, ids[1], Verdict.INTERNAL_ERROR, reason="the disk was full")
    assert "promptmill run retry r1" in project.run("run", "show", "r1").out
    one = project.run("job", "retry", ids[0], "--json")
    assert one.json() == {"retried": 1}
    rest = project.run("run", "retry", "r1")
    assert (rest.code, rest.out.split()) == (0, [ids[1]])
    assert "no worker is running; start one:  promptmill worker" in rest.err
    assert "no worker is running" in project.run("run", "show", "r1").out
    assert project.queued() == 3
    assert project.records() == []
    again = told_by(project.run("job", "retry", ids[0]))
    assert (again.code, again.kind) == (2, "usage")


async def test_a_queue_is_looked_at_and_paused(project: Project) -> None:
    """Before a deployment nothing new should start, and somebody wants to see that it is so."""
    submitted(project, "--queue", "nightly", "--priority", "low")
    shown = project.run("queue", "status")
    assert "nightly" in shown.out
    assert "low" in shown.out
    assert "promptmill worker" in shown.out
    assert project.run("queue", "pause", "nightly", "--reason", "deploying").code == 0
    status = project.run("queue", "status", "--json").json()
    assert status["paused"] == {"nightly": "deploying"}
    assert [(lane["queue"], lane["priority"], lane["due"]) for lane in status["lanes"]] == [
        ("nightly", "low", 3)
    ]
    assert project.run("queue", "resume", "nightly").code == 0
    assert (
        told_by(project.run("queue", "resume", "nightly")).message
        == "queue 'nightly' is not paused"
    )


async def test_jobs_are_cancelled_by_what_they_are_and_never_many_by_accident(
    project: Project,
) -> None:
    """A pattern that is too wide costs a night of work."""
    submitted(project, "--run", "r1")
    submitted(project, "--run", "r2")
    chosen = ("job", "cancel", "--run", "r1", "--task", "t[01]")
    looked = project.run(*chosen, "--dry-run")
    assert (looked.code, len(looked.out.splitlines())) == (0, 2)
    refused = told_by(project.run(*chosen))
    assert (refused.code, refused.message) == (2, "2 jobs would be cancelled")
    assert project.queued() == 6
    assert project.run(*chosen, "--yes", "--json").json() == {"cancelled": 2, "stopping": 0}
    assert project.queued() == 4
    assert project.run("job", "cancel", "--language", "lua", "--json").json()["cancelled"] == 0
    assert told_by(project.run("job", "cancel")).code == 2


async def test_a_job_is_cancelled_by_its_id(project: Project) -> None:
    """One prompt had a typing error."""
    job_id = project.submit("Print 1.")
    assert project.run("job", "cancel", job_id).code == 0
    assert project.queued() == 0
    unknown = told_as_json_by(project.run("job", "cancel", job_id, "--json"))
    assert (unknown.code, unknown.note) == (2, "nothing was cancelled")
    assert repr(job_id) in unknown.message


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["--at", "2027-01-31T22:00"], "is in no time zone", id="no zone"),
        pytest.param(["--at", "tomorrow"], "is no time", id="no time"),
        pytest.param(["--in", "10"], "is no length of time", id="no unit"),
        pytest.param(["--in", "1h", "--at", "2027-01-31T22:00Z"], "not both", id="both"),
        pytest.param(["--queue", "a:b"], "cannot be the name of a queue", id="queue"),
        pytest.param(["--queue", ""], "cannot be the name of a queue", id="empty queue"),
        pytest.param(["--detach"], "--detach goes with --jsonl", id="detached prompt"),
    ],
)
def test_what_cannot_be_queued_so_is_refused_with_what_to_type(
    project: Project, words: list[str], message: str
) -> None:
    """A time without a zone is an hour off for half of its readers."""
    told = told_by(project.run("submit", "Print 1.", *words))
    assert message in told.message
    assert (told.code, told.note) == (2, "nothing was queued")
    assert project.kept_in_redis() == set()


@pytest.mark.parametrize("words", [["--at", "2096-01-31T22:00+01:00"], ["--in", "2h"]])
def test_a_job_for_later_is_not_due(project: Project, words: list[str]) -> None:
    """Nightly work is queued by day."""
    assert project.run("submit", "Print 1.", *words).code == 0
    [lane] = project.run("queue", "status", "--json").json()["lanes"]
    assert (lane["due"], lane["deferred"]) == (0, 1)


def test_more_jobs_for_later_than_may_wait_are_refused_with_the_way_to_do_it(
    project: Project,
) -> None:
    """The command would wait for the night to come."""
    project.write_rows("rows.jsonl", [{"prompt": "Print 1."}] * 7)
    words = ["submit", "--jsonl", "rows.jsonl", "--in", "2h"]
    told = told_by(project.run(*words, PROMPTMILL_QUEUE__HIGH_WATER="5"))
    assert (told.code, told.note) == (2, "nothing was queued")
    assert "7 jobs for later are more than the 5 that may wait at one time" in told.message
    assert project.run(*words, "--detach", PROMPTMILL_QUEUE__HIGH_WATER="5").code == 0


@pytest.mark.parametrize("words", [["submit", "--jsonl"], ["eval"]], ids=" ".join)
async def test_a_detached_run_is_left_to_the_workers(project: Project, words: list[str]) -> None:
    """Whoever types it may close the laptop."""
    project.write_rows("rows.jsonl", [{"prompt": "Print 1."}] * 1200)
    ended = project.run(*words, "rows.jsonl", "--detach")
    run_id = ended.out.strip()
    assert ended.code == 0, ended.err
    assert f"promptmill run watch {run_id}" in ended.err
    assert "1200 of them still to be queued" in project.run("run", "show", run_id).out
    assert project.queued() == 0
    async with queue_of(project) as queue:
        feeder = Feeder(queue.redis, queue.keys, queue.records, 5000)
        feeding = asyncio.create_task(feeder.run())

        async def is_fed() -> bool:
            return await runs_to_feed(queue.redis, queue.keys) == []

        await wait_until(is_fed, 20, "a run that is fed")
        feeding.cancel()
    assert project.queued() == 1200
    assert "1200 open, 0 recorded" in project.run("run", "show", run_id).out


def test_more_jobs_than_may_be_due_are_queued_as_workers_take_them(project: Project) -> None:
    """Without a word, a command that waits for workers looks like one that hangs."""
    project.write_rows("rows.jsonl", [{"prompt": "Print 1."}] * 7)
    running = project.start(
        "submit", "--jsonl", "rows.jsonl", "--run", "r", PROMPTMILL_QUEUE__HIGH_WATER="5"
    )
    asyncio.run(running.until_it_says("5 jobs are due by now"))
    assert len(running.out.split()) == 5
    assert (
        json.loads(project.run("job", "cancel", "--run", "r", "--yes", "--json").out)["cancelled"]
        == 5
    )
    assert running.ended().code == 0
    assert project.queued() == 2


def test_a_run_goes_on_in_another_queue_or_priority(project: Project) -> None:
    """When a job is run changes nothing of what comes of it; what is queued keeps its place."""
    submitted(project, "--run", "r1", rows=ROWS[:2])
    submitted(project, "--run", "r1", "--priority", "high", "--queue", "other")
    lanes = project.run("queue", "status", "--json").json()["lanes"]
    assert [(lane["queue"], lane["priority"], lane["due"]) for lane in lanes] == [
        ("default", "normal", 2),
        ("other", "high", 1),
    ]


async def test_what_is_still_to_be_queued_is_told_wherever_it_is_missing(project: Project) -> None:
    """Ten thousand jobs that no list names would be thought done, or cancelled."""
    project.write_rows("rows.jsonl", ROWS)
    assert project.run("submit", "--jsonl", "rows.jsonl", "--run", "r1", "--detach").code == 0
    assert "to come    3 jobs of run r1" in project.run("queue", "status").out
    chosen = project.run("job", "cancel", "--run", "r1", "--task", "t*", "--dry-run")
    assert "3 jobs of run r1 are not queued yet" in chosen.err
    cancelled = project.run("run", "cancel", "r1")
    assert "0 jobs taken out, 3 were never queued" in cancelled.err


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["run", "retry", "nope"], id="retry"),
        pytest.param(["job", "cancel", "--run", "nope", "--dry-run"], id="cancel"),
    ],
)
def test_a_run_that_nobody_knows_is_an_error(project: Project, words: list[str]) -> None:
    """A script that misspells it would believe that all is well."""
    ended = project.run(*words)
    assert ended.code == 2
    assert "'nope'" in ended.err


def test_a_submission_that_waits_says_that_nobody_works_and_how_to_go_on(project: Project) -> None:
    """It would wait for ever for a worker that nobody has started."""
    project.write_rows("rows.jsonl", [{"prompt": "Print 1."}] * 7)
    running = project.start(
        "submit", "--jsonl", "rows.jsonl", "--run", "r", PROMPTMILL_QUEUE__HIGH_WATER="5"
    )
    asyncio.run(running.until_it_says("no worker has been heard of yet. Start one:"))
    running.interrupt_group()
    ended = running.ended(within_seconds=15)
    assert ended.code == 130
    assert "go on with:  promptmill submit --jsonl rows.jsonl --run r" in ended.err
    assert project.queued() == 5
