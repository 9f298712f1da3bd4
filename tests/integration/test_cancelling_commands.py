"""A task that speaks to Redis can be cancelled at any moment: what waits for its end would else wait for ever."""

import asyncio

from jobs.connection import open_redis
from jobs.keys import Keys

_TRIALS = 200


async def test_no_cancellation_is_lost_in_a_command(redis_url: str) -> None:
    """Workers stop, leases end and a caller's time-out fires by cancelling; one that is swallowed is a hang."""
    async with open_redis(redis_url, Keys()) as redis:

        async def speak_for_ever() -> None:
            while True:
                await redis.ping()

        deaf = 0
        for n_steps in range(_TRIALS):
            speaking = asyncio.create_task(speak_for_ever())
            for _ in range(n_steps % 23 + 5):
                await asyncio.sleep(0)
            speaking.cancel()
            await asyncio.wait([speaking], timeout=0.5)
            deaf += not speaking.done()
            while not speaking.done():
                speaking.cancel()
                await asyncio.sleep(0)
        assert deaf == 0
