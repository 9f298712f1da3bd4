"""Waiting for a job: its events as they come, and its record in the end."""

import asyncio

import pytest

from jobs.errors import RecordNotFoundError
from jobs.events import AttemptFinished, JobStarted, publish
from jobs.queue import JobQueue
from jobs.verdicts import Verdict
from tests.queueing import JOB, finish, is_followed
from tests.waiting import wait_until


async def _error_of(waiting: object) -> Exception | None:
    try:
        await waiting  # type: ignore[misc]
    except RecordNotFoundError as error:
        return error
    return None


async def test_record_waits_until_there_is_one(queue: JobQueue) -> None:
    """The ten-line script has no other way to wait."""
    handle = await queue.submit(JOB)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        waiting = group.create_task(handle.record())
        await wait_until(lambda: is_followed(queue), 5, "somebody who waits for the record")
        assert not waiting.done()
        group.create_task(finish(queue, JOB))
    assert waiting.result().job == JOB


async def test_record_finds_a_record_whose_events_have_expired(queue: JobQueue) -> None:
    """Events are kept for an hour, records for good."""
    handle = await queue.submit(JOB)
    await finish(queue, JOB)
    await queue.redis.delete(queue.keys.events("j"))
    async with asyncio.timeout(5):
        assert (await handle.record()).job == JOB


async def test_record_of_a_job_nobody_submitted_is_an_error(queue: JobQueue) -> None:
    """To wait for ever for a misspelt id would be worse."""
    async with asyncio.timeout(10):
        with pytest.raises(RecordNotFoundError, match="'absent'"):
            await queue.handle("absent").record()


async def test_record_of_a_cancelled_job_is_an_error(queue: JobQueue) -> None:
    """There will be none."""
    handle = await queue.submit(JOB)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        waiting = group.create_task(_error_of(handle.record()))
        await wait_until(lambda: is_followed(queue), 5, "somebody who waits for the record")
        assert await handle.cancel()
    assert isinstance(waiting.result(), RecordNotFoundError)


async def test_a_record_is_found_in_a_run_whose_events_never_pause(queue: JobQueue) -> None:
    """Of a large run somebody else's events come all the time, and one's own may have been trimmed away."""
    job = JOB.model_copy(update={"run_id": "r"})
    handle = await queue.submit(job)
    await finish(queue, job)
    await queue.redis.delete(queue.keys.events("r"))

    async def chatter() -> None:
        while True:
            await publish(queue.redis, queue.keys, "r", JobStarted(job_id="other", delivery=1))
            await asyncio.sleep(0.05)

    talking = asyncio.create_task(chatter())
    async with asyncio.timeout(5):
        assert [event async for event in handle.events()] == []
    talking.cancel()


async def test_events_come_in_order_and_only_those_of_the_job(queue: JobQueue) -> None:
    """A progress line that shows another job's attempts, or its own backwards, misleads."""
    job = JOB.model_copy(update={"run_id": "r"})
    handle = await queue.submit(job)
    for job_id, number in [("j", 1), ("other", 1), ("j", 2)]:
        event = AttemptFinished(
            job_id=job_id, number=number, verdict=Verdict.WRONG_ANSWER, explanation="no"
        )
        await publish(queue.redis, queue.keys, "r", event)
    await finish(queue, job)
    async with asyncio.timeout(5):
        seen = [event async for event in handle.events()]
    assert [(event.kind, getattr(event, "number", None)) for event in seen] == [
        ("attempt", 1),
        ("attempt", 2),
        ("finished", None),
    ]
