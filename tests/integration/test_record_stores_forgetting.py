"""What record stores forget, each in the same way: records that are to be made again, and batches that are queued."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from jobs.errors import StoreError
from jobs.models import Record
from jobs.records import LastingStore, RecordStore
from jobs.records.opening import open_store
from jobs.records.verifying import verify
from jobs.verdicts import Verdict
from tests.making import NOON
from tests.stores import LASTING, ids_in, listed_in, overwrite, place_of_kind, record_of


@pytest.fixture(params=("memory", *LASTING))
async def store(request: pytest.FixtureRequest) -> AsyncIterator[RecordStore]:
    opened = place_of_kind(request.param, request).open()
    yield opened
    await opened.aclose()


@pytest.fixture(params=LASTING)
async def lasting(request: pytest.FixtureRequest) -> AsyncIterator[LastingStore]:
    opened = open_store(place_of_kind(request.param, request).url)
    yield opened
    await opened.aclose()


def finished_at(record: Record, seconds: float) -> Record:
    return record.model_copy(update={"finished_at": NOON + timedelta(seconds=seconds)})


async def test_a_discarded_record_leaves_nothing_behind(store: RecordStore) -> None:
    """A job that is to run again must neither be taken for done nor counted twice."""
    await store.put(record_of("a", run_id="r", verdict=Verdict.NO_CODE))
    await store.put(record_of("b", run_id="r"))
    for _ in range(2):
        await store.discard("a")
    await store.discard("absent")
    await store.discard("../a")
    assert not await store.has("a")
    assert await ids_in(store) == await listed_in(store) == await ids_in(store, run_id="r") == ["b"]
    assert await store.counts("r") == Counter({Verdict.ACCEPTED: 1})
    again = finished_at(record_of("a", run_id="r"), 60)
    assert await store.put(again)
    assert await store.get("a") == again
    assert await listed_in(store, run_id="r") == ["a", "b"]
    assert await store.counts("r") == Counter({Verdict.ACCEPTED: 2})


async def test_a_damaged_record_can_be_discarded(lasting: LastingStore) -> None:
    """That is what it most often is discarded for."""
    await lasting.put(record_of("a", run_id="r"))
    await overwrite(lasting, "a", b"{")
    await lasting.discard("a")
    assert not await lasting.has("a")
    assert await listed_in(lasting) == []
    assert (await verify(lasting)).faults == []


async def test_batches_of_a_run_are_kept_until_they_are_dropped(store: RecordStore) -> None:
    """A run of a million jobs is queued piece by piece, by whichever worker is there."""
    await store.put_batch("r", 0, b"\x00first")
    await store.put_batch("r", 0, b"\x00again")
    await store.put_batch("r", 12, b"other")
    await store.put_batch("s", 0, b"of another run")
    assert await store.get_batch("r", 0) == b"\x00again"
    assert await store.get_batch("r", 12) == b"other"
    await store.drop_batches("r")
    await store.drop_batches("r")
    with pytest.raises(StoreError, match="'r'"):
        await store.get_batch("r", 0)
    assert await store.get_batch("s", 0) == b"of another run"
    assert await ids_in(store) == await listed_in(store) == []
