"""One delivery of a job when something goes wrong with us: a record in the end, or its way back into the queue."""

from pathlib import Path

import pytest
from arq.constants import retry_key_prefix
from pydantic import JsonValue

from jobs.checkers import PassesTests
from jobs.events import JobDelayed
from jobs.models import PromptJob
from jobs.verdicts import Verdict
from tests.consuming import consumer_of
from tests.making import NOON
from tests.programs import CRASH, GOOD
from worker.consumer.endings import Endings, PutBack, Recorded
from worker.errors import (
    ModelClosedError,
    ModelKeyError,
    ModelQuotaError,
    ModelRejectedError,
)
from worker.model.scripted import ScriptedModel

from .delivering import JOB, SETTINGS, Bench, busy, seconds


async def test_a_model_that_is_not_there_puts_the_job_back_and_uses_no_attempt(
    bench: Bench,
) -> None:
    """429 and 503 are everyday; they say nothing about the job."""
    retry = await bench.deliver(ScriptedModel(busy()))
    assert seconds(retry) > 0
    assert not await bench.store.has("j")
    last = (await bench.events())[-1]
    assert isinstance(last, JobDelayed)
    assert (last.reason, last.seconds) == (busy().in_one_line, seconds(retry))
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
    assert isinstance(await bench.deliver(ScriptedModel(CRASH, busy()), number=3), Recorded)
    record = await bench.store.get("j")
    assert (record.verdict, record.error) == (Verdict.INTERNAL_ERROR, busy().in_one_line)
    assert [attempt.verdict for attempt in record.attempts] == [Verdict.RUNTIME_ERROR]
    assert await bench.leftovers() == set()


async def test_an_error_that_no_delivery_can_mend_is_recorded_at_once(bench: Bench) -> None:
    """A malformed request stays malformed."""
    assert isinstance(
        await bench.deliver(ScriptedModel(ModelRejectedError("no such field"))), Recorded
    )
    record = await bench.store.get("j")
    assert (record.verdict, record.error) == (Verdict.INTERNAL_ERROR, "no such field")


async def test_tests_that_cannot_be_used_end_their_job_at_once_with_the_reason(
    bench: Bench,
) -> None:
    """Another delivery finds the same tests; whoever wrote them has to be told what is wrong with them."""
    job = PromptJob(prompt="x", job_id="j", checker=PassesTests(tests="assert double(2) ==="))
    assert isinstance(await bench.deliver(ScriptedModel(GOOD), job=job), Recorded)
    record = await bench.store.get("j")
    assert (record.verdict, record.deliveries) == (Verdict.INTERNAL_ERROR, 1)
    assert record.error == (
        "the job's tests cannot be used: they do not compile: line 1: invalid syntax "
        "(mend the tests and queue the task again, in a run of another name)"
    )


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
    assert isinstance(await bench.deliver(model, number=4), Recorded)
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
    assert isinstance(await bench.deliver(ScriptedModel(), number=number + 1), Recorded)
    assert (await bench.store.get("j")).verdict is Verdict.ACCEPTED


async def test_an_outage_of_the_store_uses_up_no_delivery(bench: Bench, tmp_path: Path) -> None:
    """A job that was never tried would else end as one that had been tried too often."""
    (tmp_path / "records").write_text("in the way")
    retry = await bench.deliver(ScriptedModel(), number=3)
    assert seconds(retry) >= 10, "a count that stands still makes no delay grow"
    assert await bench.redis.get(retry_key_prefix + "j") == b"2"
    (tmp_path / "records").unlink()
    assert isinstance(await bench.deliver(ScriptedModel(GOOD), number=3), Recorded)
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
    claim = await bench.claim(number=3)
    ending = await consumer.take(claim, JOB.model_dump(mode="json", by_alias=True), NOON)
    assert await Endings(bench.redis, bench.keys, bench.store, "w").end(claim, ending)
    assert refusals == [refusal]
    assert await bench.redis.get(retry_key_prefix + "j") == b"2"
    assert not await bench.store.has("j")


async def test_a_payload_of_a_newer_version_waits_for_a_worker_that_understands_it(
    bench: Bench,
) -> None:
    """While a fleet is updated, producers may be ahead of some workers."""
    consumer = consumer_of(bench.redis, bench.store, ScriptedModel(GOOD), bench.sandbox, SETTINGS)
    payload: dict[str, JsonValue] = {**JOB.model_dump(mode="json", by_alias=True), "newField": 1}
    ending = await consumer.take(await bench.claim(), payload, NOON)
    assert ending == PutBack(600)


async def test_a_checkpoint_that_cannot_be_read_does_not_keep_a_job_for_ever(
    bench: Bench,
) -> None:
    """Another version may have written it."""
    await bench.redis.hset(bench.keys.checkpoint("j"), "attempt:1", "{}")  # type: ignore[misc]
    assert seconds(await bench.deliver(ScriptedModel(GOOD), number=1)) > 0
    assert isinstance(await bench.deliver(ScriptedModel(GOOD), number=3), Recorded)
    assert (await bench.store.get("j")).verdict is Verdict.INTERNAL_ERROR
