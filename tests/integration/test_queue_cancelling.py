"""Cancelling a job, wherever it is."""

import asyncio

import pytest

from jobs.dead_letters import find_letter, retry_letter, retry_run
from jobs.errors import UsageError
from jobs.events import JobCancelled
from jobs.models import PromptJob
from jobs.queue import JobHandle, JobQueue, JobStatus
from jobs.run_control import cancel_run
from jobs.runs import get_run
from jobs.verdicts import Verdict
from tests.queueing import JOB, claim, finish, is_followed
from tests.waiting import wait_until


async def test_a_queued_job_that_is_cancelled_is_gone(queue: JobQueue) -> None:
    """Nothing of it may run, and nothing of it may stay."""
    handle = await queue.submit(JOB)
    await queue.redis.set(queue.keys.checkpoint("j"), "a reply that was paid for")
    assert await handle.cancel()
    assert await handle.status() is JobStatus.NOT_FOUND
    assert [key async for key in queue.redis.scan_iter()] == [queue.keys.events("j").encode()]


async def test_a_running_job_that_is_cancelled_is_left_to_its_worker(queue: JobQueue) -> None:
    """Taken away under its hands, the worker would put it back, or record it."""
    handle = await queue.submit(JOB)
    await claim(queue, "j")
    assert await handle.cancel()
    assert await handle.status() is JobStatus.IN_PROGRESS
    assert await queue.redis.exists(queue.keys.cancelled("j"))


async def test_a_finished_job_cannot_be_cancelled(queue: JobQueue) -> None:
    """What is recorded has happened."""
    handle = await queue.submit(JOB)
    await finish(queue, JOB)
    assert not await handle.cancel()
    assert await handle.status() is JobStatus.COMPLETE


async def test_a_job_nobody_knows_cannot_be_cancelled(queue: JobQueue) -> None:
    """And must not be marked: a later job of that id would stop before it began."""
    assert not await queue.handle("absent").cancel()
    assert [key async for key in queue.redis.scan_iter()] == []


async def test_a_cancelled_job_may_be_submitted_again(queue: JobQueue) -> None:
    """Events of its first life are still there, and must not end the wait for its second."""
    await (await queue.submit(JOB)).cancel()
    handle = await queue.submit(JOB)
    assert await handle.status() is JobStatus.QUEUED
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        waiting = group.create_task(handle.record())
        await wait_until(lambda: is_followed(queue), 5, "somebody who waits for the record")
        group.create_task(finish(queue, JOB))
    assert waiting.result().job == JOB


async def test_a_wish_to_stop_does_not_outlive_the_run_it_was_about(queue: JobQueue) -> None:
    """A job that was marked while it ran and taken out while it waited would else never run again."""
    handle = await queue.submit(JOB)
    await claim(queue, "j")
    await handle.cancel()
    await claim(queue, "j", lease_seconds=-1)
    await handle.cancel()
    assert not await queue.redis.exists(queue.keys.cancelled("j"))


async def test_a_wish_that_came_too_late_does_not_stop_the_next_life_of_a_job(
    queue: JobQueue,
) -> None:
    """A worker may have been obeying one wish while the next was made."""
    await queue.redis.set(queue.keys.cancelled("j"), "1")
    await queue.submit(JOB)
    assert not await queue.redis.exists(queue.keys.cancelled("j"))


async def test_submitting_again_does_not_take_back_a_wish_to_stop(queue: JobQueue) -> None:
    """ "Changes nothing" holds for a running job, too."""
    handle = await queue.submit(JOB)
    await claim(queue, "j")
    await handle.cancel()
    await queue.submit(JOB)
    assert await queue.redis.exists(queue.keys.cancelled("j"))


async def test_a_job_taken_out_of_the_queue_is_told_to_its_followers(queue: JobQueue) -> None:
    """Whoever waits has to learn that it is in vain."""
    handle = await queue.submit(JOB)
    await handle.cancel()
    async with asyncio.timeout(5):
        seen = [event async for event in handle.events()]
    assert [type(event) for event in seen] == [JobCancelled]


async def retried(queue: JobQueue) -> JobHandle:
    """A job of a run that failed because of us, and was queued again."""
    job = PromptJob(prompt="Print 1.", job_id="j", run_id="r")
    handle = await queue.submit(job)
    await claim(queue, "j")
    await finish(queue, job, Verdict.INTERNAL_ERROR, reason="the disk broke")
    assert await retry_letter(queue, await find_letter(queue, "j"))
    assert not await queue.records.has("j")
    return handle


async def test_a_job_that_is_cancelled_after_a_retry_has_failed_as_before(queue: JobQueue) -> None:
    """Its failure was recorded; a retry that somebody takes back must not make the job vanish without a trace."""
    handle = await retried(queue)
    with pytest.raises(UsageError, match="has not failed"):
        await find_letter(queue, "j")
    assert await handle.cancel()
    assert (await queue.records.get("j")).error == "the disk broke"
    assert (await find_letter(queue, "j")).reason == "the disk broke"
    run = await get_run(queue, "r")
    assert (run.verdicts, run.cancelled, run.open) == ({Verdict.INTERNAL_ERROR: 1}, 0, 0)
    assert (await retry_run(queue, "r")).job_ids == ("j",)


async def test_the_jobs_of_a_run_that_is_cancelled_after_a_retry_have_failed_as_before(
    queue: JobQueue,
) -> None:
    """What is recorded of a cancelled run stays, in whichever way it is cancelled."""
    await retried(queue)
    await cancel_run(queue, "r", "")
    assert (await queue.records.get("j")).verdict is Verdict.INTERNAL_ERROR
    assert (await get_run(queue, "r")).verdicts == {Verdict.INTERNAL_ERROR: 1}
