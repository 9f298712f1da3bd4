"""What only the store of files has to stand: a disk, kills in mid-write, and an index that anybody may remove."""

import asyncio
import os
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from jobs.errors import StoreError
from jobs.records.files import FileRecordStore
from jobs.records.verifying import verify
from jobs.verdicts import Verdict
from tests.adversarial.accounts import Account
from tests.stores import ids_in, listed_in, record_of

# Puts one record and ends with what `put` said.
ONE_WRITER = """
import asyncio, sys
from pathlib import Path
from jobs.models import Record
from jobs.records.files import FileRecordStore
record = Record.model_validate_json(Path(sys.argv[2]).read_text())
print(asyncio.run(FileRecordStore(Path(sys.argv[1])).put(record)))
"""

# Writes records until it is killed.
ENDLESS_WRITER = """
import itertools, sys
from pathlib import Path
from jobs.models import Record
from jobs.records.files import FileRecordStore
record = Record.model_validate_json(Path(sys.argv[2]).read_text())
store = FileRecordStore(Path(sys.argv[1]))
for number in itertools.count():
    job = record.job.model_copy(update={"job_id": f"{sys.argv[3]}-{number}"})
    store._write(record.model_copy(update={"job": job}))
    print(number, flush=True)
"""

# Lists what is in a store, and counts a run.
READER = """
import asyncio, sys
from pathlib import Path
from jobs.records.files import FileRecordStore

async def read(store):
    listed = [summary.job_id async for summary in store.summaries()]
    print(*sorted(listed), dict(await store.counts("r")))

asyncio.run(read(FileRecordStore(Path(sys.argv[1]))))
"""
NOBODY = 65534
INDEX = "index.sqlite"


def test_a_writer_that_is_killed_leaves_whole_records_or_none(tmp_path: Path) -> None:
    """A worker can be killed at any instruction, and half a record would stop every report."""
    seed = tmp_path / "seed.json"
    # Large enough that a write takes a while, so that kills fall into it.
    seed.write_text(record_of("seed", prompt="x" * 500_000).to_json())
    n_promised = 0
    for number in range(12):
        writer = subprocess.Popen(
            [sys.executable, "-c", ENDLESS_WRITER, tmp_path / "records", seed, f"w{number}"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout is not None
        for _ in range(random.randint(1, 4)):
            writer.stdout.readline()
        writer.kill()
        n_promised += int(([*writer.communicate()[0].split()] or ["0"])[-1])
    store = FileRecordStore(tmp_path / "records")
    found = [asyncio.run(store.get(job_id)) for job_id in asyncio.run(ids_in(store))]
    assert {len(record.job.prompt) for record in found} == {500_000}
    assert len(found) >= n_promised


async def test_what_a_killed_writer_left_behind_is_no_record(tmp_path: Path) -> None:
    """A temporary file that was mistaken for a record would be half of one."""
    store = FileRecordStore(tmp_path)
    await store.put(record_of("a"))
    store.path_of("a").with_name(".b.0123.partial").write_text("{")
    assert await ids_in(store) == ["a"]
    assert not await store.has("b")


async def test_a_store_that_cannot_be_written_says_where_and_what_to_do(tmp_path: Path) -> None:
    """The job is not over until its record is kept, so this must not pass for success."""
    (tmp_path / "file").write_text("in the way")
    store = FileRecordStore(tmp_path / "file" / "records")
    with pytest.raises(StoreError, match=r"'a'.*Not a directory") as caught:
        await store.put(record_of("a"))
    assert caught.value.retryable
    assert caught.value.fixes
    assert not await store.has("a")


async def test_a_file_where_a_shard_should_be_is_no_record_of_the_job(tmp_path: Path) -> None:
    """ "Something of that name exists" must not be taken for "the record exists": it would be lost."""
    store = FileRecordStore(tmp_path)
    store.path_of("a").parent.write_text("in the way")
    with pytest.raises(StoreError, match="'a'"):
        await store.put(record_of("a"))


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    """A full disk is not made emptier by what nobody will read."""
    seed = tmp_path / "seed.json"
    seed.write_text(record_of("a", prompt="x" * 100_000).to_json())
    writer = subprocess.run(
        [sys.executable, "-c", ONE_WRITER, tmp_path / "records", seed],
        text=True,
        capture_output=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)),
    )
    assert "StoreError: the record of job 'a' could not be written" in writer.stderr
    assert list((tmp_path / "records").glob("??/*")) == []


async def test_a_record_is_indented_text_that_people_can_read(tmp_path: Path) -> None:
    """`less` and `grep` are the first tools anybody reaches for."""
    store = FileRecordStore(tmp_path)
    await store.put(record_of("a"))
    text = store.path_of("a").read_text("utf-8")
    assert '\n  "verdict": "accepted",\n' in text
    assert text.endswith("}\n")


async def three_jobs(folder: Path) -> FileRecordStore:
    """A store that holds the jobs a, b and c of one run, and has been closed."""
    store = FileRecordStore(folder)
    for job_id in ("a", "b", "c"):
        await store.put(record_of(job_id, run_id="r"))
    await store.aclose()
    return store


def remove_index(folder: Path) -> None:
    for path in folder.glob(f"{INDEX}*"):
        path.unlink()


def spoil_header(folder: Path) -> None:
    (folder / INDEX).write_bytes(b"This is not a database. " * 400)


def spoil_middle(folder: Path) -> None:
    with (folder / INDEX).open("r+b") as file:
        file.seek(1000)
        file.write(b"\xff" * 30_000)


def empty(folder: Path) -> None:
    (folder / INDEX).write_bytes(b"")


def another_form(folder: Path) -> None:
    with closing(sqlite3.connect(folder / INDEX)) as database:
        database.executescript("DROP TABLE summaries; CREATE TABLE summaries (other TEXT)")
        database.execute("PRAGMA user_version = 999")


def another_table(folder: Path) -> None:
    with closing(sqlite3.connect(folder / INDEX)) as database:
        database.execute("DROP TABLE summaries")


def an_earlier_copy(folder: Path) -> None:
    # Copied by somebody between the making of the tables and the first record.
    other = FileRecordStore(folder / "other")
    asyncio.run(other.check())
    asyncio.run(other.aclose())
    with closing(sqlite3.connect(folder / "other" / INDEX)) as database:
        database.execute("PRAGMA user_version = 0")
    shutil.move(folder / "other" / INDEX, folder / INDEX)


SPOILT = [
    remove_index,
    spoil_header,
    spoil_middle,
    empty,
    another_form,
    another_table,
    an_earlier_copy,
]


@pytest.mark.parametrize("spoil", SPOILT)
@pytest.mark.parametrize("is_open", [False, True], ids=["closed", "open"])
def test_an_index_that_is_lost_or_spoilt_is_made_again_by_whoever_reads(
    tmp_path: Path, spoil: Callable[[Path], None], *, is_open: bool
) -> None:
    """It is a cache: nobody should have to know that it is there."""
    store = asyncio.run(three_jobs(tmp_path))
    if is_open:
        assert asyncio.run(listed_in(store)) == ["c", "b", "a"]
    spoil(tmp_path)
    assert asyncio.run(listed_in(store)) == ["c", "b", "a"]
    assert asyncio.run(store.counts("r")) == Counter({Verdict.ACCEPTED: 3})
    assert asyncio.run(verify(store)).faults == []


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_writer_that_finds_the_index_lost_or_spoilt_keeps_its_record(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    """A job was paid for; that the list of jobs is broken is no reason to lose it, nor those before it."""
    store = asyncio.run(three_jobs(tmp_path))
    spoil(tmp_path)
    assert asyncio.run(store.put(record_of("d", run_id="r")))
    assert asyncio.run(listed_in(store)) == ["d", "c", "b", "a"]


async def test_another_process_is_heard_of_by_an_open_index(tmp_path: Path) -> None:
    """A worker writes for weeks, and is asked for lists meanwhile."""
    store = await three_jobs(tmp_path)
    assert await listed_in(store) == ["c", "b", "a"]
    other = FileRecordStore(tmp_path)
    await other.put(record_of("d"))
    remove_index(tmp_path)
    await other.put(record_of("e"))
    assert await listed_in(store) == ["e", "d", "c", "b", "a"]


async def test_records_that_were_there_before_the_index_are_listed(tmp_path: Path) -> None:
    """Folders are older than the index, and are copied without it."""
    await three_jobs(tmp_path / "original")
    for path in (tmp_path / "original").glob("??"):
        shutil.copytree(path, tmp_path / "copy" / path.name)
    copy = FileRecordStore(tmp_path / "copy")
    assert await copy.put(record_of("d"))
    assert await listed_in(copy) == ["d", "c", "b", "a"]


async def test_looking_into_a_folder_that_is_not_there_makes_none(tmp_path: Path) -> None:
    """A mistyped path must not become a folder that looks like a store."""
    store = FileRecordStore(tmp_path / "mistyped")
    assert await listed_in(store) == []
    assert not (tmp_path / "mistyped").exists()


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    places = [folder, *folder.rglob("*")]
    for path in places:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        yield
    finally:
        for path in places:
            path.chmod(0o755)


@pytest.mark.parametrize("has_index", [True, False], ids=["with its index", "without one"])
@pytest.mark.parametrize("has_writer", [True, False], ids=["in use", "put away"])
def test_records_that_may_only_be_read_are_listed(
    short_folder: Path, *, has_index: bool, has_writer: bool
) -> None:
    """Results are handed over on shares and archives that nobody may write to."""
    short_folder.chmod(0o755)
    folder = short_folder / "records"
    store = asyncio.run(three_jobs(folder))
    if has_writer:
        # The files beside the database of one that is open, with an entry that is not yet in it.
        asyncio.run(store.put(record_of("d")))
    if not has_index:
        remove_index(folder)
    # Root may write anywhere.
    uid = NOBODY if os.geteuid() == 0 else None
    python, environment = Account("nobody", uid).command
    with read_only(folder):
        reader = subprocess.run(
            [python, "-c", READER, folder],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            user=uid,
            cwd="/",
        )
    asyncio.run(store.aclose())
    listed = "a b c d" if has_writer else "a b c"
    assert reader.stdout == f"{listed} {{<Verdict.ACCEPTED: 'accepted'>: 3}}\n", reader.stderr


async def test_a_folder_in_the_place_of_the_index_is_told(tmp_path: Path) -> None:
    """What cannot be mended by making it again needs a person, who has to know where to look."""
    store = await three_jobs(tmp_path)
    remove_index(tmp_path)
    (tmp_path / INDEX).mkdir()
    with pytest.raises(StoreError, match=INDEX) as caught:
        await store.put(record_of("d"))
    assert "remove" in " ".join(caught.value.fixes)
    (tmp_path / INDEX).rmdir()
    assert await store.put(record_of("d"))
    assert await listed_in(store) == ["d", "c", "b", "a"]
