"""A worker's sign of life, where Redis does not do its part."""

import asyncio
from typing import cast

import pytest
from redis import Redis

from jobs.connection import open_redis
from jobs.errors import RedisUnreachableError, UsageError
from jobs.keys import Keys
from jobs.presence import WorkerPresence, live_workers
from jobs.records.memory import MemoryRecordStore
from tests.consuming import a_worker
from tests.redis_server import stop_server
from tests.waiting import wait_until
from worker.consumer.heartbeat import beating
from worker.model.scripted import ScriptedModel
from worker.sandbox import Sandbox

PRESENCE = WorkerPresence(worker_id="w", model="m", simulated=True, languages=())


async def test_a_first_sign_that_redis_refuses_is_an_error_of_redis(
    own_redis: Redis, own_redis_url: str
) -> None:
    """A worker that nobody can see must not begin, and its operator must not look for a defect of ours."""
    own_redis.config_set("maxmemory", 1)
    async with open_redis(own_redis_url, Keys()) as redis:
        with pytest.raises(RedisUnreachableError, match="maxmemory"):
            async with beating(redis, Keys(), PRESENCE):
                raise AssertionError("it began")


async def test_a_worker_on_a_full_server_goes_on_to_show_that_it_lives(
    own_redis: Redis, own_redis_url: str
) -> None:
    """It works on; taken for dead, it would have `eval` start another beside it, which a full server refuses."""
    key = Keys().worker("w")
    async with open_redis(own_redis_url, Keys()) as redis, beating(redis, Keys(), PRESENCE):
        own_redis.config_set("maxmemory", 1)
        own_redis.expire(key, 5)
        await wait_until(lambda: cast("int", own_redis.ttl(key)) > 5, 20, "the next sign")
        own_redis.config_set("maxmemory", 0)
        own_redis.delete(key)
        await wait_until(lambda: own_redis.exists(key) == 1, 20, "a sign after it was forgotten")
        [shown] = await live_workers(redis, Keys())
    assert shown == PRESENCE


async def test_a_last_sign_that_cannot_be_taken_back_hides_no_error(
    own_redis: Redis, own_redis_url: str
) -> None:
    """Why a worker ended is worth more than that its sign of life shines a few seconds longer."""
    async with open_redis(own_redis_url, Keys()) as redis:
        heart = beating(redis, Keys(), PRESENCE)
        await heart.__aenter__()
        stop_server(own_redis)
        reason = UsageError("the reason")
        assert not await heart.__aexit__(UsageError, reason, None)


async def test_a_worker_stops_cleanly_though_redis_has_gone(
    own_redis: Redis, own_redis_url: str, sandbox: Sandbox
) -> None:
    """On a machine that shuts down, both are told at once."""
    async with a_worker(own_redis_url, MemoryRecordStore(), ScriptedModel(), sandbox) as serving:
        await asyncio.sleep(0)
        stop_server(own_redis)
        serving.cancel()
        await asyncio.wait([serving])
    assert serving.cancelled()
