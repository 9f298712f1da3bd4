"""What stores that are reached over a network have to stand: servers that break off, are gone, or promise too much."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import redis
from typing_extensions import override

from jobs.errors import StoreError
from jobs.models import Record
from jobs.queue import JobQueue
from jobs.records import LastingStore
from jobs.records.opening import open_store
from tests.cutting import Cutter, cutting, cutting_http
from tests.redis_server import stop_server
from tests.stores import ids_in, listed_in, record_of
from tests.waiting import wait_until


class _Careless(BaseHTTPRequestHandler):
    """An S3 that never heard of conditions: the last writer wins."""

    contents: dict[str, bytes]
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        self.contents[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, b"")

    def do_GET(self) -> None:
        self._answer(200, self.contents[self.path])

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    @override
    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def careless_s3(s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a store in an S3 that takes every put."""
    handler = type("Handler", (_Careless,), {"contents": {}})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        yield f"s3://{s3_bucket}"
        server.shutdown()
        thread.join()


@pytest.fixture
async def redis_store(redis_url: str) -> AsyncIterator[LastingStore]:
    store = open_store(redis_url)
    yield store
    await store.aclose()


async def test_an_object_store_that_keeps_the_last_writer_is_refused(careless_s3: str) -> None:
    """Some speak S3 and ignore conditions; two records of one job would take each other's place in silence."""
    with pytest.raises(StoreError, match="second writer") as caught:
        await open_store(careless_s3).check()
    assert "If-None-Match" in caught.value.fixes[0]


@pytest.mark.parametrize("is_heard", [True, False], ids=["after it was heard", "before"])
async def test_an_object_whose_creation_broke_off_is_kept_once_and_by_us(
    s3_bucket: str, s3_url: str, monkeypatch: pytest.MonkeyPatch, *, is_heard: bool
) -> None:
    """The repeated request finds the first one's object: taken for another's, nobody would count the job."""
    cutter = Cutter(b"PUT ", 1, is_heard=is_heard)
    async with cutting_http(s3_url, cutter) as broken_url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", broken_url)
        store = open_store(f"s3://{s3_bucket}")
        record = record_of("a")
        assert [await store.put(record), await store.put(record)] == [True, False]
        assert cutter.n_cut == 1
        assert await listed_in(store) == ["a"]


async def test_a_reading_that_broke_off_is_repeated(
    s3_bucket: str, s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Networks break, and a report of ten thousand records must not start from the beginning."""
    cutter = Cutter(b"GET ", 2)
    async with cutting_http(s3_url, cutter) as broken_url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", broken_url)
        store = open_store(f"s3://{s3_bucket}")
        await store.put(record_of("a"))
        assert await store.get("a") == record_of("a")
        assert cutter.n_cut == 2


@pytest.mark.parametrize("is_heard", [True, False], ids=["after it was heard", "before"])
async def test_a_record_whose_writing_to_redis_broke_off_is_kept_once_and_by_us(
    redis_url: str, short_folder: Path, *, is_heard: bool
) -> None:
    """The client asks again by itself, and finds the record that its first try has kept."""
    cutter = Cutter(b"EVALSHA", 1, is_heard=is_heard, n_spared=1)
    async with cutting(redis_url, cutter, short_folder) as broken_url:
        store = open_store(broken_url)
        # The server has learned the script by now.
        await store.put(record_of("first", run_id="r"))
        record = record_of("a", run_id="r")
        assert [await store.put(record), await store.put(record)] == [True, False]
        assert cutter.n_cut == 1
        assert (await store.counts("r")).total() == 2
        await store.aclose()


CALLS = ["check", "put", "get", "has", "find", "summaries", "counts"]


async def _ask(store: LastingStore, call: str) -> None:
    match call:
        case "check":
            await store.check()
        case "put":
            await store.put(record_of("a"))
        case "find":
            await ids_in(store)
        case "summaries":
            await listed_in(store)
        case _:
            await getattr(store, call)("a")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("scheme", ["redis", "s3"])
async def test_a_server_that_is_gone_is_an_error_of_the_store(
    s3_bucket: str, monkeypatch: pytest.MonkeyPatch, scheme: str, call: str
) -> None:
    """The worker keeps a job whose record could not be stored, and it knows one error that says so."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    store = open_store({"redis": "redis://127.0.0.1:1/0", "s3": f"s3://{s3_bucket}"}[scheme])
    async with asyncio.timeout(50):
        with pytest.raises(StoreError) as caught:
            await _ask(store, call)
    assert caught.value.retryable
    assert caught.value.fixes
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("call", CALLS)
async def test_a_redis_that_goes_away_meanwhile_is_an_error_of_the_store(
    own_redis: redis.Redis, own_redis_url: str, call: str
) -> None:
    """It may go at any moment, and most do so when everybody works."""
    store = open_store(own_redis_url)
    await store.put(record_of("first"))
    stop_server(own_redis)
    if call != "check":
        with pytest.raises(StoreError):
            await _ask(store, call)
    await store.aclose()
    with pytest.raises(StoreError):
        await _ask(store, call)


@pytest.mark.parametrize("scheme", ["redis", "s3"])
async def test_jobs_that_could_not_be_kept_for_the_workers_are_told_by_where_they_were_to_lie(
    s3_bucket: str, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """It is a hand-over of a run, or a schedule: whoever looks for a run by that name finds none."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    store = open_store({"redis": "redis://127.0.0.1:1/0", "s3": f"s3://{s3_bucket}"}[scheme])
    async with asyncio.timeout(50):
        with pytest.raises(StoreError, match=r"^batch 2 of jobs in 'r\+1' could not be written: "):
            await store.put_batch("r+1", 2, b"jobs")
        with pytest.raises(StoreError, match=r"^batch 2 of jobs in 'r\+1' cannot be read: "):
            await store.get_batch("r+1", 2)
        with pytest.raises(StoreError, match=r"^(the )?batches.*\br\+1\b"):
            await store.drop_batches("r+1")


async def test_a_redis_that_is_full_keeps_all_of_a_record_or_nothing(
    own_redis: redis.Redis, own_redis_url: str
) -> None:
    """A record without its place in the list is one that nobody finds."""
    store = open_store(own_redis_url)
    await store.put(record_of("a", run_id="r"))
    own_redis.config_set("maxmemory", 1000)
    with pytest.raises(StoreError, match="'b'"):
        await store.put(record_of("b", run_id="r"))
    own_redis.config_set("maxmemory", 0)
    assert not await store.has("b")
    assert await listed_in(store) == ["a"]
    assert (await store.counts("r")).total() == 1
    assert await store.put(record_of("b", run_id="r"))
    await store.aclose()


async def test_no_key_of_a_record_expires(redis_store: LastingStore, redis_url: str) -> None:
    """They are the truth: what Redis forgot, nobody would know."""
    await redis_store.put(record_of("a", run_id="r"))
    with redis.Redis.from_url(redis_url) as client:
        keys = sorted(client.keys("*"))
        assert keys == [
            b"promptmill:record:a",
            b"promptmill:recorded",
            b"promptmill:recorded:r",
            b"promptmill:verdicts:r",
        ]
        assert {client.ttl(key) for key in keys} == {-1}


async def test_a_large_record_takes_little_of_redis_memory(
    redis_store: LastingStore, redis_url: str
) -> None:
    """Programs repeat themselves, and memory is what a Redis has least of."""
    record: Record = record_of("a", prompt="Print this line.\n" * 10_000)
    await redis_store.put(record)
    assert await redis_store.get("a") == record
    with redis.Redis.from_url(redis_url) as client:
        assert client.hstrlen(redis_store.place_of("a"), "record") < len(record.to_json()) / 10


async def test_installations_on_one_redis_have_records_of_their_own(redis_url: str) -> None:
    """Both may have a job of the same name."""
    ours, theirs = open_store(redis_url), open_store(redis_url, prefix="other")
    await ours.put(record_of("a", run_id="r"))
    assert not await theirs.has("a")
    assert await listed_in(theirs) == []
    assert await theirs.put(record_of("a", run_id="r"))
    for store in (ours, theirs):
        await store.aclose()


async def test_records_may_be_in_the_redis_of_the_queue(redis_url: str) -> None:
    """One server is less to look after than two."""
    async with JobQueue(redis_url, records=redis_url) as queue:
        handle = queue.handle("a")
        assert await queue.records.put(record_of("a"))
        assert (await handle.record()) == record_of("a")
        assert not await handle.cancel()


async def test_the_embedded_server_keeps_records_from_one_use_to_the_next(
    short_folder: Path,
) -> None:
    """It ends with its last user, and what it keeps is on the disk."""
    store = open_store(f"embedded:{short_folder}")
    try:
        await store.put(record_of("a", run_id="r"))
    finally:
        await store.aclose()
    try:
        assert await listed_in(store, run_id="r") == ["a"]
        assert await store.get("a") == record_of("a", run_id="r")
    finally:
        await store.aclose()
        # The last that its keeper removes; the folder goes with this test.
        told = short_folder / "server" / "server.json"
        await wait_until(lambda: not told.exists(), 10, "the server's end")
