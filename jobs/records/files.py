"""Records as files: one JSON file each, whole or not there, sharded so that no folder grows too long."""

import asyncio
import os
import secrets
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from io import FileIO
from pathlib import Path
from typing import TypeVar

from jobs.errors import RecordNotFoundError, StoreError
from jobs.gathering import Gathering
from jobs.identifiers import is_identifier
from jobs.models import Record
from jobs.outlines import Outline
from jobs.summaries import Summary
from jobs.verdicts import Verdict

from .index import SummaryIndex
from .reading import (
    is_sound,
    no_batch,
    not_found,
    read_as,
    read_record,
    selects_nothing,
    shard_of,
    write_record,
)
from .verifying import rebuild

_FIXES = ("free some space or choose another folder with --store or PROMPTMILL_STORE__DIRECTORY",)
_INDEXED_AT_ONCE = 500
_READ_AT_ONCE = 64
_Answer = TypeVar("_Answer")
_Form = TypeVar("_Form", Record, Outline)


class FileRecordStore:
    """Keeps each record in `DIRECTORY/ab/JOB_ID.json`, `ab` being two hex digits of the id's hash.

    A record is written under a temporary name, flushed to the disk and then linked to its own name. The link fails
    if the name exists, so the first writer wins, and a crash at any point leaves either the whole file or none
    (and at worst a temporary file that no reader looks at). Then its summary goes into `DIRECTORY/index.sqlite`.

    The folder is for processes of one machine: SQLite trusts no network's file locks.
    """

    def __init__(self, directory: Path) -> None:
        """Use `directory`, which is made when the first record comes."""
        self.directory = directory
        # What comes before the names in it: nothing, where it is the folder that we are in.
        self._beginning = str(directory / "_").removesuffix("_")
        self._index = SummaryIndex(directory, self._has_records)
        # What the disk is waited for once serves all who wait.
        self._entering: Gathering[Summary, StoreError | None] = Gathering(self._enter)

    def path_of(self, job_id: str) -> Path:
        """Where the record of a job is or would be."""
        return Path(self.place_of(job_id))

    def place_of(self, job_id: str) -> str:
        """Where the record of a job is or would be."""
        # Of a hundred thousand jobs, to make a Path for each takes longer than to read what is there.
        return f"{self._beginning}{shard_of(job_id)}/{job_id}.json"

    async def check(self) -> None:
        """Make the folder, and find out whether a file can be written there.

        Raises:
            StoreError: none can.
        """
        await asyncio.to_thread(self._try_out)

    async def put(self, record: Record) -> bool:
        """Keep `record` unless the job already has one."""
        is_first, kept = await asyncio.to_thread(self._write, record)
        # And to this.
        error = await self._entering.ask(Summary.of(kept))
        if error is not None:
            raise error
        return is_first

    async def _enter(self, summaries: Sequence[Summary]) -> Sequence[StoreError | None]:
        try:
            await asyncio.to_thread(self._index.add, summaries)
        except StoreError as error:
            return [error] * len(summaries)
        return [None] * len(summaries)

    async def get(self, job_id: str) -> Record:
        """The record of a job."""
        if not is_identifier(job_id):
            # It may be a path that leads out of the store.
            raise not_found(job_id, str(self.directory))
        return await asyncio.to_thread(_read, self.place_of(job_id))

    async def has(self, job_id: str) -> bool:
        """Whether the job has a record."""
        return is_identifier(job_id) and await asyncio.to_thread(_exists, self.path_of(job_id))

    async def discard(self, job_id: str) -> None:
        """Forget the record of a job, if there is one."""
        if await self.has(job_id) or await self._lists(job_id):
            await asyncio.to_thread(_remove, self.path_of(job_id))
            await asyncio.to_thread(self._index.remove, job_id)

    async def _lists(self, job_id: str) -> bool:
        return job_id in [job.job_id async for job in self.summaries(beginning=job_id)]

    async def put_batch(self, place: str, number: int, content: bytes) -> None:
        """Keep some jobs until workers have queued them, in `DIRECTORY/batches/PLACE`."""
        await asyncio.to_thread(_replace, self._batch(place, number), content)

    async def get_batch(self, place: str, number: int) -> bytes:
        """What was kept under this number."""
        path = self._batch(place, number)
        try:
            return await asyncio.to_thread(path.read_bytes)
        except FileNotFoundError:
            raise no_batch(place, number) from None
        except OSError as error:
            raise StoreError(f"the jobs in {path} cannot be read: {error.strerror}") from error

    async def drop_batches(self, place: str) -> None:
        """Forget everything that was kept there in this way."""
        folder = self._batch(place, 0).parent
        try:
            if await asyncio.to_thread(folder.is_dir):
                await asyncio.to_thread(shutil.rmtree, folder)
        except OSError as error:
            raise StoreError(f"the jobs in {folder} cannot be removed: {error.strerror}") from error

    def _batch(self, place: str, number: int) -> Path:
        return self.directory / "batches" / place / f"{number:06}.jsonl.gz"

    async def find(self, *, run_id: str | None = None) -> AsyncIterator[Record]:
        """Every record, ordered by shard and id, or those of one run."""
        async for record in self._found(Record, run_id):
            yield record

    async def outlines(self, run_id: str) -> AsyncIterator[Outline]:
        """Every record of a run, as far as reports count it."""
        async for outline in self._found(Outline, run_id):
            yield outline

    async def _found(self, form: type[_Form], run_id: str | None) -> AsyncIterator[_Form]:
        places = await self._places_of(run_id)
        for start in range(0, len(places), _READ_AT_ONCE):
            # To go to a thread and back takes longer than to read a file.
            some = places[start : start + _READ_AT_ONCE]
            for place, content in await asyncio.to_thread(_those_there, some, run_id):
                # Made here, one by one: what is held is looked at again and again by the garbage collector, which
                # takes as long as to make it.
                yield read_as(form, content, place)

    async def _places_of(self, run_id: str | None) -> list[str]:
        if run_id is None:
            return await asyncio.to_thread(self._places)
        if selects_nothing(run_id, ""):
            return []
        ids = await self._ask(partial(self._index.jobs_of, run_id))
        return [self.place_of(job_id) for job_id in ids]

    async def summaries(
        self, *, run_id: str | None = None, beginning: str = "", limit: int | None = None
    ) -> AsyncIterator[Summary]:
        """What the index knows; one that is missing or damaged is made again first."""
        if selects_nothing(run_id, beginning):
            return
        n_left: int | None = limit
        last: Summary | None = None
        while n_left is None or n_left > 0:
            page = await self._ask(partial(self._index.newest, run_id, beginning, last))
            if not page:
                return
            for last in page[:n_left]:
                yield last
            n_left = None if n_left is None else n_left - len(page)

    async def counts(self, run_id: str) -> Counter[Verdict]:
        """How many jobs of a run ended with each verdict; an index that is missing or damaged is made again first."""
        if selects_nothing(run_id, ""):
            return Counter()
        return await self._ask(partial(self._index.counts, run_id))

    async def aclose(self) -> None:
        """Close the index."""
        # Not in a thread: whoever presses Ctrl-C twice would else end the loop while this waits for it.
        self._index.close()

    async def places(self) -> AsyncIterator[str]:
        """The path of every file in a shard, ordered by shard and id."""
        for place in await asyncio.to_thread(self._places):
            yield place

    async def read(self, place: str) -> Record:
        """The record in this file."""
        # Whoever asks for all there are waits half as long as for a thread, and lets others have their turn.
        await asyncio.sleep(0)
        return _read(place)

    async def index_anew(self, records: AsyncIterator[Record]) -> None:
        """Make the index again from these."""
        found: set[str] = set()
        batch: list[Summary] = []
        async for record in records:
            batch.append(Summary.of(record))
            found.add(record.job_id)
            if len(batch) == _INDEXED_AT_ONCE:
                await asyncio.to_thread(self._index.add, batch)
                batch = []
        await asyncio.to_thread(self._index.add, batch)

        others = set(await asyncio.to_thread(self._index.job_ids)) - found
        gone = [job_id for job_id in others if not await is_sound(self, job_id)]
        await asyncio.to_thread(self._index.finish, gone)

    async def _ask(self, question: Callable[[], _Answer | None]) -> _Answer:
        """What the index answers. One that is not complete is made again first."""
        answer = await asyncio.to_thread(question)
        if answer is None:
            await rebuild(self)
            answer = await asyncio.to_thread(question)
        if answer is None:
            raise StoreError(
                f"the index {self._index.path} was lost while it was read",
                fixes=["try again; if that does not help: promptmill store rebuild"],
            )
        return answer

    def _places(self) -> list[str]:
        return sorted(map(str, self.directory.glob("[0-9a-f][0-9a-f]/[!.]*.json")))

    def _has_records(self) -> bool:
        return any(self.directory.glob("[0-9a-f][0-9a-f]/[!.]*.json"))

    def _try_out(self) -> None:
        trial = self.directory / f".{secrets.token_hex(8)}.partial"
        try:
            _make_folder(self.directory)
            try:
                _write_through(trial, b"")
            finally:
                trial.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(
                f"no record can be kept in {self.directory}: {error.strerror}",
                fixes=_FIXES,
                note="no job was taken",
            ) from error
        self._index.prepare()

    def _write(self, record: Record) -> tuple[bool, Record]:
        """Whether the job had no record yet, and the record that it has now."""
        final = self.path_of(record.job_id)
        try:
            _make_folder(final.parent)
            self._index.prepare()
            is_first = not _exists(final) and _link_whole(write_record(record), final)
            # By the second writer, too: the first may have been killed before it came to this.
            _flush_folder(final.parent)
        except OSError as error:
            raise StoreError(
                f"the record of job {record.job_id!r} could not be written to {final}: {error.strerror}",
                fixes=_FIXES,
            ) from error
        return is_first, record if is_first else _read(str(final))


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        _flush_folder(folder.parent)


def _write_through(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _link_whole(content: bytes, final: Path) -> bool:
    """Whether the name was still free."""
    partial_file = final.with_name(f".{final.stem}.{secrets.token_hex(8)}.partial")
    try:
        _write_through(partial_file, content)
        os.link(partial_file, final)
    except FileExistsError:
        return False
    finally:
        partial_file.unlink(missing_ok=True)
    return True


def _replace(path: Path, content: bytes) -> None:
    partial_file = path.with_name(f".{path.name}.{secrets.token_hex(8)}.partial")
    try:
        _make_folder(path.parent)
        try:
            _write_through(partial_file, content)
            partial_file.replace(path)
            _flush_folder(path.parent)
        finally:
            partial_file.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"jobs could not be written to {path}: {error.strerror}", fixes=_FIXES
        ) from error


def _remove(path: Path) -> None:
    try:
        path.unlink()
        _flush_folder(path.parent)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"the record {path} cannot be removed: {error.strerror}") from error


def _flush_folder(folder: Path) -> None:
    # A link is only as durable as the folder that holds it.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(place: str) -> Record:
    return read_record(_content(place), place)


def _content(place: str) -> bytes:
    try:
        # Half of what `Path.read_bytes` takes: nothing is put into a buffer first.
        with FileIO(place) as file:
            return file.readall()
    except FileNotFoundError:
        path = Path(place)
        raise not_found(path.stem, str(path.parent.parent)) from None
    except OSError as error:
        raise StoreError(f"the record {place} cannot be read: {error.strerror}") from error


def _those_there(places: Sequence[str], run_id: str | None) -> list[tuple[str, bytes]]:
    """What stands in these places. A record of a run may have been removed, and its index has not heard of that.

    Raises:
        StoreError: one cannot be read.
    """
    found: list[tuple[str, bytes]] = []
    for place in places:
        try:
            found.append((place, _content(place)))
        except RecordNotFoundError:
            if run_id is None:
                raise
    return found


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise StoreError(f"the record {path} cannot be looked for: {error.strerror}") from error
    return True
