"""One of the processes of `benchmarks.limits`: asks to send, so many times at once, and leaves it at that."""

import asyncio
import os
import sys
from contextlib import AsyncExitStack, suppress

from jobs.connection import open_redis
from jobs.keys import Keys
from worker.errors import ModelBusyError
from worker.model.shared_throttle import ModelLimits, SharedThrottle
from worker.model.throttle import Toll

ACCOUNT, MODEL = "bench", "gemini-3.8-flash"
UNDER_WAY_SECONDS = 570.0
"""Each request is under way for so long and 30 seconds more, so that Redis knows in the end when each was admitted."""


async def send(url: str, limits: ModelLimits, n_requests: int, pause: tuple[int, float]) -> None:
    """Be admitted `n_requests` times; after so many of them, meet with a 429 that asks for so many seconds."""
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(open_redis(url, Keys()))
        throttle = SharedThrottle(redis, Keys(), ACCOUNT, limits)
        toll = Toll(MODEL, None, 1, 1, None, UNDER_WAY_SECONDS)
        n_admitted = 0

        async def be_admitted() -> None:
            nonlocal n_admitted
            while True:
                try:
                    await stack.enter_async_context(throttle.passing(toll))
                except ModelBusyError as busy:
                    # What the queue does with a job that is put back.
                    await asyncio.sleep(busy.retry_after_seconds or 0.0)
                else:
                    break
            n_admitted += 1
            if n_admitted == pause[0]:
                with suppress(ModelBusyError):
                    await throttle.pause(MODEL, pause[1])

        await asyncio.gather(*(be_admitted() for _ in range(n_requests)))
        # None of them ever ends, or Redis would forget them.
        os._exit(0)


def main() -> None:
    """Read what `benchmarks.limits` says."""
    url, per_minute, burst, n_requests, pause_after, pause_seconds = sys.argv[1:]
    limits = ModelLimits(requests_per_minute=int(per_minute), burst=int(burst))
    asyncio.run(send(url, limits, int(n_requests), (int(pause_after), float(pause_seconds))))


if __name__ == "__main__":
    main()
