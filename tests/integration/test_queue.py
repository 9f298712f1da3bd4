"""The way in: what submitting, asking and cancelling promise, against a real Redis."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from arq.constants import in_progress_key_prefix, job_key_prefix

from jobs.connection import open_redis
from jobs.errors import ExitCode, RecordNotFoundError, RedisUnreachableError, UsageError
from jobs.events import AttemptFinished, JobCancelled, JobFinished, JobStarted, publish
from jobs.keys import QUEUED_SECONDS, Keys
from jobs.models import PromptJob
from jobs.queue import JobQueue, JobStatus
from jobs.records.memory import MemoryRecordStore
from jobs.verdicts import Verdict
from tests.cutting import Cutter, cutting
from tests.making import a_record
from tests.waiting import wait_until

JOB = PromptJob(prompt="Print 1.", job_id="j")


@pytest.fixture
async def queue(redis_url: str) -> AsyncIterator[JobQueue]:
    async with JobQueue(redis_url, records=MemoryRecordStore()) as opened:
        yield opened


@pytest.fixture
def short_folder() -> Iterator[Path]:
    # The path of a unix socket holds 107 bytes: pytest's own temporary folders can be longer.
    with tempfile.TemporaryDirectory(prefix="pm-", dir="/tmp") as folder:
        yield Path(folder)


async def n_queued(queue: JobQueue) -> int:
    n: int = await queue.redis.zcard(queue.keys.queue)
    return n


async def claim(queue: JobQueue, job_id: str) -> None:
    """What a worker does first."""
    await queue.redis.set(in_progress_key_prefix + job_id, "1", ex=60)


async def finish(queue: JobQueue, job: PromptJob) -> None:
    """What a worker does last."""
    await queue.records.put(a_record(job, Verdict.ACCEPTED))
    event = JobFinished(job_id=job.job_id, verdict=Verdict.ACCEPTED, solved_at=1)
    await publish(queue.redis, queue.keys, job.run_id or job.job_id, event)
    await queue.redis.zrem(queue.keys.queue, job.job_id)
    await queue.redis.delete(job_key_prefix + job.job_id, in_progress_key_prefix + job.job_id)


async def test_a_job_submitted_twice_is_queued_once(queue: JobQueue) -> None:
    """A script that is started again after a crash must not pay for everything twice."""
    first = await queue.submit(JOB)
    again = await queue.submit(JOB.model_copy(update={"prompt": "Print 2."}))
    assert (first.job_id, again.job_id, await n_queued(queue)) == ("j", "j", 1)
    assert b"Print 1." in await queue.redis.get(job_key_prefix + "j")


async def test_a_job_that_is_being_worked_on_is_not_queued_again(queue: JobQueue) -> None:
    """The worker would find it a second time as soon as it is done with it."""
    await queue.submit(JOB)
    await claim(queue, "j")
    handle = await queue.submit(JOB)
    assert await handle.status() is JobStatus.IN_PROGRESS
    assert await n_queued(queue) == 1


async def test_a_job_that_has_its_record_is_not_queued_again(queue: JobQueue) -> None:
    """Redis forgets finished jobs; the record does not."""
    await queue.records.put(a_record(JOB, Verdict.ACCEPTED))
    handle = await queue.submit(JOB)
    assert await n_queued(queue) == 0
    assert (await handle.record()).job == JOB


async def test_twenty_submissions_of_a_job_at_once_queue_it_once(queue: JobQueue) -> None:
    """Producers run on many machines."""
    await asyncio.gather(*[queue.submit(JOB) for _ in range(20)])
    assert await n_queued(queue) == 1


async def test_a_queued_job_waits_for_a_month(queue: JobQueue) -> None:
    """Arq alone would drop it after a day, prompt and all."""
    await queue.submit(JOB)
    assert await queue.redis.ttl(job_key_prefix + "j") > QUEUED_SECONDS - 60


async def test_the_status_follows_a_job_through_its_life(queue: JobQueue) -> None:
    """`promptmill job show` and every script that polls live on it."""
    handle = queue.handle("j")
    seen = [await handle.status()]
    await queue.submit(JOB)
    seen.append(await handle.status())
    await queue.redis.zincrby(queue.keys.queue, 60_000, "j")
    seen.append(await handle.status())
    await claim(queue, "j")
    seen.append(await handle.status())
    await finish(queue, JOB)
    seen.append(await handle.status())
    assert seen == [
        JobStatus.NOT_FOUND,
        JobStatus.QUEUED,
        JobStatus.DEFERRED,
        JobStatus.IN_PROGRESS,
        JobStatus.COMPLETE,
    ]


async def test_record_waits_until_there_is_one(queue: JobQueue) -> None:
    """The ten-line script has no other way to wait."""
    handle = await queue.submit(JOB)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        waiting = group.create_task(handle.record())
        await wait_until(lambda: _is_followed(queue), 5, "somebody who waits for the record")
        assert not waiting.done()
        group.create_task(finish(queue, JOB))
    assert waiting.result().job == JOB


async def _is_followed(queue: JobQueue) -> bool:
    clients = await queue.redis.client_list()
    return any(client["cmd"] == "xread" for client in clients)


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
        await wait_until(lambda: _is_followed(queue), 5, "somebody who waits for the record")
        assert await handle.cancel()
    assert isinstance(waiting.result(), RecordNotFoundError)


async def _error_of(waiting: object) -> Exception | None:
    try:
        await waiting  # type: ignore[misc]
    except RecordNotFoundError as error:
        return error
    return None


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
        await wait_until(lambda: _is_followed(queue), 5, "somebody who waits for the record")
        group.create_task(finish(queue, JOB))
    assert waiting.result().job == JOB


async def test_a_wish_to_stop_does_not_outlive_the_run_it_was_about(queue: JobQueue) -> None:
    """A job that was marked while it ran and taken out while it waited would else never run again."""
    handle = await queue.submit(JOB)
    await claim(queue, "j")
    await handle.cancel()
    await queue.redis.delete(in_progress_key_prefix + "j")
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


async def test_an_id_that_another_installation_is_using_is_refused(
    queue: JobQueue, redis_url: str
) -> None:
    """Arq's own keys carry no prefix: queued in silence, the job would never run."""
    async with JobQueue(redis_url, records=MemoryRecordStore(), prefix="other") as other:
        await other.submit(JOB)
        with pytest.raises(UsageError, match="another installation"):
            await queue.submit(JOB)


async def test_a_job_is_queued_although_the_connection_broke_before_redis_heard_of_it(
    redis_url: str, short_folder: Path
) -> None:
    """Arq takes the break for a job that is there already, and the job would be lost in silence."""
    cutter = Cutter(b"EXEC", 1)
    async with (
        cutting(redis_url, cutter, short_folder) as broken_url,
        JobQueue(broken_url, records=MemoryRecordStore()) as queue,
    ):
        await queue.submit(JOB)
        assert (await n_queued(queue), cutter.n_cut) == (1, 1)


async def test_a_job_is_queued_once_although_the_connection_broke_after_redis_took_it(
    redis_url: str, short_folder: Path
) -> None:
    """Whoever is told "not queued" submits under another id, and pays twice."""
    cutter = Cutter(b"EXEC", 1, is_heard=True)
    async with (
        cutting(redis_url, cutter, short_folder) as broken_url,
        JobQueue(broken_url, records=MemoryRecordStore()) as queue,
    ):
        await queue.submit(JOB)
        assert (await n_queued(queue), cutter.n_cut) == (1, 1)


async def test_a_connection_that_breaks_every_time_is_an_error_and_nothing_is_queued(
    redis_url: str, short_folder: Path
) -> None:
    """Half-queued jobs are found weeks later."""
    cutter = Cutter(b"EXEC", 1000)
    async with (
        cutting(redis_url, cutter, short_folder) as broken_url,
        JobQueue(broken_url, records=MemoryRecordStore()) as queue,
    ):
        with pytest.raises(RedisUnreachableError, match="'j'") as caught:
            await queue.submit(JOB)
        assert "submit it again" in caught.value.note
        assert await n_queued(queue) == 0


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("redis://127.0.0.1:1/0", id="nobody listens"),
        pytest.param("unix:///nowhere/redis.sock", id="no such socket"),
        pytest.param("redis://no-such-host.invalid:6379/0", id="no such host"),
    ],
)
async def test_a_redis_that_is_not_there_is_an_error_in_bounded_time(url: str) -> None:
    """Nobody waits for a typing error in a URL."""
    async with asyncio.timeout(20):
        with pytest.raises(RedisUnreachableError, match="no answer from Redis") as caught:
            await JobQueue(url, records=MemoryRecordStore()).__aenter__()
    assert (caught.value.exit_code, caught.value.retryable) == (ExitCode.TRANSIENT, True)
    assert url in caught.value.message


@pytest.mark.slow
async def test_a_redis_that_never_answers_is_an_error_in_bounded_time(short_folder: Path) -> None:
    """A firewall that drops packets looks like this."""

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.close()

    path = short_folder / "silent.sock"
    async with await asyncio.start_unix_server(say_nothing, path), asyncio.timeout(20):
        with pytest.raises(RedisUnreachableError):
            await JobQueue(f"unix://{path}", records=MemoryRecordStore()).__aenter__()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        pytest.param("amqp://h/0", "amqp://h/0", id="another scheme"),
        pytest.param("localhost:6379", "localhost:6379", id="no scheme"),
        pytest.param("redis://[::1", "redis://[::1", id="half an address"),
        pytest.param("redis://h:port/0", "redis://h:port/0", id="a port in letters"),
        pytest.param("redis://h/0?speed=9", "redis://h/0?speed=9", id="an unknown option"),
        pytest.param("redis://u:TOP/SECRET@h/0", "redis://u:***@h/0", id="an unescaped slash"),
        pytest.param("redis://:TOP#SECRET@h/0", "redis://:***@h/0", id="an unescaped hash"),
        pytest.param("redis://u:TOP:SECRET@h:x/0", "redis://u:***@h:x/0", id="a password"),
        pytest.param("tcp://h?password=TOPSECRET", "tcp://h?password=***", id="an option"),
    ],
)
async def test_a_url_that_is_none_is_refused_without_its_password(url: str, shown: str) -> None:
    """Error messages are pasted into tickets."""
    with pytest.raises(UsageError) as caught:
        await JobQueue(url, records=MemoryRecordStore()).__aenter__()
    assert caught.value.message == f"{shown!r} is not a Redis URL"
    told = f"{caught.value.facts}{caught.value.fixes}{caught.value.__cause__}"
    assert "TOP" not in told
    assert "SECRET" not in told


async def test_an_unreachable_redis_is_named_without_its_password() -> None:
    """The most common error of all, and the most often shown to others."""
    with pytest.raises(RedisUnreachableError) as caught:
        await JobQueue("redis://u:TOPSECRET@127.0.0.1:1", records=MemoryRecordStore()).__aenter__()
    assert "redis://u:***@127.0.0.1:1" in caught.value.message
    assert "TOPSECRET" not in f"{caught.value.message}{caught.value.facts}{caught.value.fixes}"


@pytest.mark.parametrize("call", ["status", "cancel", "record"])
async def test_a_redis_that_went_away_is_our_own_error_whatever_is_asked(
    redis_url: str, short_folder: Path, call: str
) -> None:
    """Scripts catch `RedisUnreachableError`, not the errors of a library they have never heard of."""
    cutter = Cutter(b"j", 1000)
    async with (
        cutting(redis_url, cutter, short_folder) as broken_url,
        JobQueue(broken_url, records=MemoryRecordStore()) as queue,
        asyncio.timeout(20),
    ):
        with pytest.raises(RedisUnreachableError):
            await getattr(queue.handle("j"), call)()


async def test_a_queue_that_is_not_open_says_how_to_open_it(redis_url: str) -> None:
    """The first mistake in everybody's first script."""
    queue = JobQueue(redis_url, records=MemoryRecordStore())
    with pytest.raises(RuntimeError, match="async with JobQueue"):
        await queue.submit(JOB)


async def test_a_queue_can_be_opened_again(redis_url: str) -> None:
    """Scheduled scripts open and close the one they have."""
    queue = JobQueue(redis_url, records=MemoryRecordStore())
    for _ in range(2):
        async with queue:
            await queue.submit(JOB)
            assert await n_queued(queue) == 1


async def test_a_queue_that_is_left_lets_go_of_its_connections(redis_url: str) -> None:
    """A script that opens a queue for every prompt must not run out of descriptors."""
    async with open_redis(redis_url, Keys()) as redis:
        before = len(await redis.client_list())
        for _ in range(3):
            async with JobQueue(redis_url, records=MemoryRecordStore()) as queue:
                await asyncio.gather(*[queue.handle("j").status() for _ in range(5)])
        assert len(await redis.client_list()) <= before


async def test_a_full_redis_refuses_a_job_and_keeps_what_it_has(redis_url: str) -> None:
    """Out of memory is the way a large run ends that nobody bounded."""
    async with JobQueue(redis_url, records=MemoryRecordStore()) as queue:
        await queue.submit(JOB)
        await queue.redis.config_set("maxmemory", "1")
        try:
            with pytest.raises(RedisUnreachableError, match="maxmemory"):
                await queue.submit(PromptJob(prompt="x", job_id="k"))
        finally:
            await queue.redis.config_set("maxmemory", "0")
        assert await queue.redis.zrange(queue.keys.queue, 0, -1) == [b"j"]
        assert not await queue.redis.exists(job_key_prefix + "k")


async def test_a_job_taken_out_of_the_queue_is_told_to_its_followers(queue: JobQueue) -> None:
    """Whoever waits has to learn that it is in vain."""
    handle = await queue.submit(JOB)
    await handle.cancel()
    async with asyncio.timeout(5):
        seen = [event async for event in handle.events()]
    assert [type(event) for event in seen] == [JobCancelled]
