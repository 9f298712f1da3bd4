"""One delivery of a job: its record or its way back into the queue, whatever goes wrong with us."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pytest
from arq import Retry
from arq.connections import ArqRedis
from arq.constants import in_progress_key_prefix, retry_key_prefix
from pydantic import JsonValue
from typing_extensions import override

from config.settings import RedisSettings, Settings, WorkerSettings
from jobs.checkers import PrintsOutput
from jobs.connection import open_redis
from jobs.events import AttemptFinished, JobCancelled, JobDelayed, JobEvent, JobFinished, follow
from jobs.keys import Keys
from jobs.limits import Limits
from jobs.models import ExecutableCode, Execution, Isolation, ModelReply, PromptJob, Record
from jobs.records.files import FileRecordStore
from jobs.verdicts import Verdict
from tests.consuming import consumer_of
from tests.making import NOON, a_record
from tests.programs import CRASH, ENDLESS, GOOD, PROSE
from tests.waiting import wait_until
from worker.errors import (
    ModelClosedError,
    ModelKeyError,
    ModelQuotaError,
    ModelRejectedError,
    ModelUnavailableError,
)
from worker.model import ModelRequest
from worker.model.scripted import ScriptedModel
from worker.sandbox import Sandbox

JOB = PromptJob(prompt="Print 1.", job_id="j", checker=PrintsOutput(expected="1"))
SETTINGS = Settings(
    redis=RedisSettings(),
    limits=Limits(cpu_seconds=5, wall_seconds=10),
    worker=WorkerSettings(max_deliveries=3, lease_seconds=1),
)


def busy() -> ModelUnavailableError:
    return ModelUnavailableError("the model answers 503")


class Interrupted(ScriptedModel):
    """While it is asked, something else happens."""

    def __init__(self, meanwhile: Callable[[], Awaitable[object]], *replies: str) -> None:
        super().__init__(*replies)
        self._meanwhile = meanwhile

    @override
    async def generate(self, request: ModelRequest) -> ModelReply:
        await self._meanwhile()
        return await super().generate(request)


@dataclass
class Elsewhere:
    """The sandbox of a worker on a machine that grants less."""

    here: Sandbox
    isolation = Isolation(profile="rlimits", layers=("rlimits",), missing=("seccomp",))

    async def run(
        self, code: ExecutableCode, limits: Limits, *, stdin: str = "", tests: str | None = None
    ) -> Execution:
        return await self.here.run(code, limits, stdin=stdin, tests=tests)


@dataclass
class Bench:
    """A consumer and what it works with."""

    redis: ArqRedis
    sandbox: Sandbox
    store: FileRecordStore
    keys: Keys

    async def deliver(
        self, model: ScriptedModel, number: int = 1, job: PromptJob = JOB, at: datetime = NOON
    ) -> Retry | None:
        """Hand the job over as arq does; gives the wish to have it back, if there is one."""
        await self.redis.set(in_progress_key_prefix + job.job_id, "1", ex=86_400)
        await self.redis.set(retry_key_prefix + job.job_id, number, ex=86_400)
        consumer = consumer_of(self.redis, self.store, model, self.sandbox, SETTINGS)
        try:
            await consumer.take(job.model_dump(mode="json", by_alias=True), number, at)
        except Retry as retry:
            return retry
        return None

    async def events(self, stream: str = "j") -> list[JobEvent]:
        """What was told so far."""
        told: list[JobEvent] = []
        async for event in follow(self.redis, self.keys, stream):
            if event is None:
                break
            told.append(event)
        return told

    async def leftovers(self) -> set[str]:
        """Keys beside the events and arq's own."""
        names = {key.decode() async for key in self.redis.scan_iter()}
        return {name for name in names if not name.startswith(("arq:", "promptmill:events:"))}


@pytest.fixture
async def bench(redis_url: str, sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_redis(redis_url, Keys()) as redis:
        yield Bench(redis, sandbox, FileRecordStore(tmp_path / "records"), Keys())


def seconds(retry: Retry | None) -> float:
    assert retry is not None
    assert retry.defer_score is not None
    return retry.defer_score / 1000


async def test_a_delivery_ends_with_a_record_that_says_everything(bench: Bench) -> None:
    """Whoever reads it later has nothing else."""
    assert await bench.deliver(ScriptedModel(CRASH, GOOD), number=2) is None
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
    assert await bench.deliver(model, number=2) is None
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


async def test_a_model_that_is_not_there_puts_the_job_back_and_uses_no_attempt(
    bench: Bench,
) -> None:
    """429 and 503 are everyday; they say nothing about the job."""
    retry = await bench.deliver(ScriptedModel(busy()))
    assert seconds(retry) > 0
    assert not await bench.store.has("j")
    last = (await bench.events())[-1]
    assert isinstance(last, JobDelayed)
    assert (last.reason, last.seconds) == ("the model answers 503", seconds(retry))
    await bench.deliver(ScriptedModel(GOOD), number=2)
    record = await bench.store.get("j")
    assert (len(record.attempts), record.deliveries) == (1, 2)


async def test_each_delay_is_longer_than_the_one_before(bench: Bench) -> None:
    """A service that is down is not helped by being asked all the time."""
    delays = [seconds(await bench.deliver(ScriptedModel(busy()), number=n)) for n in (1, 2)]
    assert delays == [2, 4]


async def test_the_services_own_wish_is_kept(bench: Bench) -> None:
    """It knows when its quota is full again."""
    error = busy()
    error.retry_after_seconds = 77.0
    assert seconds(await bench.deliver(ScriptedModel(error))) == 77


async def test_no_wish_lets_a_job_wait_for_longer_than_a_day(bench: Bench) -> None:
    """A gateway that asks for years would have the job outlive its payload, and arq drop it."""
    error = busy()
    error.retry_after_seconds = 999_999_999.0
    assert seconds(await bench.deliver(ScriptedModel(error))) == 24 * 3600


async def test_after_the_last_delivery_the_record_says_that_we_failed(bench: Bench) -> None:
    """The attempts until then were paid for, and belong into it."""
    assert await bench.deliver(ScriptedModel(CRASH, busy()), number=3) is None
    record = await bench.store.get("j")
    assert (record.verdict, record.error) == (Verdict.INTERNAL_ERROR, "the model answers 503")
    assert [attempt.verdict for attempt in record.attempts] == [Verdict.RUNTIME_ERROR]
    assert await bench.leftovers() == set()


async def test_an_error_that_no_delivery_can_mend_is_recorded_at_once(bench: Bench) -> None:
    """A malformed request stays malformed."""
    assert await bench.deliver(ScriptedModel(ModelRejectedError("no such field"))) is None
    record = await bench.store.get("j")
    assert (record.verdict, record.error) == (Verdict.INTERNAL_ERROR, "no such field")


async def test_a_bug_of_ours_costs_no_job(bench: Bench) -> None:
    """Arq drops a job whose function raises; the next worker may have the bug mended."""
    assert seconds(await bench.deliver(ScriptedModel(KeyError("oops")))) > 0
    assert not await bench.store.has("j")


async def test_a_bug_of_ours_is_named_in_the_record_after_the_last_delivery(bench: Bench) -> None:
    """A type and a message are enough to find it in the log."""
    await bench.deliver(ScriptedModel(KeyError("oops")), number=3)
    assert (await bench.store.get("j")).error == "KeyError: 'oops'"


async def test_a_job_that_kills_its_workers_comes_to_an_end(bench: Bench) -> None:
    """Delivered again for ever, it would take one worker after another along."""
    model = ScriptedModel(GOOD)
    assert await bench.deliver(model, number=4) is None
    record = await bench.store.get("j")
    assert record.verdict is Verdict.INTERNAL_ERROR
    assert record.error == "delivered 3 times without coming to an end"
    assert model.requests == []


@pytest.mark.parametrize("number", [1, 3, 50, 5000], ids=lambda n: f"delivery {n}")
async def test_a_record_that_cannot_be_stored_never_drops_the_job(
    bench: Bench, tmp_path: Path, number: int
) -> None:
    """A full disk may last for days; what was paid for is kept until there is room."""
    (tmp_path / "records").write_text("in the way")
    await bench.deliver(ScriptedModel(GOOD), number=1)
    retry = await bench.deliver(ScriptedModel(), number=number)
    assert 0 < seconds(retry) <= 600
    (tmp_path / "records").unlink()
    assert await bench.deliver(ScriptedModel(), number=number + 1) is None
    assert (await bench.store.get("j")).verdict is Verdict.ACCEPTED


async def test_an_outage_of_the_store_uses_up_no_delivery(bench: Bench, tmp_path: Path) -> None:
    """A job that was never tried would else end as one that had been tried too often."""
    (tmp_path / "records").write_text("in the way")
    retry = await bench.deliver(ScriptedModel(), number=3)
    assert seconds(retry) >= 10, "a count that stands still makes no delay grow"
    assert await bench.redis.get(retry_key_prefix + "j") == b"2"
    (tmp_path / "records").unlink()
    assert await bench.deliver(ScriptedModel(GOOD), number=3) is None
    assert (await bench.store.get("j")).verdict is Verdict.ACCEPTED


async def test_trouble_with_redis_uses_up_no_delivery(bench: Bench) -> None:
    """It says as little about the job as a full disk does."""
    await bench.redis.set(bench.keys.checkpoint("j"), "no hash, so that reading it fails")
    assert seconds(await bench.deliver(ScriptedModel(), number=2)) >= 10
    assert await bench.redis.get(retry_key_prefix + "j") == b"1"


async def test_our_failure_that_cannot_be_stored_does_not_drop_the_job_either(
    bench: Bench, tmp_path: Path
) -> None:
    """Two things go wrong at once when a machine goes wrong."""
    (tmp_path / "records").write_text("in the way")
    assert seconds(await bench.deliver(ScriptedModel(busy()), number=3)) > 0


@pytest.mark.parametrize(
    "refusal",
    [ModelKeyError("the key is not valid"), ModelQuotaError("no more today")],
    ids=["key", "quota of the day"],
)
async def test_a_closed_model_hands_the_job_back_as_if_it_had_never_been_delivered(
    bench: Bench, refusal: ModelClosedError
) -> None:
    """It is closed to every job; an hour of that must not end ten thousand of them."""
    refusals: list[ModelClosedError] = []
    consumer = consumer_of(
        bench.redis, bench.store, ScriptedModel(refusal), bench.sandbox, SETTINGS
    )
    consumer.on_model_closed = refusals.append
    await bench.redis.set(retry_key_prefix + "j", 3, ex=60)
    with pytest.raises(Retry):
        await consumer.take(JOB.model_dump(mode="json", by_alias=True), 3, NOON)
    assert refusals == [refusal]
    assert await bench.redis.get(retry_key_prefix + "j") == b"2"
    assert not await bench.store.has("j")


async def test_a_worker_that_is_stopped_hands_its_job_back_without_using_a_delivery(
    bench: Bench,
) -> None:
    """Five deploys in the life of a long job would else be its end."""
    model = ScriptedModel(ENDLESS)
    taking = asyncio.create_task(bench.deliver(model, number=2))
    await wait_until(lambda: len(model.requests) == 1, 5, "the request")
    taking.cancel()
    await asyncio.wait([taking])
    assert taking.cancelled()
    assert await bench.redis.get(retry_key_prefix + "j") == b"1"
    assert await bench.redis.ttl(retry_key_prefix + "j") > 0


async def test_a_job_cancelled_before_it_begins_asks_nothing(bench: Bench) -> None:
    """It may have waited for its next delivery when the wish came."""
    await bench.redis.set(bench.keys.cancelled("j"), "1")
    model = ScriptedModel(GOOD)
    assert await bench.deliver(model) is None
    assert model.requests == []
    assert [type(event) for event in await bench.events()] == [JobCancelled]


async def test_a_job_is_cancelled_between_two_attempts(bench: Bench) -> None:
    """The next call is not made; there is no record, and nothing is left."""
    model = Interrupted(lambda: bench.redis.set(bench.keys.cancelled("j"), "1"), CRASH, GOOD)
    assert await bench.deliver(model) is None
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
            Limits(cpu_seconds=3600, memory_mib=1_000_000),
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
    assert record.isolation.profile == "rlimits"
    assert set(record.isolation.layers) <= {"rlimits"}
    assert "seccomp" in record.isolation.missing


async def test_a_payload_of_a_newer_version_waits_for_a_worker_that_understands_it(
    bench: Bench,
) -> None:
    """While a fleet is updated, producers may be ahead of some workers."""
    consumer = consumer_of(bench.redis, bench.store, ScriptedModel(GOOD), bench.sandbox, SETTINGS)
    payload: dict[str, JsonValue] = {**JOB.model_dump(mode="json", by_alias=True), "newField": 1}
    with pytest.raises(Retry):
        await consumer.take(payload, 1, NOON)


async def test_a_checkpoint_that_cannot_be_read_does_not_keep_a_job_for_ever(
    bench: Bench,
) -> None:
    """Another version may have written it."""
    await bench.redis.hset(bench.keys.checkpoint("j"), "attempt:1", "{}")  # type: ignore[misc]
    assert seconds(await bench.deliver(ScriptedModel(GOOD), number=1)) > 0
    assert await bench.deliver(ScriptedModel(GOOD), number=3) is None
    assert (await bench.store.get("j")).verdict is Verdict.INTERNAL_ERROR


async def test_a_record_that_was_made_can_be_read(bench: Bench) -> None:
    """With everything in it that a real run brings along."""
    await bench.deliver(ScriptedModel(CRASH, GOOD))
    record = await bench.store.get("j")
    assert Record.model_validate_json(record.to_json()) == record
