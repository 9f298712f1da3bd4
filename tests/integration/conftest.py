"""What tests across several of our parts share: a queue, and a sandbox that runs programs."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jobs.connection import open_redis
from jobs.keys import Keys
from jobs.queue import JobQueue
from jobs.records.files import FileRecordStore
from jobs.records.memory import MemoryRecordStore
from worker.model.sent import SentBatches
from worker.sandbox import Sandbox, ZygoteSandbox, open_sandbox

from .delivering import Bench


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


@pytest.fixture
async def bench(redis_url: str, sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[Bench]:
    """A consumer with a Redis and a store of its own, records in `records` below the test's folder."""
    async with open_redis(redis_url, Keys()) as redis:
        yield Bench(redis, sandbox, FileRecordStore(tmp_path / "records"), Keys())


@pytest.fixture
async def sent(redis_url: str) -> AsyncIterator[SentBatches]:
    """What the run `r` has sent, which is nothing."""
    async with open_redis(redis_url, Keys()) as redis:
        yield SentBatches(redis, Keys(), "r")
