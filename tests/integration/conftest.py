"""What tests across several of our parts share: a queue, and a sandbox that runs programs."""

from collections.abc import AsyncIterator

import pytest

from jobs.queue import JobQueue
from jobs.records.memory import MemoryRecordStore
from worker.sandbox import ZygoteSandbox, open_sandbox


@pytest.fixture
async def sandbox() -> AsyncIterator[ZygoteSandbox]:
    """The strongest one of this machine: what it withstands is tested elsewhere."""
    async with await open_sandbox("rlimits") as opened:
        yield opened


@pytest.fixture
async def queue(redis_url: str) -> AsyncIterator[JobQueue]:
    """An open queue without a worker, on an empty Redis."""
    async with JobQueue(redis_url, records=MemoryRecordStore()) as opened:
        yield opened
