"""Many jobs at once: in order, in bounded memory, in whole chunks, through outages, and never twice."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis
import stamina
from arq.constants import job_key_prefix
from arq.jobs import deserialize_job_raw

from jobs import wire
from jobs.clock import utcnow
from jobs.errors import RedisUnreachableError, RunCancelledError, UsageError
from jobs.lanes import lane_of
from jobs.models import PromptJob
from jobs.priorities import Priority
from jobs.queue import JobQueue, JobStatus
from jobs.records.memory import MemoryRecordStore
from jobs.verdicts import Verdict
from tests.cutting import Cutter, cutting
from tests.making import a_record
from tests.queueing import JOB, answer_of, claim, field_of, finish, ids_queued, n_queued
from tests.waiting import wait_until


def a_job(number: int, **fields: object) -> PromptJob:
    words = {"prompt": "Print 1.", "jobId": f"j{number}", "runId": "r", **fields}
    return PromptJob.model_validate(words)


def some_jobs(n: int, **fields: object) -> Iterator[PromptJob]:
    return (a_job(number, **fields) for number in range(n))


async def test_jobs_wait_in_the_order_in_which_they_were_submitted(queue: JobQueue) -> None:
    """Whoever sorts a file by importance expects its beginning first."""
    submitted = await queue.submit_all(some_jobs(1234))
    assert (submitted.n_jobs, submitted.n_queued) == (1234, 1234)
    assert await ids_queued(queue) == [f"j{number}" for number in range(1234)]


async def test_jobs_may_come_one_by_one_from_somewhere_else(queue: JobQueue) -> None:
    """Prompts are read from databases and from other services."""

    async def coming() -> AsyncIterator[PromptJob]:
        for job in some_jobs(3):
            await asyncio.sleep(0)
            yield job

    heard: list[str] = []
    await queue.submit_all(coming(), on_taken=lambda ids, _: heard.extend(ids))
    assert heard == await ids_queued(queue) == ["j0", "j1", "j2"]


async def test_arq_can_read_what_was_queued(queue: JobQueue) -> None:
    """The engine is arq: its own tools show what waits."""
    await queue.submit(JOB)
    raw = await queue.redis.get(job_key_prefix + "j")
    function, args, kwargs, tries, queued_ms = deserialize_job_raw(raw, deserializer=wire.decode)
    assert (function, kwargs) == ("run_prompt_job", {})
    assert not tries
    assert PromptJob.model_validate(args[0]) == JOB
    assert abs(datetime.fromtimestamp(queued_ms / 1000, UTC) - utcnow()) < timedelta(minutes=1)


async def test_jobs_of_several_kinds_each_wait_in_their_lane(queue: JobQueue) -> None:
    """One file may hold urgent work beside work that has time."""
    jobs = [
        a_job(0),
        a_job(1, priority="high"),
        a_job(2, queue="nightly"),
        a_job(3, model="replay"),
        a_job(4),
    ]
    await queue.submit_all(jobs)
    for job in jobs:
        score = await queue.redis.zscore(lane_of(job).waiting(queue.keys), job.job_id)
        assert score is not None, job
    names = await answer_of(queue.redis.smembers(queue.keys.lanes))
    assert {name.decode() for name in names} == {lane_of(job).name for job in jobs}


async def test_submitting_a_job_again_in_another_lane_changes_nothing(queue: JobQueue) -> None:
    """In two lanes it would run twice."""
    await queue.submit_all(some_jobs(3))
    again = await queue.submit_all(some_jobs(3, priority="high", queue="other"))
    assert (again.n_jobs, again.n_queued) == (3, 0)
    found = await queue.find("j1")
    assert found is not None
    assert found.priority is Priority.NORMAL
    assert await n_queued(queue) == 3


async def test_what_is_recorded_of_a_run_is_not_queued_again(queue: JobQueue) -> None:
    """A run that was stopped goes on; it does not begin anew."""
    await queue.records.put(a_record(a_job(1), Verdict.WRONG_ANSWER))
    heard: list[str] = []
    submitted = await queue.submit_all(some_jobs(3), on_taken=lambda ids, _: heard.extend(ids))
    assert (submitted.n_jobs, submitted.n_queued, heard) == (3, 2, ["j0", "j1", "j2"])
    assert await ids_queued(queue) == ["j0", "j2"]


async def test_what_is_recorded_of_jobs_without_a_run_is_not_queued_again(queue: JobQueue) -> None:
    """A script's own ids are promised as much."""
    await queue.records.put(a_record(JOB, Verdict.ACCEPTED))
    assert (await queue.submit_all([JOB])).n_queued == 0


async def test_a_run_counts_each_job_once_however_often_it_is_submitted(queue: JobQueue) -> None:
    """Whoever follows a run waits for so many ends."""
    for _ in range(2):
        await queue.submit_all(some_jobs(700))
    await queue.submit(a_job(3))
    assert await field_of(queue, "r", "submitted") == "700"


async def test_ten_producers_of_the_same_jobs_queue_each_once(queue: JobQueue) -> None:
    """Two people start the same evaluation; a scheduler fires twice."""
    answers = await asyncio.gather(*[queue.submit_all(some_jobs(1100)) for _ in range(10)])
    assert sum(answer.n_queued for answer in answers) == await n_queued(queue) == 1100
    assert await field_of(queue, "r", "submitted") == "1100"


async def test_a_job_for_later_waits_for_its_time(queue: JobQueue) -> None:
    """Nightly work is submitted by day."""
    handle = await queue.submit(JOB, at=utcnow() + timedelta(hours=1))
    assert await handle.status() is JobStatus.DEFERRED
    await queue.submit_all(some_jobs(2), at=utcnow() + timedelta(hours=1))
    assert await queue.handle("j1").status() is JobStatus.DEFERRED


async def test_a_time_without_a_zone_is_refused(queue: JobQueue) -> None:
    """Noon of the laptop is not noon of the server."""
    with pytest.raises(UsageError, match="no time zone"):
        await queue.submit(JOB, at=datetime(2026, 1, 2, 12))  # noqa: DTZ001  (that is the point)
    assert await n_queued(queue) == 0


async def test_a_producer_waits_while_enough_jobs_are_due(queue: JobQueue) -> None:
    """A million prompts would fill the memory of the server."""
    heard: list[str] = []
    submitting = asyncio.create_task(
        queue.submit_all(some_jobs(35), high_water=10, on_taken=lambda ids, _: heard.extend(ids))
    )
    done: list[str] = []
    while len(done) < 35:
        await wait_until(lambda: len(heard) > len(done), 10, "more jobs")
        waiting = await ids_queued(queue)
        assert len(waiting) < 20
        for job_id in waiting:
            await claim(queue, job_id)
            await finish(queue, a_job(int(job_id[1:])))
            done.append(job_id)
    assert (await submitting).n_queued == 35
    assert done == [f"j{number}" for number in range(35)]


async def test_a_producer_with_no_more_jobs_waits_for_no_room(queue: JobQueue) -> None:
    """With exactly as many jobs as may be due and no worker yet, a script would else never come back."""
    async with asyncio.timeout(20):
        assert (await queue.submit_all(some_jobs(10), high_water=10)).n_queued == 10


async def test_what_is_recorded_waits_for_no_room_in_a_lane_that_others_have_filled(
    queue: JobQueue,
) -> None:
    """Nothing is to be queued: whoever takes up a run that is over would wait for the runs of strangers."""
    await queue.records.put(a_record(a_job(50), Verdict.ACCEPTED))
    await queue.submit_all(some_jobs(10))
    async with asyncio.timeout(20):
        submitted = await queue.submit_all([a_job(50)], high_water=10)
    assert (submitted.n_jobs, submitted.n_queued) == (1, 0)


async def test_whoever_waits_for_room_from_the_first_job_on_hears_of_it(queue: JobQueue) -> None:
    """A command that says nothing and does not end looks broken, and nobody starts the worker that it waits for."""
    await queue.submit_all(some_jobs(10))
    heard: list[tuple[int, int]] = []
    submitting = asyncio.create_task(
        queue.submit_all(
            [a_job(50)], high_water=10, on_taken=lambda ids, n_due: heard.append((len(ids), n_due))
        )
    )
    await wait_until(lambda: bool(heard), 10, "a word of the wait")
    assert heard == [(0, 10)]
    await claim(queue, "j0")
    await finish(queue, a_job(0))
    await asyncio.wait_for(submitting, 10)
    assert heard == [(0, 10), (1, 10)]


async def test_a_full_lane_is_waited_for_by_jobs_that_follow_on_those_of_another(
    queue: JobQueue,
) -> None:
    """A dataset may name a model for each of its rows; the mark holds for each of their lanes."""
    await queue.submit_all(some_jobs(10))
    jobs = [a_job(50, model="gemini-other"), a_job(51), a_job(52)]
    heard: list[list[str]] = []
    submitting = asyncio.create_task(
        queue.submit_all(jobs, high_water=10, on_taken=lambda ids, _: heard.append(list(ids)))
    )
    await wait_until(lambda: len(heard) == 2, 10, "the job of another lane, and the wait")
    assert heard == [["j50"], []]
    for number in range(2):
        await claim(queue, f"j{number}")
        await finish(queue, a_job(number))
    assert (await asyncio.wait_for(submitting, 10)).n_queued == 3


async def test_jobs_for_later_are_bounded_as_those_for_now_are(queue: JobQueue) -> None:
    """Redis keeps each of them until its time comes: a million for tonight would fill its memory by day."""
    later = utcnow() + timedelta(hours=1)
    heard: list[str] = []
    submitting = asyncio.create_task(
        queue.submit_all(
            some_jobs(35), at=later, high_water=10, on_taken=lambda ids, _: heard.extend(ids)
        )
    )
    await wait_until(lambda: len(heard) >= 10, 10, "as many as may wait")
    async with asyncio.timeout(20):
        # Those for now have all the room that they ever had.
        assert (await queue.submit_all([a_job(50)], high_water=10)).n_queued == 1
    assert await n_queued(queue) == 11
    submitting.cancel()
    await asyncio.wait([submitting])


async def test_a_producer_holds_no_more_than_a_few_chunks(queue: JobQueue) -> None:
    """Datasets are larger than memory."""
    n_made = 0

    def counted() -> Iterator[PromptJob]:
        nonlocal n_made
        for job in some_jobs(10_000):
            n_made += 1
            yield job

    submitting = asyncio.create_task(queue.submit_all(counted(), high_water=1000))
    await wait_until(lambda: _holds(queue, 1000), 10, "as many jobs as may be due")
    assert n_made <= 2500
    submitting.cancel()
    await asyncio.wait([submitting])
    assert await n_queued(queue) % 500 == 0


async def _holds(queue: JobQueue, n: int) -> bool:
    return await n_queued(queue) >= n


async def test_a_producer_that_is_still_at_a_cancelled_run_is_told(queue: JobQueue) -> None:
    """It would else fill up again what somebody has just emptied."""
    await queue.submit_all(some_jobs(2))
    await answer_of(queue.redis.hset(queue.keys.run("r"), "state", "cancelled"))
    with pytest.raises(RunCancelledError, match="'r'"):
        await queue.submit_all(some_jobs(4))
    assert await n_queued(queue) == 2


async def test_jobs_of_a_paused_run_are_held(queue: JobQueue) -> None:
    """Whoever pauses a run pauses what is still to come of it."""
    await answer_of(queue.redis.hset(queue.keys.run("r"), "state", "paused"))
    await queue.submit_all(some_jobs(3))
    assert await n_queued(queue) == 0
    assert await queue.redis.zcard(queue.keys.held("r")) == 3
    assert await queue.handle("j1").status() is JobStatus.PAUSED
    assert (await queue.submit_all(some_jobs(3))).n_queued == 0
    assert await queue.handle("j1").cancel()
    assert await queue.handle("j1").status() is JobStatus.NOT_FOUND


async def test_an_id_of_another_installation_is_refused_and_the_rest_is_queued(
    queue: JobQueue, redis_url: str
) -> None:
    """Arq's own keys carry no prefix: queued in silence, the job would never run."""
    async with JobQueue(redis_url, records=MemoryRecordStore(), prefix="other") as other:
        await other.submit(a_job(1))
    with pytest.raises(UsageError, match="another installation on this Redis has a job 'j1'"):
        await queue.submit_all(some_jobs(3))
    assert await ids_queued(queue) == ["j0", "j2"]


@pytest.mark.parametrize("is_heard", [False, True], ids=["not heard", "heard"])
async def test_jobs_are_queued_once_although_the_connection_breaks_again_and_again(
    redis_url: str, short_folder: Path, *, is_heard: bool
) -> None:
    """A producer of a million jobs meets every break there is."""
    cutter = Cutter(b"EVALSHA", 5, is_heard=is_heard)
    async with (
        cutting(redis_url, cutter, short_folder) as broken_url,
        JobQueue(broken_url, records=MemoryRecordStore()) as queue,
        JobQueue(redis_url, records=MemoryRecordStore()) as looking,
    ):
        await queue.submit_all(some_jobs(1500))
        assert await ids_queued(looking) == [f"j{number}" for number in range(1500)]
        assert (await field_of(looking, "r", "submitted"), cutter.n_cut) == ("1500", 5)


async def test_a_redis_that_stays_away_says_what_is_queued_and_how_to_go_on(
    own_redis_url: str, own_redis: redis.Redis
) -> None:
    """Half a dataset in the queue is fine; not to know of it is not."""

    def breaking() -> Iterator[PromptJob]:
        for job in some_jobs(5000):
            if job.job_id == "j2000":
                own_redis.shutdown(nosave=True)
            yield job

    with stamina.set_testing(testing=True, attempts=2):
        async with JobQueue(own_redis_url, records=MemoryRecordStore()) as queue:
            with pytest.raises(RedisUnreachableError, match="500 jobs from 'j1") as caught:
                await queue.submit_all(breaking())
    assert "jobs before that are queued" in caught.value.note
    assert "none is queued twice" in caught.value.note


async def test_a_full_redis_takes_a_chunk_whole_or_not_at_all(own_redis_url: str) -> None:
    """An id in a lane without its job, or the other way round, would never be mended."""
    async with JobQueue(own_redis_url, records=MemoryRecordStore()) as queue:
        used = (await queue.redis.info("memory"))["used_memory"]
        await queue.redis.config_set("maxmemory", str(used + 3 * 2**20))
        with pytest.raises(RedisUnreachableError, match="maxmemory") as caught:
            await queue.submit_all(some_jobs(100_000, prompt="x" * 500))
        assert "more memory" in caught.value.fixes[0]
        await queue.redis.config_set("maxmemory", "0")
        waiting = await ids_queued(queue)
        assert waiting
        assert len(waiting) % 500 == 0
        assert await queue.redis.exists(*(job_key_prefix + name for name in waiting)) == len(
            waiting
        )
        assert await queue.redis.dbsize() == len(waiting) + len(["lane", "lanes", "run", "runs"])
        assert await field_of(queue, "r", "submitted") == str(len(waiting))


async def test_a_user_who_may_call_nothing_out_queues_whole_jobs(
    queue: JobQueue, redis_url: str
) -> None:
    """Redis lets a new user use no channel. A step that broke off there would leave jobs that nobody counts."""
    await queue.redis.acl_setuser(
        "quiet", enabled=True, passwords=["+p"], keys=["*"], categories=["+@all"], reset=True
    )
    url = redis_url.replace("unix://", "unix://quiet:p@")
    async with JobQueue(url, records=queue.records) as quiet:
        await quiet.submit_all(some_jobs(3))
        assert await quiet.handle("j0", stream="r").cancel()
    await queue.redis.acl_deluser("quiet")
    assert await ids_queued(queue) == ["j1", "j2"]
    assert await field_of(queue, "r", "submitted") == "3"
