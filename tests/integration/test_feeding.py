"""Runs that were left to the workers: every job is queued once, whoever feeds and whoever is killed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from jobs.clock import utcnow
from jobs.errors import StoreError, UsageError
from jobs.feeding import (
    Next,
    NoBatch,
    end_feeding,
    feed_batch,
    hand_over,
    next_batch,
    runs_to_feed,
)
from jobs.models import PromptJob
from jobs.queue import JobQueue, JobStatus
from jobs.records import RecordStore
from jobs.records.files import FileRecordStore
from jobs.records.memory import MemoryRecordStore
from jobs.run_control import begin_run, cancel_run, pause_run, resume_run
from jobs.runs import RunState, get_run
from jobs.verdicts import Verdict
from tests.making import a_record
from tests.queueing import claim, finish, ids_queued, n_queued
from tests.waiting import wait_until
from worker.consumer.feeder import Feeder

PLACE = "r+1"
"""Where the jobs of the first hand-over of run `r` lie."""


def a_job(number: int) -> PromptJob:
    return PromptJob(prompt="Print 1.", job_id=f"j{number}", run_id="r")


async def handed_over(queue: JobQueue, n: int) -> int:
    return await hand_over(queue, "r", (a_job(number) for number in range(n)), at=None)


@contextlib.asynccontextmanager
async def feeding(
    queue: JobQueue, *, high_water: int = 5000, n_feeders: int = 1
) -> AsyncIterator[None]:
    """So many workers' feeders, for as long as the block lasts."""
    feeders = [Feeder(queue.redis, queue.keys, queue.records, high_water) for _ in range(n_feeders)]
    tasks = [asyncio.create_task(feeder.run()) for feeder in feeders]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def is_fed(queue: JobQueue) -> bool:
    return await runs_to_feed(queue.redis, queue.keys) == []


async def test_a_run_that_was_handed_over_is_queued_by_workers(queue: JobQueue) -> None:
    """Whoever evaluates a million prompts closes the laptop and goes home."""
    assert await handed_over(queue, 1234) == 1234
    assert await n_queued(queue) == 0
    run = await get_run(queue, "r")
    assert (run.submitted, run.to_feed, run.open) == (0, 1234, 1234)
    async with feeding(queue):
        await wait_until(lambda: is_fed(queue), 10, "a run that is fed")
    assert await ids_queued(queue) == [f"j{number}" for number in range(1234)]
    run = await get_run(queue, "r")
    assert (run.submitted, run.to_feed, run.open) == (1234, 0, 1234)
    with pytest.raises(StoreError):
        await queue.records.get_batch(PLACE, 0)


async def test_three_feeders_at_once_queue_each_job_once(queue: JobQueue) -> None:
    """Every worker may feed."""
    await handed_over(queue, 2600)
    async with feeding(queue, n_feeders=3):
        await wait_until(lambda: is_fed(queue), 10, "a run that is fed")
    assert await ids_queued(queue) == [f"j{number}" for number in range(2600)]
    assert (await get_run(queue, "r")).submitted == 2600


async def test_two_who_feed_the_same_batch_feed_it_once(queue: JobQueue) -> None:
    """A feeder that was frozen for longer than its term goes on where it was."""
    await handed_over(queue, 600)
    content = await queue.records.get_batch(PLACE, 0)
    both = await asyncio.gather(
        *[feed_batch(queue.redis, queue.keys, "r", Next(0, PLACE), content) for _ in range(2)]
    )
    assert sorted(fed.n_queued for fed in both) == [-1, 500]
    # Done and claimed meanwhile, its jobs must not come again.
    await claim(queue, "j0")
    await finish(queue, a_job(0))
    assert (await feed_batch(queue.redis, queue.keys, "r", Next(0, PLACE), content)).n_queued == -1
    assert await next_batch(queue.redis, queue.keys, "r", 5000) == Next(1, PLACE)
    assert (await get_run(queue, "r")).to_feed == 100


async def test_a_feeder_that_is_killed_at_any_step_is_replaced(queue: JobQueue) -> None:
    """Workers come and go while a run of a week is fed."""
    await handed_over(queue, 3000)
    for n_fed in (1, 600, 1200, 1800):
        async with feeding(queue):
            await wait_until(partial(holds, queue, n_fed), 10, "some jobs")
        # What it was elected for ends by itself; the test need not wait for it.
        await queue.redis.delete(queue.keys.feeder("r"))
    async with feeding(queue):
        await wait_until(lambda: is_fed(queue), 20, "a run that is fed")
    assert await ids_queued(queue) == [f"j{number}" for number in range(3000)]
    assert (await get_run(queue, "r")).submitted == 3000


async def test_another_worker_feeds_when_the_elected_one_is_gone(queue: JobQueue) -> None:
    """A term ends by itself, ten seconds after the last sign."""
    await queue.redis.set(queue.keys.feeder("r"), "somebody else", px=300)
    await handed_over(queue, 10)
    async with feeding(queue):
        await wait_until(lambda: is_fed(queue), 10, "a run that is fed")
    assert await n_queued(queue) == 10


async def test_no_more_is_queued_than_may_be_due(queue: JobQueue) -> None:
    """A million prompts would fill the memory of the server."""
    await handed_over(queue, 3000)
    async with feeding(queue, high_water=600):
        await wait_until(lambda: holds(queue, 500), 10, "as much as may be due")
        assert (await next_batch(queue.redis, queue.keys, "r", 600)).batch is NoBatch.NOT_YET
        for number in range(500):
            await claim(queue, f"j{number}")
            await finish(queue, a_job(number))
        await wait_until(lambda: holds(queue, 500), 10, "the next batch")
    assert await n_queued(queue) == 500


async def holds(queue: JobQueue, n: int) -> bool:
    return await n_queued(queue) >= n


async def test_a_paused_run_is_not_fed_until_it_goes_on(queue: JobQueue) -> None:
    """Whoever pauses a run pauses all of it."""
    await handed_over(queue, 700)
    await pause_run(queue, "r", "")
    assert (await next_batch(queue.redis, queue.keys, "r", 5000)).batch is NoBatch.NOT_YET
    content = await queue.records.get_batch(PLACE, 0)
    assert (await feed_batch(queue.redis, queue.keys, "r", Next(0, PLACE), content)).n_queued == -1
    assert await n_queued(queue) == 0
    await resume_run(queue, "r")
    async with feeding(queue):
        await wait_until(lambda: is_fed(queue), 10, "a run that is fed")
    assert await n_queued(queue) == 700


async def test_a_cancelled_run_is_not_fed_any_more(queue: JobQueue) -> None:
    """What nobody wants any more must not come back an hour later."""
    await handed_over(queue, 1000)
    content = await queue.records.get_batch(PLACE, 0)
    await feed_batch(queue.redis, queue.keys, "r", Next(0, PLACE), content)
    late = await queue.records.get_batch(PLACE, 1)
    assert (await cancel_run(queue, "r", "")).n_taken == 500
    assert (await feed_batch(queue.redis, queue.keys, "r", Next(1, PLACE), late)).n_queued == -1
    run = await get_run(queue, "r")
    assert (run.state, run.open, run.to_feed) == (RunState.CANCELLED, 0, 0)
    assert await is_fed(queue)
    with pytest.raises(StoreError):
        await queue.records.get_batch(PLACE, 1)
    await begin_run(queue, "r")
    assert await handed_over(queue, 1000) == 1000


async def test_a_damaged_batch_keeps_no_other_run_from_being_fed(queue: JobQueue) -> None:
    """A disk that cut one file short would stop every detached run of every worker, without a word."""
    await handed_over(queue, 600)
    await queue.records.put_batch(PLACE, 0, (await queue.records.get_batch(PLACE, 0))[:-20])
    other = PromptJob(prompt="Print 1.", job_id="k", run_id="s")
    await hand_over(queue, "s", iter([other]), at=None)
    async with feeding(queue):
        await wait_until(lambda: holds(queue, 1), 10, "the job of the other run")
    assert await ids_queued(queue) == ["k"]


async def test_a_burst_waits_only_for_runs_that_come_its_way(queue: JobQueue) -> None:
    """Jobs for others, or of a paused run, would keep it waiting for ever."""
    feeder = Feeder(queue.redis, queue.keys, queue.records, 5000)
    await handed_over(queue, 1)
    assert await feeder.has_more({"default:any:normal"})
    assert not await feeder.has_more({"default:gemini:normal"})
    await pause_run(queue, "r", "")
    assert not await feeder.has_more({"default:any:normal"})


async def test_what_is_recorded_is_not_handed_over(queue: JobQueue) -> None:
    """A run goes on where it was, whoever feeds it."""
    await queue.records.put(a_record(a_job(1), Verdict.ACCEPTED))
    assert await handed_over(queue, 3) == 2
    async with feeding(queue):
        await wait_until(lambda: is_fed(queue), 10, "a run that is fed")
    assert await ids_queued(queue) == ["j0", "j2"]


async def test_a_run_that_is_all_recorded_leaves_nothing_to_feed(queue: JobQueue) -> None:
    """Nobody would ever end what has no batch."""
    await queue.records.put(a_record(a_job(0), Verdict.ACCEPTED))
    assert await handed_over(queue, 1) == 0
    assert await is_fed(queue)


async def test_a_run_is_handed_over_once_at_a_time(queue: JobQueue) -> None:
    """Another one's batches would lie where those that are being fed do."""
    await handed_over(queue, 600)
    with pytest.raises(UsageError, match="already"):
        await handed_over(queue, 600)


async def test_jobs_that_are_left_to_workers_may_be_for_later(queue: JobQueue) -> None:
    """Nightly work is handed over by day."""
    later = utcnow() + timedelta(hours=1)
    await hand_over(queue, "r", iter([a_job(0)]), at=later)
    async with feeding(queue):
        await wait_until(lambda: is_fed(queue), 10, "a run that is fed")
    assert await queue.handle("j0").status() is JobStatus.DEFERRED


async def test_no_more_jobs_for_later_are_queued_than_may_wait(queue: JobQueue) -> None:
    """What is handed over by day for the night lies in the store until there is room."""
    later = utcnow() + timedelta(hours=1)
    await hand_over(queue, "r", (a_job(number) for number in range(3000)), at=later)
    async with feeding(queue, high_water=600):
        await wait_until(lambda: holds(queue, 500), 10, "as much as may wait")
        assert (await next_batch(queue.redis, queue.keys, "r", 600)).batch is NoBatch.NOT_YET


async def test_a_worker_that_was_killed_before_it_forgot_a_run_leaves_that_to_another(
    queue: JobQueue,
) -> None:
    """Its batches are dropped by then, and must not be looked for."""
    await handed_over(queue, 10)
    content = await queue.records.get_batch(PLACE, 0)
    await feed_batch(queue.redis, queue.keys, "r", Next(0, PLACE), content)
    await queue.records.drop_batches(PLACE)
    async with feeding(queue):
        await wait_until(lambda: is_fed(queue), 10, "a run that is fed")
    assert await n_queued(queue) == 10


async def test_a_run_that_is_not_yet_fed_is_not_forgotten(queue: JobQueue) -> None:
    """Somebody who is late must not end what another has just begun."""
    await handed_over(queue, 10)
    await end_feeding(queue.redis, queue.keys, "r", PLACE)
    assert await runs_to_feed(queue.redis, queue.keys) == ["r"]


@pytest.mark.parametrize("kind", ["files", "memory"])
async def test_batches_are_kept_replaced_and_dropped(kind: str, tmp_path: Path) -> None:
    """A command that broke off and is typed again writes the same batches again."""
    store: RecordStore = FileRecordStore(tmp_path) if kind == "files" else MemoryRecordStore()
    await store.drop_batches("r")
    await store.put_batch("r", 0, b"first")
    await store.put_batch("r", 0, b"second")
    await store.put_batch("s", 0, b"another run's")
    assert await store.get_batch("r", 0) == b"second"
    assert [record async for record in store.find()] == []
    await store.drop_batches("r")
    with pytest.raises(StoreError):
        await store.get_batch("r", 0)
    assert await store.get_batch("s", 0) == b"another run's"


@pytest.mark.parametrize("kind", ["files", "memory"])
async def test_a_discarded_record_is_gone_and_may_be_put_again(kind: str, tmp_path: Path) -> None:
    """A job that failed because of us gets the record of its second life."""
    store: RecordStore = FileRecordStore(tmp_path) if kind == "files" else MemoryRecordStore()
    await store.discard("j0")
    await store.put(a_record(a_job(0), error="ours"))
    await store.discard("j0")
    assert not await store.has("j0")
    assert await store.put(a_record(a_job(0), Verdict.ACCEPTED))
