"""What a test may leave in Redis, and what would stay there for ever."""

from collections.abc import Iterator

import pytest
import redis

from jobs.keys import Keys
from jobs.queue import JobQueue
from jobs.records.memory import MemoryRecordStore
from tests.orphans import orphans_in
from tests.queueing import JOB, claim

_KEYS = Keys()


@pytest.fixture
def server(redis_url: str) -> Iterator[redis.Redis]:
    """Empty again afterwards: what is planted here is found by the check that follows every test, too."""
    with redis.Redis.from_url(redis_url) as client:
        yield client
        client.flushdb()


async def test_what_leads_to_a_job_owns_what_is_kept_of_it(
    server: redis.Redis, redis_url: str
) -> None:
    """A queued job may wait for months, and everything of it goes when it ends."""
    async with JobQueue(redis_url, records=MemoryRecordStore()) as queue:
        await queue.submit(JOB)
        assert orphans_in(server) == []
        await claim(queue, JOB.job_id)
        server.hset(_KEYS.checkpoint(JOB.job_id), "reply:1", "{}")
        assert orphans_in(server) == []


@pytest.mark.parametrize(
    "name",
    [
        _KEYS.checkpoint("gone"),
        _KEYS.run("r"),
        _KEYS.events("r"),
        _KEYS.worker("w"),
        "arq:job:gone",
        "arq:in-progress:gone",
        "arq:retry:gone",
        "promptmill:something:else",
    ],
)
def test_a_planted_orphan_is_found(server: redis.Redis, name: str) -> None:
    """It would fill the server in a year, and nobody would see from what."""
    server.set(name, "1")
    assert orphans_in(server) == [name]
    server.expire(name, 60)
    assert orphans_in(server) == []


def test_a_lane_that_nobody_knows_is_found_and_one_that_is_empty(server: redis.Redis) -> None:
    """What waits in the one is seen by no command; the other is looked at for ever."""
    server.zadd("promptmill:queue:default:any:normal", {"j": 1})
    server.sadd(_KEYS.lanes, "empty:any:normal")
    lanes = ["default:any:normal", "empty:any:normal"]
    assert orphans_in(server) == [f"promptmill:lanes {lane}" for lane in lanes]
