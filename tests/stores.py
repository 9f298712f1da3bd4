"""Every kind of record store, empty and of one's own, for tests that hold all of them to the same contract."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import obstore
import pytest

from jobs.models import PromptJob, Record
from jobs.records import LastingStore, RecordStore
from jobs.records.files import FileRecordStore
from jobs.records.memory import MemoryRecordStore
from jobs.records.objects import ObjectRecordStore
from jobs.records.opening import open_store
from jobs.records.redis import RedisRecordStore
from jobs.verdicts import Verdict
from tests.making import a_record
from tests.s3_server import environment_for, make_bucket, private_s3

LASTING = ("files", "redis", "shared folder", "s3")
_bucket_numbers = itertools.count()


@dataclass(frozen=True)
class Place:
    """Where a test may keep records."""

    kind: str
    url: str
    """What `open_store` takes; empty means memory."""

    def open(self) -> RecordStore:
        """The store there."""
        return open_store(self.url) if self.url else MemoryRecordStore()


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """The session's own S3."""
    with private_s3() as url:
        yield url


@pytest.fixture
def s3_bucket(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of an empty bucket, which can be reached with what now stands in the environment."""
    for name, value in environment_for(s3_url).items():
        monkeypatch.setenv(name, value)
    bucket = f"bucket-{next(_bucket_numbers)}"
    make_bucket(s3_url, bucket)
    return bucket


def place_of_kind(kind: str, request: pytest.FixtureRequest) -> Place:
    """An empty place; its servers are started when the first test wants one."""
    folder: Path = request.getfixturevalue("tmp_path") / "records"
    match kind:
        case "memory":
            return Place(kind, "")
        case "files":
            return Place(kind, str(folder))
        case "redis":
            return Place(kind, request.getfixturevalue("redis_url"))
        case "shared folder":
            return Place(kind, f"file+objects://{folder}")
        case _:
            return Place(kind, f"s3://{request.getfixturevalue('s3_bucket')}/below/here")


def record_of(
    job_id: str,
    *,
    run_id: str | None = None,
    prompt: str = "Print 1.",
    verdict: Verdict = Verdict.ACCEPTED,
) -> Record:
    """A record that tests of stores care about this much."""
    return a_record(PromptJob(prompt=prompt, job_id=job_id, run_id=run_id), verdict)


async def ids_in(store: RecordStore, *, run_id: str | None = None) -> list[str]:
    """The ids of all records."""
    return sorted([record.job_id async for record in store.find(run_id=run_id)])


async def listed_in(
    store: RecordStore, *, run_id: str | None = None, beginning: str = "", limit: int | None = None
) -> list[str]:
    """The ids that the index lists, in its order."""
    found = store.summaries(run_id=run_id, beginning=beginning, limit=limit)
    return [summary.job_id async for summary in found]


async def overwrite(store: LastingStore, job_id: str, content: bytes) -> None:
    """Put something else in the place of a record, as a disk or a person may."""
    match store:
        case FileRecordStore():
            store.path_of(job_id).write_bytes(content)
        case RedisRecordStore():
            async with (await store._connected()).pipeline() as pipe:
                pipe.hset(store.place_of(job_id), "record", content)  # type: ignore[arg-type]
                await pipe.execute()
        case ObjectRecordStore():
            path = store.place_of(job_id).removeprefix(f"{store._url}/")
            await obstore.put_async(store._objects, path, content)
        case _:
            raise AssertionError


async def remove(store: LastingStore, job_id: str) -> None:
    """Remove a record, as a person may, and leave the index alone."""
    match store:
        case FileRecordStore():
            store.path_of(job_id).unlink()
        case RedisRecordStore():
            await (await store._connected()).delete(store.place_of(job_id))
        case ObjectRecordStore():
            path = store.place_of(job_id).removeprefix(f"{store._url}/")
            await obstore.delete_async(store._objects, path)
        case _:
            raise AssertionError
