"""One delivery of a job that comes to its end: what is recorded, told, and left behind."""

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from jobs.events import AttemptFinished, JobCancelled, JobFinished
from jobs.limits import Limits
from jobs.models import Record
from jobs.verdicts import Verdict
from tests.making import NOON, a_record
from tests.programs import CRASH, GOOD, PROSE
from worker.consumer.endings import Cancelled, Recorded
from worker.model.scripted import ScriptedModel

from .delivering import JOB, Bench, Elsewhere, Interrupted, busy


async def test_a_delivery_ends_with_a_record_that_says_everything(bench: Bench) -> None:
    """Whoever reads it later has nothing else."""
    assert isinstance(await bench.deliver(ScriptedModel(CRASH, GOOD), number=2), Recorded)
    record = await bench.store.get("j")
    assert record.job == JOB
    assert (record.verdict, record.solved_at, record.error) == (Verdict.ACCEPTED, 2, None)
    assert (record.deliveries, record.queued_at) == (2, NOON)
    assert (record.worker, record.requested_model, record.served_model) == (
        "test-worker",
        "scripted",
        "scripted",
    )
    assert record.simulated
    assert record.isolation == bench.sandbox.isolation
    assert {"python", "promptmill", "arq", "google-genai", "redis"} == record.versions.keys()
    assert record.queued_at <= record.started_at <= record.finished_at


async def test_what_happens_is_told_in_order(bench: Bench) -> None:
    """A progress line follows it."""
    await bench.deliver(ScriptedModel(CRASH, GOOD))
    told = await bench.events()
    assert [event.kind for event in told] == ["started", "attempt", "attempt", "finished"]
    assert [event.number for event in told if isinstance(event, AttemptFinished)] == [1, 2]
    assert isinstance(told[-1], JobFinished)
    assert (told[-1].verdict, told[-1].solved_at) == (Verdict.ACCEPTED, 2)


async def test_the_log_says_for_which_program_all_others_stand_still(bench: Bench) -> None:
    """A worker that runs nothing for a minute, without a word, is taken for one that hangs."""
    slow = {"limits": Limits(cpu_seconds=0.3, wall_seconds=10), "max_attempts": 1}
    job = JOB.model_copy(update={"run_id": "r", "task_id": "t/1", **slow})
    with capture_logs([merge_contextvars]) as events:
        await bench.deliver(ScriptedModel("```python\nwhile True: pass\n```"), job=job)
    told = [each for each in events if "program" in each["event"]]
    assert [each["event"] for each in told] == [
        "no other program is run beside one that was over its time",
        "other programs may be run again",
    ]
    for each in told:
        names = [each[name] for name in ("run_id", "job_id", "task_id", "log_level")]
        assert names == ["r", "j", "t/1", "info"]
    assert told[0]["wall_seconds"] > 0
    assert told[1]["stood_still_seconds"] > 0


async def test_events_of_a_run_go_to_one_stream(bench: Bench) -> None:
    """A run of a thousand jobs is followed in one place."""
    job = JOB.model_copy(update={"run_id": "r"})
    await bench.deliver(ScriptedModel(GOOD), job=job)
    assert [event.job_id for event in await bench.events("r")] == ["j", "j", "j"]


async def test_nothing_of_a_finished_job_stays_in_redis(bench: Bench) -> None:
    """Redis coordinates; it does not store."""
    await bench.deliver(ScriptedModel(CRASH, GOOD))
    assert await bench.leftovers() == set()


async def test_a_job_delivered_after_its_record_exists_changes_nothing(bench: Bench) -> None:
    """A worker may die between the record and saying so."""
    await bench.store.put(a_record(JOB, Verdict.ACCEPTED))
    model = ScriptedModel(CRASH)
    assert isinstance(await bench.deliver(model, number=2), Recorded)
    assert (await bench.store.get("j"), model.requests) == (a_record(JOB, Verdict.ACCEPTED), [])
    assert [event.kind for event in await bench.events()] == ["finished"]


async def test_what_is_told_of_two_deliveries_is_what_was_stored(bench: Bench) -> None:
    """Two workers may hold a job after a freeze; the second must not report what it did not store."""
    await bench.deliver(
        Interrupted(lambda: bench.store.put(a_record(JOB, Verdict.WRONG_ANSWER)), GOOD)
    )
    last = (await bench.events())[-1]
    assert isinstance(last, JobFinished)
    assert last.verdict is Verdict.WRONG_ANSWER


async def test_a_job_cancelled_before_it_begins_asks_nothing(bench: Bench) -> None:
    """It may have waited for its next delivery when the wish came."""
    await bench.redis.set(bench.keys.cancelled("j"), "1")
    model = ScriptedModel(GOOD)
    assert isinstance(await bench.deliver(model), Cancelled)
    assert model.requests == []
    assert [type(event) for event in await bench.events()] == [JobCancelled]


async def test_a_job_is_cancelled_between_two_attempts(bench: Bench) -> None:
    """The next call is not made; there is no record, and nothing is left."""
    model = Interrupted(lambda: bench.redis.set(bench.keys.cancelled("j"), "1"), CRASH, GOOD)
    assert isinstance(await bench.deliver(model), Cancelled)
    assert len(model.requests) == 1
    assert not await bench.store.has("j")
    assert await bench.leftovers() == set()
    assert [event.kind for event in await bench.events()] == ["started", "attempt", "cancelled"]


async def test_a_wish_to_stop_that_comes_during_the_last_attempt_comes_too_late(
    bench: Bench,
) -> None:
    """The answer is there and paid for; thrown away it helps nobody."""
    await bench.deliver(Interrupted(lambda: bench.redis.set(bench.keys.cancelled("j"), "1"), GOOD))
    assert (await bench.store.get("j")).verdict is Verdict.ACCEPTED
    assert await bench.leftovers() == set()


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        pytest.param(None, Limits(cpu_seconds=5, wall_seconds=10), id="the worker's default"),
        pytest.param(Limits(cpu_seconds=1), Limits(cpu_seconds=1), id="less than the ceiling"),
        pytest.param(
            Limits(cpu_seconds=3600, memory_mib=65_536),
            Limits(cpu_seconds=60, memory_mib=2048),
            id="more than the ceiling",
        ),
    ],
)
async def test_the_limits_in_force_are_recorded(
    bench: Bench, asked: Limits | None, granted: Limits
) -> None:
    """A program that was killed at 60 s was not given the hour its job asked for."""
    await bench.deliver(ScriptedModel(GOOD), job=JOB.model_copy(update={"limits": asked}))
    record = await bench.store.get("j")
    assert (record.limits, record.job.limits) == (granted, asked)


async def test_a_record_claims_no_more_isolation_than_every_attempt_had(bench: Bench) -> None:
    """A job may be resumed by a stronger worker; what ran before it ran without those walls."""
    elsewhere = replace(bench, sandbox=Elsewhere(bench.sandbox))
    await elsewhere.deliver(ScriptedModel(CRASH, busy()))
    await bench.deliver(ScriptedModel(PROSE, GOOD), number=2)
    record = await bench.store.get("j")
    ran_under = [attempt.isolation for attempt in record.attempts]
    assert ran_under == [Elsewhere.isolation, None, bench.sandbox.isolation]
    assert record.isolation is not None
    assert record.isolation.profile == "rlimits"
    assert set(record.isolation.layers) <= {"rlimits"}
    assert "seccomp" in record.isolation.missing


async def test_a_record_that_was_made_can_be_read(bench: Bench) -> None:
    """With everything in it that a real run brings along."""
    await bench.deliver(ScriptedModel(CRASH, GOOD))
    record = await bench.store.get("j")
    assert Record.model_validate_json(record.to_json()) == record


async def test_a_job_whose_worker_died_between_record_and_index_is_listed_in_the_end(
    bench: Bench,
) -> None:
    """A run's counts come from the index: a job that is missing there is one that never ends."""
    await bench.store.put(a_record(JOB, Verdict.ACCEPTED))
    # What is left by a worker that died there.
    await bench.store.aclose()
    with closing(sqlite3.connect(bench.store.directory / "index.sqlite")) as index, index:
        index.execute("DELETE FROM summaries")
    assert [job async for job in bench.store.summaries()] == []
    await bench.deliver(ScriptedModel(), number=2)
    assert [job.job_id async for job in bench.store.summaries()] == ["j"]
