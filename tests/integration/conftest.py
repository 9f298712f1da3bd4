"""What tests across several of our parts share: a queue, and a sandbox that runs programs."""

from collections.abc import AsyncIterator

import pytest

from jobs.queue import JobQueue
from jobs.records.memory import MemoryRecordStore
from worker.sandbox import SubprocessSandbox, open_sandbox


@pytest.fixture
async def sandbox() -> SubprocessSandbox:
    """The strongest one of this machine: what it withstands is tested elsewhere."""
    return await open_sandbox("rlimits")


@pytest.fixture
async def queue(redis_url: str) -> AsyncIterator[JobQueue]:
    """An open queue without a worker, on an empty Redis."""
    async with JobQueue(redis_url, records=MemoryRecordStore()) as opened:
        yield opened
