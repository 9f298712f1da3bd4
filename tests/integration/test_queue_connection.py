"""What is told, and what is queued, where Redis does not do its part."""

import asyncio
from pathlib import Path

import pytest
from arq.constants import job_key_prefix

from jobs.connection import open_redis
from jobs.errors import ExitCode, RedisUnreachableError, UsageError
from jobs.keys import Keys
from jobs.models import PromptJob
from jobs.queue import JobQueue
from jobs.records.memory import MemoryRecordStore
from tests.cutting import Cutter, cutting
from tests.queueing import JOB, ids_queued, n_queued


async def test_a_job_is_queued_although_the_connection_broke_before_redis_heard_of_it(
    redis_url: str, short_folder: Path
) -> None:
    """Arq takes the break for a job that is there already, and the job would be lost in silence."""
    cutter = Cutter(b"EVALSHA", 1)
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
    cutter = Cutter(b"EVALSHA", 1, is_heard=True)
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
    cutter = Cutter(b"EVALSHA", 1000)
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
        pytest.param("redis+sentinel://h:1,h:2", "redis+sentinel://h:1,h:2", id="no service"),
        pytest.param("redis+sentinel://h,/s", "redis+sentinel://h,/s", id="half a list"),
        pytest.param("redis+sentinel://h/s/db", "redis+sentinel://h/s/db", id="no number"),
        pytest.param(
            "redis+sentinel://u:TOP@h/s?sentinel_password=SECRET&sentinel_speed=9",
            "redis+sentinel://u:***@h/s?sentinel_password=***&sentinel_speed=9",
            id="an option of Sentinels",
        ),
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
        assert await ids_queued(queue) == ["j"]
        assert not await queue.redis.exists(job_key_prefix + "k")
