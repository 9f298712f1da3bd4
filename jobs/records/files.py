"""Records as files: one JSON file each, whole or not there, sharded so that no folder grows too long."""

import asyncio
import hashlib
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from pydantic import ValidationError

from jobs.errors import RecordDamagedError, RecordNotFoundError, StoreError
from jobs.models import Record, is_identifier

_FIXES = ("free some space or choose another folder with --store or PROMPTMILL_STORE__DIRECTORY",)


class FileRecordStore:
    """Keeps each record in `DIRECTORY/ab/JOB_ID.json`, `ab` being two hex digits of the id's hash.

    A record is written under a temporary name, flushed to the disk and then linked to its own name. The link fails
    if the name exists, so the first writer wins, and a crash at any point leaves either the whole file or none
    (and at worst a temporary file that no reader looks at).
    """

    def __init__(self, directory: Path) -> None:
        """Use `directory`, which is made when the first record comes."""
        self.directory = directory

    def path_of(self, job_id: str) -> Path:
        """Where the record of a job is or would be."""
        shard = hashlib.sha256(job_id.encode()).hexdigest()[:2]
        return self.directory / shard / f"{job_id}.json"

    async def check(self) -> None:
        """Make the folder, and find out whether a file can be written there.

        Raises:
            StoreError: none can.
        """
        await asyncio.to_thread(self._try_out)

    async def put(self, record: Record) -> bool:
        """Keep `record` unless the job already has one."""
        return await asyncio.to_thread(self._write, record)

    async def get(self, job_id: str) -> Record:
        """The record of a job."""
        if not is_identifier(job_id):
            # It may be a path that leads out of the store.
            raise _not_found(job_id, self.directory)
        return await asyncio.to_thread(_read, self.path_of(job_id))

    async def has(self, job_id: str) -> bool:
        """Whether the job has a record."""
        return is_identifier(job_id) and await asyncio.to_thread(_exists, self.path_of(job_id))

    async def find(
        self,
        *,
        run_id: str | None = None,
        on_unreadable: Callable[[Path, StoreError], None] | None = None,
    ) -> AsyncIterator[Record]:
        """Every record, or those of one run, ordered by shard and id.

        Given `on_unreadable`, a record that cannot be read is told to it and left out.
        """
        for path in await asyncio.to_thread(self._paths):
            try:
                record = await asyncio.to_thread(_read, path)
            except StoreError as error:
                if on_unreadable is None:
                    raise
                on_unreadable(path, error)
                continue
            if run_id is None or record.job.run_id == run_id:
                yield record

    async def discard(self, job_id: str) -> None:
        """Forget the record of a job, if there is one."""
        if is_identifier(job_id):
            await asyncio.to_thread(_remove, self.path_of(job_id))

    async def put_batch(self, run_id: str, number: int, content: bytes) -> None:
        """Keep some jobs of a run until workers have queued them, in `DIRECTORY/batches/RUN_ID`."""
        await asyncio.to_thread(_replace, self._batch(run_id, number), content)

    async def get_batch(self, run_id: str, number: int) -> bytes:
        """What was kept under this number."""
        path = self._batch(run_id, number)
        try:
            return await asyncio.to_thread(path.read_bytes)
        except OSError as error:
            raise StoreError(f"the jobs in {path} cannot be read: {error.strerror}") from error

    async def drop_batches(self, run_id: str) -> None:
        """Forget everything that was kept of the run in this way."""
        folder = self._batch(run_id, 0).parent
        try:
            if folder.is_dir():
                await asyncio.to_thread(shutil.rmtree, folder)
        except OSError as error:
            raise StoreError(f"the jobs in {folder} cannot be removed: {error.strerror}") from error

    def _batch(self, run_id: str, number: int) -> Path:
        return self.directory / "batches" / run_id / f"{number:06}.jsonl.gz"

    def _paths(self) -> list[Path]:
        return sorted(self.directory.glob("[0-9a-f][0-9a-f]/[!.]*.json"))

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

    def _write(self, record: Record) -> bool:
        final = self.path_of(record.job_id)
        partial = final.with_name(f".{record.job_id}.{secrets.token_hex(8)}.partial")
        try:
            _make_folder(final.parent)
            try:
                _write_through(partial, record.to_json(indent=2).encode() + b"\n")
                is_first = _link(partial, final)
                # By the second writer, too: the first may have been killed before it came to this.
                _flush_folder(final.parent)
            finally:
                partial.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(
                f"the record of job {record.job_id!r} could not be written to {final}: {error.strerror}",
                fixes=_FIXES,
            ) from error
        return is_first


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        _flush_folder(folder.parent)


def _write_through(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _link(partial: Path, final: Path) -> bool:
    try:
        os.link(partial, final)
    except FileExistsError:
        return False
    return True


def _flush_folder(folder: Path) -> None:
    # A link is only as durable as the folder that holds it.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> Record:
    try:
        return Record.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise _not_found(path.stem, path.parent.parent) from None
    except OSError as error:
        raise StoreError(f"the record {path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "as a whole"
        raise RecordDamagedError(
            f"the record {path} cannot be read: {place}: {first['msg']}",
            facts={"faults": str(error.error_count())},
            fixes=["put it back from a copy, or remove it and submit the job again"],
        ) from error


def _replace(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}.partial")
    try:
        _make_folder(path.parent)
        try:
            _write_through(partial, content)
            partial.replace(path)
            _flush_folder(path.parent)
        finally:
            partial.unlink(missing_ok=True)
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


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise StoreError(f"the record {path} cannot be looked for: {error.strerror}") from error
    return True


def _not_found(job_id: str, directory: Path) -> RecordNotFoundError:
    return RecordNotFoundError(
        f"there is no record of job {job_id!r}",
        facts={"looked in": str(directory)},
        fixes=["see what there is: promptmill job list"],
    )
