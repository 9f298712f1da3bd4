"""Records as objects in S3, Google Cloud Storage, Azure, or a folder that machines share."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, GenericError
from obstore.store import LocalStore, ObjectStore, from_url
from pydantic import ValidationError

from jobs.errors import StoreError, UsageError
from jobs.identifiers import is_identifier
from jobs.models import Record
from jobs.outlines import Outline
from jobs.summaries import Summary, microseconds
from jobs.verdicts import Verdict

from .reading import (
    find_in,
    is_sound,
    no_batch,
    not_found,
    outlines_in,
    read_record,
    selects_nothing,
    shard_of,
    some_at_once,
    write_record,
)

if TYPE_CHECKING:
    # Types alone, which are not there when it runs.
    from obstore.store import RetryConfig

_RECORDS, _RUNS, _BATCHES = "records", "runs", "batches"
_TRIAL = "trial.txt"
_NO_RUN = "-"
# Names sort by what is left until then, in microseconds: the latest comes first, until the year 2286.
_END_OF_TIME = 10**16 - 1
_PAGE = 1000
_WAITS_SECONDS = (0.2, 1.0, 5.0)
_RETRY_SECONDS = 30
_LOOK_AT_ENVIRONMENT = "see what the variables AWS_…, GOOGLE_… or AZURE_… say"


@dataclass(frozen=True)
class _Entry:
    """A summary's object, whose name alone is enough to sort and to count."""

    path: str
    finished: int
    verdict: Verdict
    job_id: str

    @classmethod
    def of(cls, summary: Summary) -> "_Entry":
        finished = microseconds(summary)
        name = f"{_END_OF_TIME - finished:016d}.{summary.verdict.value}.{summary.job_id}.json"
        path = f"{_RUNS}/{summary.run_id or _NO_RUN}/{name}"
        return cls(path, finished, summary.verdict, summary.job_id)

    @classmethod
    def at(cls, path: str) -> "_Entry | None":
        """None if the name is not one of ours."""
        try:
            left, verdict, job_id = path.rpartition("/")[2].removesuffix(".json").split(".", 2)
            return cls(path, _END_OF_TIME - int(left), Verdict(verdict), job_id)
        except ValueError:
            return None


def open_objects(url: str) -> "ObjectRecordStore":
    """The store at `s3://…`, `gs://…` or `az://…`, or at `file:///…` in a folder that machines share.

    Raises:
        UsageError: the environment has not what it takes to reach it.
    """
    try:
        if url.startswith("file:"):
            folder = LocalStore.from_url(url, mkdir=True)
            return ObjectRecordStore(url, folder, folder)
        return ObjectRecordStore(url, _in_a_cloud(url, n_retries=4), _in_a_cloud(url, n_retries=0))
    except (BaseError, ValueError, OSError) as error:
        raise UsageError(
            f"{url!r} cannot be opened: {_reason(error)}", fixes=[_LOOK_AT_ENVIRONMENT]
        ) from error


def _in_a_cloud(url: str, *, n_retries: int) -> ObjectStore:
    retries: RetryConfig = {
        "max_retries": n_retries,
        "retry_timeout": timedelta(seconds=_RETRY_SECONDS),
    }
    return from_url(url, retry_config=retries)


class ObjectRecordStore:
    """Keeps each record at `records/ab/JOB_ID.json`, and its summary below `runs/RUN_ID/`.

    A record is created on the condition that nothing has its name, so the first writer wins. The name of a summary
    tells the time, the verdict and the job, so a run is counted by listing names.
    """

    def __init__(self, url: str, objects: ObjectStore, once: ObjectStore) -> None:
        """Use `objects`, and to create records `once`: the same, but it never repeats a request by itself.

        A creation that was repeated unseen would find its own first try, and take it for another writer's.
        """
        self._url = url.rstrip("/")
        self._objects = objects
        self._once = once

    def place_of(self, job_id: str) -> str:
        """The URL of a record."""
        return f"{self._url}/{_path_of(job_id)}"

    async def check(self) -> None:
        """Find out whether an object can be created, and once only. It stays: some may write and not delete.

        Raises:
            StoreError: it cannot, or a second writer would take the place of the first.
        """
        with self._expecting("no record can be kept"):
            await self._create(_TRIAL, b"The first trial of this store.\n")
            is_created_twice, _ = await self._create(_TRIAL, b"A later one.\n")
        if is_created_twice:
            raise StoreError(
                f"no record can be kept in {self._url}: it lets a second writer take the place of the first",
                fixes=["use a store that honours the header If-None-Match when objects are put"],
                note="no job was taken",
            )

    async def put(self, record: Record) -> bool:
        """Keep `record` unless the job already has one."""
        with self._expecting(f"the record of job {record.job_id!r} could not be written"):
            is_first, kept = await self._create(_path_of(record.job_id), write_record(record))
            place = self.place_of(record.job_id)
            await self._enter(record if is_first else read_record(kept, place))
        return is_first

    async def get(self, job_id: str) -> Record:
        """The record of a job."""
        if not is_identifier(job_id):
            raise not_found(job_id, self._url)
        return await self.read(self.place_of(job_id))

    async def has(self, job_id: str) -> bool:
        """Whether the job has a record."""
        if not is_identifier(job_id):
            return False
        with self._expecting(f"the record of job {job_id!r} cannot be looked for"):
            try:
                await asyncio.to_thread(obstore.head, self._objects, _path_of(job_id))
            except FileNotFoundError:
                return False
        return True

    async def discard(self, job_id: str) -> None:
        """Forget the record of a job, if there is one."""
        if not is_identifier(job_id):
            return
        with self._expecting(f"the record of job {job_id!r} could not be removed"):
            content = await self._read(_path_of(job_id))
            await self._delete([_path_of(job_id)] if content is not None else [])
            # Its run may not be known any more: of a discarding that broke off, or of a record that was damaged.
            entries = map(_Entry.at, await self._list(_RUNS))
            await self._delete(
                [entry.path for entry in entries if entry and entry.job_id == job_id]
            )

    async def put_batch(self, place: str, number: int, content: bytes) -> None:
        """Keep some jobs until workers have queued them, below `batches/PLACE`."""
        with self._expecting(f"batch {number} of jobs in {place!r} could not be written"):
            await asyncio.to_thread(obstore.put, self._objects, _batch(place, number), content)

    async def get_batch(self, place: str, number: int) -> bytes:
        """What was kept under this number."""
        with self._expecting(f"batch {number} of jobs in {place!r} cannot be read"):
            content = await self._read(_batch(place, number))
        if content is None:
            raise no_batch(place, number)
        return content

    async def drop_batches(self, place: str) -> None:
        """Forget everything that was kept there in this way."""
        with self._expecting(f"the batches of jobs in {place!r} could not be removed"):
            await self._delete(await self._list(f"{_BATCHES}/{place}"))

    async def _delete(self, paths: list[str]) -> None:
        if paths:
            await asyncio.to_thread(obstore.delete, self._objects, paths)

    def find(self, *, run_id: str | None = None) -> AsyncIterator[Record]:
        """Every record, ordered by shard and id, or those of one run."""
        return find_in(self, run_id)

    def outlines(self, run_id: str) -> AsyncIterator[Outline]:
        """Every record of a run, as far as reports count it."""
        return outlines_in(self, run_id)

    async def summaries(
        self, *, run_id: str | None = None, beginning: str = "", limit: int | None = None
    ) -> AsyncIterator[Summary]:
        """What is entered, the latest to finish first."""
        if selects_nothing(run_id, beginning):
            return
        entries = [
            entry for entry in await self._entries(run_id) if entry.job_id.startswith(beginning)
        ]
        async for summary in some_at_once(_each(entries[:limit]), self._summary_at):
            if summary is not None:
                yield summary

    async def counts(self, run_id: str) -> Counter[Verdict]:
        """How many jobs of a run ended with each verdict."""
        if selects_nothing(run_id, ""):
            return Counter()
        return Counter(entry.verdict for entry in await self._entries(run_id))

    async def aclose(self) -> None:
        """Nothing has to be let go of."""

    async def places(self) -> AsyncIterator[str]:
        """The URL of every object among the records, ordered by shard and id."""
        for path in await self._list(_RECORDS):
            yield f"{self._url}/{path}"

    async def read(self, place: str) -> Record:
        """The record at this URL."""
        path = place.removeprefix(f"{self._url}/")
        with self._expecting(f"the record {place} cannot be read"):
            content = await self._read(path)
        if content is None:
            raise not_found(path.rpartition("/")[2].removesuffix(".json"), self._url)
        return read_record(content, place)

    async def index_anew(self, records: AsyncIterator[Record]) -> None:
        """Enter these, and remove what no record stands for."""
        with self._expecting("the index could not be made"):
            earlier = await self._list(_RUNS)
            entered = {path async for path in some_at_once(records, self._enter)}
            for path in earlier:
                if path not in entered and not await self._is_entry_of_a_record(path):
                    await asyncio.to_thread(obstore.delete, self._objects, path)

    async def _is_entry_of_a_record(self, path: str) -> bool:
        entry = _Entry.at(path)
        if entry is None or not await is_sound(self, entry.job_id):
            return False
        return path == _Entry.of(Summary.of(await self.get(entry.job_id))).path

    async def _enter(self, record: Record) -> str:
        summary = Summary.of(record)
        path = _Entry.of(summary).path
        await asyncio.to_thread(obstore.put, self._objects, path, summary.to_json().encode())
        return path

    async def _create(self, path: str, content: bytes) -> tuple[bool, bytes]:
        """Whether this call created the object, and what it holds then."""
        is_unsure, waits = False, list(_WAITS_SECONDS)
        while True:
            try:
                await asyncio.to_thread(obstore.put, self._once, path, content, mode="create")
            except AlreadyExistsError:
                kept = await self._read(path)
                if kept is not None:
                    # It may be ours, of a try that was taken and not answered.
                    return is_unsure and kept == content, kept
                # S3 says the same of somebody who is writing there, and who may yet fail.
                if not waits:
                    raise
            except GenericError:
                if not waits:
                    raise
                is_unsure = True
            else:
                return True, content
            await asyncio.sleep(waits.pop(0))

    async def _read(self, path: str) -> bytes | None:
        try:
            return await asyncio.to_thread(_content, self._objects, path)
        except FileNotFoundError:
            return None

    async def _list(self, folder: str) -> list[str]:
        with self._expecting(f"{folder} cannot be listed"):
            return await asyncio.to_thread(_names, self._objects, folder)

    async def _entries(self, run_id: str | None) -> list[_Entry]:
        """The latest of each job: of one whose record was removed, and that ran again, there may be two."""
        paths = await self._list(_RUNS if run_id is None else f"{_RUNS}/{run_id}")
        found = [entry for entry in map(_Entry.at, paths) if entry is not None]
        found.sort(key=lambda entry: (entry.finished, entry.job_id))
        latest = {entry.job_id: entry for entry in found}
        return sorted(
            latest.values(), key=lambda entry: (entry.finished, entry.job_id), reverse=True
        )

    async def _summary_at(self, entry: _Entry) -> Summary | None:
        with self._expecting(f"the summary {self._url}/{entry.path} cannot be read"):
            content = await self._read(entry.path)
        try:
            return None if content is None else Summary.model_validate_json(content)
        except ValidationError as error:
            raise StoreError(
                f"the summary {self._url}/{entry.path} cannot be read",
                fixes=["type: promptmill store rebuild"],
            ) from error

    @contextmanager
    def _expecting(self, what_failed: str) -> Iterator[None]:
        """Say what failed, should the store fail inside the block.

        Raises:
            StoreError: it did.
        """
        try:
            yield
        except (BaseError, OSError) as error:
            raise StoreError(
                f"{what_failed}: {_reason(error)}",
                facts={"store": self._url},
                fixes=["see whether it can be reached", _LOOK_AT_ENVIRONMENT],
            ) from error


# Threads of ours wait for obstore: its own, which would tell an event loop, may still do so when Python has ended, and
# then bring the process down after its work is done.
def _content(objects: ObjectStore, path: str) -> bytes:
    return bytes(obstore.get(objects, path).bytes())


def _names(objects: ObjectStore, folder: str) -> list[str]:
    pages = obstore.list(objects, folder, chunk_size=_PAGE)
    return sorted(found["path"] for page in pages for found in page)


async def _each(entries: Sequence[_Entry]) -> AsyncIterator[_Entry]:
    for entry in entries:
        yield entry


def _reason(error: Exception) -> str:
    # What follows the first line is for whoever debugs the library.
    return str(error).partition("\n")[0]


def _batch(place: str, number: int) -> str:
    return f"{_BATCHES}/{place}/{number:06}.jsonl.gz"


def _path_of(job_id: str) -> str:
    return f"{_RECORDS}/{shard_of(job_id)}/{job_id}.json"
