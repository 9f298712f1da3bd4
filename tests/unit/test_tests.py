"""The helpers that other tests stand on keep their promises."""

import asyncio

import pytest
import redis

from tests.waiting import wait_until


async def test_waiting_ends_as_soon_as_the_condition_holds() -> None:
    """A helper that waited out its deadline would make every test slow."""
    event = asyncio.Event()
    asyncio.get_running_loop().call_soon(event.set)
    async with asyncio.timeout(1):
        await wait_until(event.is_set, 30, "the event")


async def test_waiting_in_vain_says_for_what() -> None:
    """A failed test must name what never happened, not only that time ran out."""
    with pytest.raises(AssertionError, match="in vain for: a miracle"):
        await wait_until(lambda: False, 0.02, "a miracle")


@pytest.mark.parametrize("value", [b"first", b"second"])
def test_each_test_finds_its_redis_empty(redis_url: str, value: bytes) -> None:
    """What one test leaves behind must never decide how another ends."""
    with redis.Redis.from_url(redis_url) as client:
        assert client.get("left-behind") is None
        client.set("left-behind", value)
