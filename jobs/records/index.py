"""The index beside records in files: their summaries in one SQLite database, which may be lost at any time."""

import fcntl
import os
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from jobs.errors import StoreError
from jobs.summaries import Summary, microseconds
from jobs.verdicts import Verdict

_FORM = 2
"""Of the tables, and of the summaries in them. An index of another form is made again."""
_UNFINISHED = 0
_BUSY_SECONDS = 60.0
_PAGE = 500

_TABLES = """
DROP TABLE IF EXISTS summaries;
CREATE TABLE summaries (
    job_id TEXT PRIMARY KEY, run_id TEXT, verdict TEXT NOT NULL, finished INTEGER NOT NULL, summary TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX by_age ON summaries (finished, job_id);
CREATE INDEX by_run ON summaries (run_id, finished, job_id, verdict);
"""
_ADD = "INSERT OR REPLACE INTO summaries VALUES (?, ?, ?, ?, ?)"
_NEWEST = """
SELECT summary FROM summaries
WHERE (finished, job_id) < (?, ?) {of_the_run} {beginning}
ORDER BY finished DESC, job_id DESC LIMIT ?
"""
_JOBS = "SELECT job_id FROM summaries WHERE run_id = ? ORDER BY finished DESC, job_id DESC"
_COUNTS = "SELECT verdict, count(*) FROM summaries WHERE run_id = ? GROUP BY verdict"
_AFTER_ALL = (2**63 - 1, "")

_Answer = TypeVar("_Answer")


class SummaryIndex:
    """The index of one folder. Its methods block; they may be called from any thread, and in any number of processes.

    Whatever is not a sound index is replaced by an empty one that is not complete. Where nothing may be written, that
    one is in memory.
    """

    def __init__(self, directory: Path, has_records: Callable[[], bool]) -> None:
        """Use the index in `directory`; one that is made where there are no records yet is complete."""
        self.path = directory / "index.sqlite"
        self._directory = directory
        self._has_records = has_records
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None
        self._identity = (0, False)
        self._may_only_read = False

    def prepare(self) -> None:
        """Have an index that can be written, before the record comes that is to be in it.

        Raises:
            StoreError: it cannot be opened or made.
        """
        self._do(lambda _: None, must_write=True)

    def add(self, summaries: Sequence[Summary]) -> None:
        """Have it hold these, whatever it held of the same jobs.

        Raises:
            StoreError: it cannot be written.
        """
        rows = [_row(summary) for summary in summaries]

        def insert(database: sqlite3.Connection) -> None:
            with _transaction(database):
                database.executemany(_ADD, rows)

        self._do(insert)

    def job_ids(self) -> list[str]:
        """The jobs it holds.

        Raises:
            StoreError: it cannot be read.
        """
        rows = self._do(
            lambda database: database.execute("SELECT job_id FROM summaries").fetchall()
        )
        return [job_id for (job_id,) in rows]

    def remove(self, job_id: str) -> None:
        """Have it hold nothing of this job.

        Raises:
            StoreError: it cannot be written.
        """
        self._do(
            lambda database: database.execute("DELETE FROM summaries WHERE job_id = ?", (job_id,)),
            must_write=True,
        )

    def finish(self, gone: Sequence[str]) -> None:
        """Drop these jobs, and call it complete: every record there was has been added.

        Raises:
            StoreError: it cannot be written.
        """

        def complete(database: sqlite3.Connection) -> None:
            with _transaction(database):
                rows = [(job_id,) for job_id in gone]
                database.executemany("DELETE FROM summaries WHERE job_id = ?", rows)
                _set_form(database, _FORM)

        self._do(complete)

    def newest(
        self, run_id: str | None, beginning: str, after: Summary | None
    ) -> list[Summary] | None:
        """The next so many summaries after this one, or the first ones; None where the index is not complete.

        Raises:
            StoreError: it cannot be read.
        """
        query = _NEWEST.format(
            of_the_run="" if run_id is None else "AND run_id = ?",
            # No character of an id comes after the tilde.
            beginning="AND job_id BETWEEN ? AND ? || '~'" if beginning else "",
        )
        words = [*(() if run_id is None else (run_id,)), *((beginning,) * 2 if beginning else ())]
        place = _AFTER_ALL if after is None else after.age_key
        rows = self._ask(query, (*place, *words, _PAGE))
        return None if rows is None else [Summary.model_validate_json(text) for (text,) in rows]

    def jobs_of(self, run_id: str) -> list[str] | None:
        """The jobs of a run, the latest to finish first; None where the index is not complete.

        Raises:
            StoreError: it cannot be read.
        """
        rows = self._ask(_JOBS, (run_id,))
        return None if rows is None else [job_id for (job_id,) in rows]

    def counts(self, run_id: str) -> Counter[Verdict] | None:
        """How many jobs of a run ended with each verdict; None where the index is not complete.

        Raises:
            StoreError: it cannot be read.
        """
        rows = self._ask(_COUNTS, (run_id,))
        return None if rows is None else Counter({Verdict(verdict): n for verdict, n in rows})

    def close(self) -> None:
        """Let go of the file; the next call opens it again."""
        with self._lock:
            self._forget()

    def _ask(self, query: str, words: Sequence[str | int]) -> list[tuple[Any, ...]] | None:
        def answer(database: sqlite3.Connection) -> list[tuple[Any, ...]] | None:
            if _form(database) != _FORM:
                return None
            return database.execute(query, words).fetchall()

        return self._do(answer)

    def _do(
        self, work: Callable[[sqlite3.Connection], _Answer], *, must_write: bool = False
    ) -> _Answer:
        with self._lock:
            try:
                try:
                    return work(self._opened(must_write=must_write))
                except sqlite3.DatabaseError as error:
                    if not _is_damage(error):
                        raise
                self._throw_away()
                return work(self._opened(must_write=must_write))
            except (sqlite3.Error, OSError) as error:
                self._forget()
                raise StoreError(
                    f"the index {self.path} cannot be used: {error}",
                    fixes=["see whether the disk is full, or remove that file: it is made again"],
                ) from error

    def _opened(self, *, must_write: bool) -> sqlite3.Connection:
        """The database that is at the path now: it may have been removed, or replaced, since it was opened."""
        is_other = self._identity_now() != self._identity or (must_write and self._may_only_read)
        if self._database is None or is_other:
            self._forget()
            self._identity = self._identity_now()
            self._may_only_read = False
            self._database = self._open_somehow(must_write=must_write)
            self._identity = self._identity_now()
        return self._database

    def _open_somehow(self, *, must_write: bool) -> sqlite3.Connection:
        if must_write or os.access(self._directory, os.W_OK):
            try:
                return self._open_to_write()
            except sqlite3.OperationalError as error:
                if must_write or not _is_read_only(error):
                    raise
        self._may_only_read = True
        return self._open_to_read()

    def _identity_now(self) -> tuple[int, bool]:
        return (_inode_of(self.path), os.access(self._directory, os.W_OK))

    def _open_to_write(self) -> sqlite3.Connection:
        database = _connect(f"{self._address}?mode=rwc")
        with _closing_on_error(database):
            (mode,) = database.execute("PRAGMA journal_mode").fetchone()
            if mode != "wal" or _form(database) not in {_FORM, _UNFINISHED}:
                # Two that do this at one time would be told that the database is locked, however long they may wait.
                with self._alone():
                    database.execute("PRAGMA journal_mode = WAL")
                    self._make_once(database)
            # As durable as the record: a job that is done is not delivered again, and nothing would enter it later.
            database.execute("PRAGMA synchronous = FULL")
        return database

    def _make_once(self, database: sqlite3.Connection) -> None:
        has_tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,)
        if has_tables and _form(database) in {_FORM, _UNFINISHED}:
            return
        _make_tables(database)
        if not self._has_records():
            _set_form(database, _FORM)

    def _open_to_read(self) -> sqlite3.Connection:
        """Where nothing may be written: the index there is, or an empty one in memory."""
        # Immutable: without it the files of a database that somebody is writing to would have to be there, too.
        for how in ("mode=ro", "mode=ro&immutable=1"):
            with suppress(sqlite3.DatabaseError):
                database = _connect(f"{self._address}?{how}")
                with _closing_on_error(database):
                    if _form(database) == _FORM:
                        return database
                database.close()
        database = _connect("file::memory:")
        _make_tables(database)
        return database

    @property
    def _address(self) -> str:
        return f"file:{quote(str(self.path.absolute()))}"

    def _throw_away(self) -> None:
        with self._alone():
            # Whoever was here before us may have put a sound one in its place.
            if _inode_of(self.path) == self._identity[0]:
                for suffix in ("-wal", "-shm", ""):
                    self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        self._forget()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _forget(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None


def _connect(address: str) -> sqlite3.Connection:
    return sqlite3.connect(
        address, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )


@contextmanager
def _closing_on_error(database: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        database.close()
        raise


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        # A full disk, among others, has undone it already.
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def _make_tables(database: sqlite3.Connection) -> None:
    with _transaction(database):
        for statement in _TABLES.split(";"):
            database.execute(statement)
        _set_form(database, _UNFINISHED)


def _form(database: sqlite3.Connection) -> int:
    (form,) = database.execute("PRAGMA user_version").fetchone()
    return int(form)


def _set_form(database: sqlite3.Connection, form: int) -> None:
    database.execute(f"PRAGMA user_version = {form}")


def _row(summary: Summary) -> tuple[str, str | None, str, int, str]:
    finished = microseconds(summary)
    return (summary.job_id, summary.run_id, summary.verdict, finished, summary.to_json())


def _inode_of(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    # The last two: there is a database, and its tables are not ours.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
    return code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}


def _is_read_only(error: sqlite3.OperationalError) -> bool:
    code = error.sqlite_errorcode & 0xFF
    return code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}
