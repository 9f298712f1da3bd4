"""What record stores forget, each of them in the same way: records that are to be made again, and queued batches."""

from collections import Counter
from collections.abc import AsyncIterator

import pytest

from jobs.errors import StoreError
from jobs.records import RecordStore
from jobs.verdicts import Verdict
from tests.stores import LASTING, ids_in, place_of_kind, record_of


@pytest.fixture(params=("memory", *LASTING))
async def store(request: pytest.FixtureRequest) -> AsyncIterator[RecordStore]:
    opened = place_of_kind(request.param, request).open()
    yield opened
    await opened.aclose()


async def test_a_record_that_is_discarded_makes_room_for_another(store: RecordStore) -> None:
    """A job that failed because of us runs again, and is counted once."""
    kept = record_of("j", run_id="r", verdict=Verdict.INTERNAL_ERROR)
    other = record_of("k", run_id="r")
    assert await store.put(kept)
    assert await store.put(other)
    for _ in range(2):
        await store.discard("j")
        assert not await store.has("j")
        assert await ids_in(store) == ["k"]
        assert await store.counts("r") == Counter({other.verdict: 1})
        assert [summary.job_id async for summary in store.summaries(run_id="r")] == ["k"]
    again = record_of("j", run_id="r")
    assert await store.put(again)
    assert await store.get("j") == again
    assert (await store.counts("r")).total() == 2


async def test_nothing_that_is_not_there_can_be_discarded(store: RecordStore) -> None:
    """An id that a person typed may be anything."""
    for job_id in ("j", "../../etc/passwd", ""):
        await store.discard(job_id)


async def test_batches_are_kept_until_they_are_dropped(store: RecordStore) -> None:
    """A producer may be gone for days when a worker comes to queue its jobs."""
    await store.put_batch("r", 0, b"one")
    await store.put_batch("r", 1, b"two")
    await store.put_batch("r", 1, b"two, again")
    await store.put_batch("s", 0, b"other")
    assert [await store.get_batch("r", n) for n in (0, 1)] == [b"one", b"two, again"]
    for _ in range(2):
        await store.drop_batches("r")
        with pytest.raises(StoreError):
            await store.get_batch("r", 0)
    assert await store.get_batch("s", 0) == b"other"
    assert await ids_in(store) == []
