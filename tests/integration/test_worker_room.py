"""Jobs that could only sleep in a worker stay in the queue."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from jobs.connection import open_redis
from tests.waiting import wait_until

from .claiming import KEYS, Floor, Handled, a_job


@pytest.fixture
async def floor(redis_url: str) -> AsyncIterator[Floor]:
    """A queue, and room for workers."""
    async with open_redis(redis_url, KEYS) as redis:
        yield Floor(redis)


async def test_a_worker_takes_as_many_jobs_as_the_model_has_use_for(floor: Floor) -> None:
    """A worker that took all would hold them from others, and let whoever submits believe that there is room."""
    handled = Handled()
    worker = floor.worker(handled)
    worker.room = lambda: max(0, 2 - len(handled.job_ids))
    await floor.put(*(a_job(f"j{number}") for number in range(10)))
    task = asyncio.create_task(worker.run_to_end())
    try:
        await wait_until(lambda: len(handled.job_ids) >= 2, 10, "the first jobs")
        worker.room = lambda: None
        await wait_until(lambda: len(handled.job_ids) == 10, 10, "the others")
    finally:
        task.cancel()
        await asyncio.wait([task])
    assert handled.job_ids[:2] == ["j0", "j1"]
