"""A run is handed over to the workers once, whoever does it at the same time, is killed at it, or wakes up late."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from typing_extensions import override

from jobs.errors import RunCancelledError, StoreError, UsageError
from jobs.feeding import Next, NoBatch, feed_batch, next_batch, runs_to_feed
from jobs.handing_over import hand_over
from jobs.models import PromptJob
from jobs.queue import JobQueue
from jobs.records import RecordStore
from jobs.records.memory import MemoryRecordStore
from jobs.run_control import begin_run, cancel_run
from jobs.runs import HandingOver, find_run, get_run
from jobs.schedules.templates import forget_feeding
from jobs.standing import Watch
from jobs.verdicts import Verdict
from tests.cutting import Cutter, cutting
from tests.making import a_record
from tests.queueing import answer_of, ids_queued
from tests.waiting import wait_until
from worker.consumer.feeder import Feeder

HOUR_MS = 3_600_000


def jobs(n: int) -> Iterator[PromptJob]:
    return (
        PromptJob(prompt="Print 1.", job_id=f"j{number}", run_id="r", task_id=f"t{number}")
        for number in range(n)
    )


async def handed_over(queue: JobQueue, n: int) -> int:
    return await hand_over(queue, "r", jobs(n), at=None)


class _SlowStore(MemoryRecordStore):
    """Keeps no batch after the first until it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.is_let = asyncio.Event()

    @override
    async def put_batch(self, place: str, number: int, content: bytes) -> None:
        if number:
            await self.is_let.wait()
        await super().put_batch(place, number, content)


@contextlib.asynccontextmanager
async def one_at_it(redis_url: str) -> AsyncIterator[tuple[JobQueue, "asyncio.Task[int]"]]:
    """Somebody who is handing over 600 jobs, one batch of which is written; the next waits for a word."""
    async with JobQueue(redis_url, records=_SlowStore()) as queue:
        writing = asyncio.create_task(handed_over(queue, 600))
        try:
            await wait_until(lambda: has_batch(queue.records, "r+1"), 10, "the first batch")
            yield queue, writing
        finally:
            writing.cancel()
            await asyncio.wait([writing])


def let(queue: JobQueue) -> None:
    assert isinstance(queue.records, _SlowStore)
    queue.records.is_let.set()


async def has_batch(records: RecordStore, place: str) -> bool:
    with contextlib.suppress(StoreError):
        return bool(await records.get_batch(place, 0))
    return False


async def is_fed(queue: JobQueue) -> bool:
    return await runs_to_feed(queue.redis, queue.keys) == []


async def is_registered(queue: JobQueue) -> bool:
    return (await get_run(queue, "r")).to_feed > 0


async def feed_all(queue: JobQueue) -> None:
    feeder = asyncio.create_task(Feeder(queue.redis, queue.keys, queue.records, 5000).run())
    await wait_until(lambda: is_fed(queue), 10, "a run that is fed")
    feeder.cancel()
    await asyncio.wait([feeder])


async def silent_for(queue: JobQueue, ms: float) -> None:
    """As if the command that hands over had been killed so long ago."""
    till = str(time.time() * 1000 - ms)
    await answer_of(queue.redis.hset(queue.keys.run("r"), "handingTill", till))


async def test_of_two_who_hand_over_at_once_one_does_and_the_other_is_told(redis_url: str) -> None:
    """A timer that fires twice must not run a dataset twice, nor end with half of the jobs of each."""
    async with one_at_it(redis_url) as (queue, first):
        with pytest.raises(UsageError, match="another command is handing over") as told:
            await handed_over(queue, 600)
        assert told.value.note == "none was added"
        assert (await get_run(queue, "r")).state_in_words == "handing over"
        let(queue)
        assert await first == 600
        with pytest.raises(UsageError, match="workers are queueing the jobs of run 'r' already"):
            await handed_over(queue, 600)
        await feed_all(queue)
        assert await ids_queued(queue) == [f"j{number}" for number in range(600)]
        assert (await get_run(queue, "r")).submitted == 600


async def test_whoever_watches_a_run_waits_while_it_is_handed_over(redis_url: str) -> None:
    """A second half that is still being written is no reason to say that all is over."""
    async with one_at_it(redis_url) as (queue, _):
        await queue.records.put(a_record(next(jobs(1)), Verdict.ACCEPTED))
        watch = Watch(queue, "r")
        for _ in range(3):
            assert not (await watch.look()).is_over


async def test_a_hand_over_that_was_killed_is_named_and_taken_up_by_the_next(
    queue: JobQueue,
) -> None:
    """Type the same command again: that is what people do, and what they are told to do."""
    await queue.records.put_batch("r+1", 0, b"the first half")
    await answer_of(queue.redis.hset(queue.keys.run("r"), "handOvers", "1"))
    await answer_of(queue.redis.hset(queue.keys.run("r"), "place", "r+1"))
    await queue.redis.sadd(queue.keys.feeding, "r")  # type: ignore[misc]  # see answer_of
    await silent_for(queue, 1000)
    run = await get_run(queue, "r")
    assert (run.handing_over, run.state_in_words) == (HandingOver.BROKEN_OFF, "broken off")
    assert await next_batch(queue.redis, queue.keys, "r", 5000) == Next(NoBatch.NOT_YET, "r+1")
    assert await handed_over(queue, 3) == 3
    assert not await has_batch(queue.records, "r+1")
    await feed_all(queue)
    assert await ids_queued(queue) == ["j0", "j1", "j2"]
    assert (await get_run(queue, "r")).handing_over is None


async def test_what_nobody_takes_up_is_removed_by_a_worker(redis_url: str) -> None:
    """A dataset that was half written would lie in the store for ever."""
    async with one_at_it(redis_url) as (queue, writing):
        await silent_for(queue, HOUR_MS + 1000)
        await feed_all(queue)
        assert not await has_batch(queue.records, "r+1")
        let(queue)
        with pytest.raises(UsageError, match="while this one was silent"):
            await writing
        assert not await has_batch(queue.records, "r+1")


async def test_whoever_was_taken_for_dead_hands_over_nothing(redis_url: str) -> None:
    """A laptop that wakes up an hour later must not put its jobs in the place of those that were handed over since."""
    async with one_at_it(redis_url) as (queue, sleeper):
        await silent_for(queue, 1000)
        second = asyncio.create_task(handed_over(queue, 3))
        assert await second == 3
        let(queue)
        with pytest.raises(UsageError, match="while this one was silent"):
            await sleeper
        await feed_all(queue)
        assert await ids_queued(queue) == ["j0", "j1", "j2"]


async def test_a_hand_over_that_is_stopped_leaves_nothing_behind(redis_url: str) -> None:
    """Ctrl-C and again: the second command need not wait for the first to be taken for dead."""
    async with one_at_it(redis_url) as (queue, writing):
        writing.cancel()
        await asyncio.wait([writing])
        assert not await has_batch(queue.records, "r+1")
        assert await is_fed(queue)
        let(queue)
        assert await handed_over(queue, 3) == 3


@pytest.mark.parametrize("n_spared", range(3), ids=["begun", "alive", "registered"])
async def test_a_connection_that_breaks_under_an_answer_loses_no_job(
    queue: JobQueue, redis_url: str, short_folder: Path, n_spared: int
) -> None:
    """Asked again, Redis knows who asks: else a run that is handed over would lose its jobs, and its command be told
    of another that there is not.
    """
    # Redis knows the scripts from here on, and each is one request.
    other = PromptJob(prompt="Print 1.", job_id="other", run_id="s")
    await hand_over(queue, "s", iter([other]), at=None)
    cutter = Cutter(b"EVALSHA", 1, is_heard=True, n_spared=n_spared)
    async with (
        cutting(redis_url, cutter, short_folder) as broken_url,
        JobQueue(broken_url, records=queue.records) as cut_off,
    ):
        assert await handed_over(cut_off, 3) == 3
    assert cutter.n_cut == 1
    await feed_all(queue)
    assert await ids_queued(queue) == ["j0", "j1", "j2", "other"]


async def test_whoever_is_stopped_when_all_is_registered_removes_nothing(
    queue: JobQueue, redis_url: str, short_folder: Path
) -> None:
    """Ctrl-C at the wrong moment would leave a run to the workers, and none of its jobs."""
    await handed_over(queue, 3)
    await cancel_run(queue, "r", "")
    await begin_run(queue, "r")
    cutter = Cutter(b"EVALSHA", 1, is_heard=True, is_silenced=True, n_spared=2)
    async with (
        cutting(redis_url, cutter, short_folder) as silent_url,
        JobQueue(silent_url, records=queue.records) as stopped,
    ):
        writing = asyncio.create_task(handed_over(stopped, 3))
        await wait_until(lambda: is_registered(queue), 10, "the jobs to be registered")
        writing.cancel()
        await asyncio.wait([writing])
    assert writing.cancelled()
    await feed_all(queue)
    assert await ids_queued(queue) == ["j0", "j1", "j2"]


async def test_a_run_of_a_schedule_removes_nothing_that_the_next_are_fed_from(
    queue: JobQueue,
) -> None:
    """Cancelled and handed over again, it would take along the jobs of every night to come."""
    await queue.records.put_batch("nightly@1a2b", 0, b"what all runs of it are fed from")
    await answer_of(queue.redis.hset(queue.keys.run("r"), "place", "nightly@1a2b"))
    await handed_over(queue, 3)
    assert await has_batch(queue.records, "nightly@1a2b")


async def test_a_run_that_is_cancelled_while_it_is_handed_over_stays_cancelled(
    redis_url: str,
) -> None:
    """Nothing of it may turn up when the command has written its last batch."""
    async with one_at_it(redis_url) as (queue, writing):
        await cancel_run(queue, "r", "")
        let(queue)
        with pytest.raises(RunCancelledError):
            await writing
        assert not await has_batch(queue.records, "r+1")
        assert await is_fed(queue)


async def test_a_feeder_that_wakes_up_late_touches_nothing_of_the_next_hand_over(
    queue: JobQueue,
) -> None:
    """Frozen before it dropped what was fed, it would drop the jobs of a run that was begun again since."""
    await handed_over(queue, 600)
    late = Next(0, "r+1")
    content = await queue.records.get_batch("r+1", 0)
    await cancel_run(queue, "r", "")
    await begin_run(queue, "r")
    assert await handed_over(queue, 600) == 600
    assert (await feed_batch(queue.redis, queue.keys, "r", late, content)).n_queued == -1
    await forget_feeding(queue.redis, queue.keys, queue.records, "r", "r+1")
    assert await has_batch(queue.records, "r+2")
    await feed_all(queue)
    assert await ids_queued(queue) == [f"j{number}" for number in range(600)]


async def test_a_cancelled_run_whose_jobs_are_not_yet_removed_is_tidied_up_by_a_worker(
    queue: JobQueue,
) -> None:
    """The command that cancels may be killed before the store has answered."""
    await handed_over(queue, 3)
    await answer_of(queue.redis.hset(queue.keys.run("r"), "state", "cancelled"))
    await answer_of(queue.redis.hdel(queue.keys.run("r"), "batches", "fed", "toFeed"))
    await feed_all(queue)
    assert not await has_batch(queue.records, "r+1")
    assert await find_run(queue, "r") is not None
