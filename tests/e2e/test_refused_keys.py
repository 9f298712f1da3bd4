"""A key that does not work, or no more today: everything stops, nothing is lost, and a person is told why."""

import re
import signal

import pytest

from tests.standin import steps
from tests.standin.running import Standin
from tests.standin.script import Rule
from tests.waiting import wait_until

from .programs import reply
from .project import Ended, Project
from .told import Told, told_as_json_by, told_by

pytestmark = pytest.mark.e2e

BAD_KEY = "not-the-key-of-anybody-W3rQ"


@pytest.fixture
def refused(gemini: Project, standin: Standin) -> tuple[str, ...]:
    """How the run `r` was begun, of one job: it stands still now, for the quota of the day is used up."""
    gemini.write_rows("one.jsonl", [{"prompt": "Print 42.", "expect": "42"}])
    standin.says(steps.daily_quota())
    evaluation = ("eval", "one.jsonl", "--run", "r")
    assert gemini.run(*evaluation).code == 4
    return evaluation


def _assert_meant(told: Told, ended: Ended) -> None:
    assert (told.kind, told.code, told.retryable) == ("model-key-invalid", 4, False)
    assert re.search(r"API_KEY_INVALID", told.body)
    assert re.search(rf"key +{len(BAD_KEY)} characters, ends in …W3rQ", told.body)
    assert BAD_KEY not in ended.said


@pytest.mark.parametrize("words", [("eval", "one.jsonl"), ("worker",)], ids=["eval", "worker"])
def test_a_wrong_key_stops_everything_before_it_starts(
    gemini: Project, words: tuple[str, ...]
) -> None:
    """A run of a thousand jobs must not fail a thousand times for one reason."""
    gemini.write_rows("one.jsonl", [{"prompt": "Print 1."}])
    ended = gemini.run(*words, GEMINI_API_KEY=BAD_KEY)
    _assert_meant(told_by(ended), ended)
    assert gemini.kept_in_redis() == set()
    assert gemini.records() == []


@pytest.mark.parametrize("words", [("eval", "one.jsonl"), ("worker",)], ids=["eval", "worker"])
def test_a_wrong_key_is_told_in_json(gemini: Project, words: tuple[str, ...]) -> None:
    """Whoever starts workers by program has to see that a person is needed."""
    gemini.write_rows("one.jsonl", [{"prompt": "Print 1."}])
    ended = gemini.run(*words, "--json", GEMINI_API_KEY=BAD_KEY)
    _assert_meant(told_as_json_by(ended), ended)


def test_a_key_is_never_replaced_by_recordings(gemini: Project) -> None:
    """Recorded answers to a prompt that comes with promptmill would pass for the model's."""
    task = {"prompt": "Print the first 20 primes, separated by spaces."}
    gemini.write_rows("one.jsonl", [task])
    assert gemini.run("eval", "one.jsonl", GEMINI_API_KEY=BAD_KEY).code == 4
    assert gemini.records() == []


async def test_jobs_outlive_the_key_they_were_started_with(
    gemini: Project, standin: Standin
) -> None:
    """A revoked key is a person's business: when it is in force again, the same worker goes on where it stood."""
    worker = await gemini.start_worker()
    standin.script(
        Rule(steps=(steps.text(reply("print(1 / 0)")), steps.bad_key()), repeats=True),
        Rule(on="metadata", steps=(steps.bad_key(),), repeats=True),
    )
    job_id = gemini.submit("Print 42.", "--expect", "42")
    await worker.until_it_says("no job is taken")
    assert gemini.queued() == 1
    assert gemini.records() == []

    standin.script(Rule(last="ZeroDivisionError", steps=(steps.text(reply("print(42)")),)))
    await wait_until(lambda: len(gemini.records()) == 1, 20, "the record")
    [record] = gemini.records()
    assert (record.job_id, record.deliveries) == (job_id, 1)
    assert (record.solved_at, len(record.attempts)) == (2, 2)
    assert [request.status for request in standin.requests] == [200, 400, 200]
    # The record comes first.
    await wait_until(lambda: gemini.queued() == 0, 20, "an empty queue")


async def test_jobs_outlive_a_used_up_quota_of_the_day(gemini: Project, standin: Standin) -> None:
    """Fifty thousand queued jobs must wait for tomorrow's quota, and not fail one by one within a minute."""
    worker = await gemini.start_worker()
    standin.says(steps.daily_quota())
    job_id = gemini.submit("Print 42.", "--expect", "42")
    await worker.until_it_says("no job is taken")
    assert (gemini.queued(), gemini.records()) == (1, [])
    assert len(standin.requests) == 1
    worker.send(signal.SIGTERM)
    assert worker.ended().code == 0

    standin.says(reply("print(42)"))
    await gemini.start_worker()
    await wait_until(lambda: len(gemini.records()) == 1, 20, "the record")
    [record] = gemini.records()
    assert (record.job_id, record.solved_at, record.deliveries) == (job_id, 1, 1)


@pytest.mark.parametrize("words", [("worker", "--burst"), ("eval", "one.jsonl", "--run", "r")])
def test_what_is_to_end_ends_with_the_reason(
    gemini: Project, standin: Standin, words: tuple[str, ...]
) -> None:
    """A command in a script cannot wait for tomorrow, and its exit code says that somebody has to do something."""
    gemini.write_rows("one.jsonl", [{"prompt": "Print 42.", "expect": "42"}])
    if words[0] == "worker":
        gemini.submit("Print 42.", "--expect", "42")
    standin.says(steps.daily_quota())
    told = told_by(gemini.run(*words))
    assert (told.kind, told.code, told.retryable) == ("model-quota-used-up", 4, False)
    assert gemini.records() == []


def test_a_run_that_was_refused_is_paused_with_the_reason_until_it_is_started_again(
    gemini: Project, standin: Standin, refused: tuple[str, ...]
) -> None:
    """Whoever comes back to it reads why it stands still, and types what they typed before."""
    shown = gemini.run("run", "show", "r", "--json").json()
    assert (shown["state"], shown["cause"]) == ("paused", "model-quota-used-up")
    reason = "today's quota for 'gemini-3.8-flash' is used up"
    assert shown["reason"] == reason
    for words in (("show", "r"), ("list",)):
        assert reason in gemini.run("run", *words).out
    standin.says(reply("print(42)"))
    assert gemini.run(*refused).code == 0
    assert len(gemini.records()) == 1
    assert gemini.run("run", "show", "r", "--json").json()["state"] == "active"


@pytest.mark.usefixtures("refused")
def test_a_resumed_run_says_why_it_had_stood_still(gemini: Project) -> None:
    """Who resumes it before anything was mended should know what to expect."""
    assert "it was paused: today's quota" in gemini.run("run", "resume", "r").err


def test_a_run_that_is_resumed_too_early_stands_still_again_with_the_reason(
    gemini: Project, refused: tuple[str, ...]
) -> None:
    """Nothing was mended: a run that counts as going on, and never does, is found in the morning."""
    assert gemini.run("run", "resume", "r").code == 0
    told = told_by(gemini.run(*refused))
    assert (told.kind, told.code) == ("model-quota-used-up", 4)
    shown = gemini.run("run", "show", "r", "--json").json()
    assert (shown["state"], shown["cause"]) == ("paused", "model-quota-used-up")
    assert (shown["held"], gemini.records()) == (1, [])


async def test_whoever_resumes_a_run_is_told_that_the_workers_wait_for_the_next_day(
    gemini: Project, standin: Standin
) -> None:
    """The pause is lifted and the jobs wait in the queue; nobody would know for what."""
    worker = await gemini.start_worker()
    standin.says(steps.daily_quota())
    gemini.write_rows("one.jsonl", [{"prompt": "Print 42.", "expect": "42"}])
    assert gemini.run("submit", "--jsonl", "one.jsonl", "--run", "r").code == 0
    await worker.until_it_says("no job is taken")

    def is_shown() -> bool:
        [shown] = gemini.run("queue", "status", "--json").json()["workers"]
        return shown["takesNone"] is not None

    await wait_until(is_shown, 20, "a sign of it")
    reason = "the running workers take no job now: today's quota"
    assert reason in gemini.run("run", "resume", "r").err
    again = gemini.run("submit", "--jsonl", "one.jsonl", "--run", "r")
    assert (again.code, reason in again.err) == (0, True), again.err
    assert "takes no job now: today's quota" in gemini.run("queue", "status").out
    assert (len(standin.requests), gemini.queued()) == (1, 1)
