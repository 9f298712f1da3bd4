"""Jobs that name their model on a queue whose workers ask several."""

import asyncio

import pytest

from jobs.errors import RecordNotFoundError
from jobs.queue import JobQueue
from jobs.verdicts import Verdict
from tests.consuming import a_worker
from tests.programs import CRASH, GOOD
from worker.consumer.endings import Recorded
from worker.model.scripted import ScriptedModel
from worker.sandbox import Sandbox

from .delivering import JOB, Bench, busy


class OtherModel(ScriptedModel):
    """A second model, beside the one that is called `scripted`."""

    name = "replay:other"


FOR_OTHER = JOB.model_copy(update={"model": OtherModel.name})


async def test_two_workers_of_different_models_answer_each_their_own_jobs(
    queue: JobQueue, redis_url: str, sandbox: Sandbox
) -> None:
    """One queue serves all of a project, whoever its runs ask."""
    one, other = ScriptedModel(GOOD), OtherModel(GOOD)
    async with (
        asyncio.timeout(50),
        a_worker(redis_url, queue.records, one, sandbox),
        a_worker(redis_url, queue.records, other, sandbox),
    ):
        handles = [
            await queue.submit(
                JOB.model_copy(update={"job_id": f"j{number}", "sample": number, "model": name})
            )
            for number, name in enumerate([one.name, other.name] * 2)
        ]
        records = [await handle.record() for handle in handles]
    assert [record.verdict for record in records] == [Verdict.ACCEPTED] * 4
    assert [record.requested_model for record in records] == ["scripted", "replay:other"] * 2
    assert [record.deliveries for record in records] == [1] * 4
    assert sorted(request.sample for request in one.requests) == [0, 2]
    assert sorted(request.sample for request in other.requests) == [1, 3]


async def test_a_job_that_nobody_here_answers_can_be_cancelled(
    queue: JobQueue, redis_url: str, sandbox: Sandbox
) -> None:
    """There may be no worker for it for days, and somebody waits to see it gone."""
    async with asyncio.timeout(30), a_worker(redis_url, queue.records, ScriptedModel(), sandbox):
        handle = await queue.submit(FOR_OTHER)
        assert await handle.cancel()
        with pytest.raises(RecordNotFoundError):
            await handle.record()


async def test_a_record_names_the_model_that_was_asked_and_not_the_worker_that_ended_it(
    bench: Bench,
) -> None:
    """A job that leaves its model open may be ended by a worker that never asked anybody."""
    await bench.deliver(OtherModel(CRASH, busy()))
    assert isinstance(await bench.deliver(ScriptedModel(busy()), number=3), Recorded)
    record = await bench.store.get("j")
    assert [attempt.reply.requested_model for attempt in record.attempts] == ["replay:other"]
    assert record.requested_model == "replay:other"
