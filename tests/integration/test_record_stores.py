"""The contract of record stores, and what only the store of files has to stand."""

import asyncio
import random
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.errors import ExitCode, RecordNotFoundError, StoreError
from jobs.models import PromptJob, Record
from jobs.records import RecordStore
from jobs.records.files import FileRecordStore
from jobs.records.memory import MemoryRecordStore
from jobs.verdicts import Verdict
from tests.making import a_record

MakeStore = Callable[[Path], RecordStore]
STORES: list[MakeStore] = [FileRecordStore, lambda _: MemoryRecordStore()]

# Ends with what `put` said, once it is told to begin.
ONE_WRITER = """
import asyncio, sys
from pathlib import Path
from jobs.models import Record
from jobs.records.files import FileRecordStore
record = Record.model_validate_json(Path(sys.argv[2]).read_text())
record = record.model_copy(update={"worker": sys.argv[3]})
print("ready", flush=True)
sys.stdin.readline()
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


@pytest.fixture(params=STORES, ids=["files", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> RecordStore:
    make: MakeStore = request.param
    return make(tmp_path / "records")


def record_of(job_id: str, *, run_id: str | None = None, prompt: str = "Print 1.") -> Record:
    return a_record(PromptJob(prompt=prompt, job_id=job_id, run_id=run_id), Verdict.ACCEPTED)


async def ids_in(store: RecordStore, *, run_id: str | None = None) -> list[str]:
    return sorted([record.job_id async for record in store.find(run_id=run_id)])


async def test_a_record_comes_back_as_it_was_put(store: RecordStore) -> None:
    """It is the only account of what happened."""
    record = record_of("a", prompt="line\u2028end \U0001f600 \x00 'quoted'")
    assert await store.put(record)
    assert await store.get("a") == record


async def test_the_first_record_of_a_job_stays(store: RecordStore) -> None:
    """A job delivered twice ends with one record; the second one would contradict what was reported."""
    first, second = record_of("a", prompt="first"), record_of("a", prompt="second")
    assert [await store.put(first), await store.put(second)] == [True, False]
    assert await store.get("a") == first


async def test_putting_an_equal_record_again_is_not_keeping_it(store: RecordStore) -> None:
    """Run counters move on True alone; counted twice, a run has more results than jobs."""
    record = record_of("a")
    assert [await store.put(record), await store.put(record)] == [True, False]


async def test_of_many_writers_at_once_one_wins(store: RecordStore) -> None:
    """Two workers may hold a job at the same moment, after a freeze longer than the lease."""
    puts = [store.put(record_of("a", prompt=f"by {number}")) for number in range(20)]
    assert sorted(await asyncio.gather(*puts)) == [False] * 19 + [True]


async def test_a_job_without_a_record_is_not_found(store: RecordStore) -> None:
    """The commands show this error as it is, and a script tells it from a broken store."""
    assert not await store.has("absent")
    with pytest.raises(RecordNotFoundError, match="'absent'") as caught:
        await store.get("absent")
    assert caught.value.exit_code is ExitCode.USAGE


@pytest.mark.parametrize(
    "typed", ["../outside", "/etc/passwd", "", ".", "a\0b", "x" * 5000, "a\udc80"]
)
async def test_what_cannot_be_an_id_has_no_record(
    store: RecordStore, tmp_path: Path, typed: str
) -> None:
    """People type ids; nothing they type may lead out of the store or end in a traceback."""
    (tmp_path / "records").mkdir()
    (tmp_path / "outside.json").write_text(record_of("outside").to_json())
    assert not await store.has(typed)
    with pytest.raises(RecordNotFoundError):
        await store.get(typed)


async def test_a_record_is_there_once_it_was_put(store: RecordStore) -> None:
    """`has` decides whether a job is paid for again."""
    await store.put(record_of("a"))
    assert await store.has("a")
    assert not await store.has("b")


async def test_the_records_of_a_run_are_found_apart_from_others(store: RecordStore) -> None:
    """A report of one run that counted another's jobs would be wrong without looking wrong."""
    for job_id, run_id in [("a", "r1"), ("b", "r2"), ("c", "r1"), ("d", None)]:
        await store.put(record_of(job_id, run_id=run_id))
    assert await ids_in(store, run_id="r1") == ["a", "c"]
    assert await ids_in(store) == ["a", "b", "c", "d"]


async def test_an_unused_store_is_empty(store: RecordStore) -> None:
    """Looking before anything was written is what everybody does first."""
    assert await ids_in(store) == []


async def test_a_record_put_while_others_are_listed_does_no_harm(store: RecordStore) -> None:
    """Reports are made while workers write."""
    await store.put(record_of("a"))
    async for _ in store.find():
        await store.put(record_of("b"))
    assert await ids_in(store) == ["a", "b"]


def test_of_eight_processes_one_writes_the_record(tmp_path: Path) -> None:
    """Workers are processes, on many machines; an answer kept in memory would not hold between them."""
    seed = tmp_path / "seed.json"
    seed.write_text(record_of("same").to_json())
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", ONE_WRITER, tmp_path / "records", seed, f"worker-{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(8)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    said = [writer.communicate("go\n", timeout=30)[0].strip() for writer in writers]
    assert sorted(said) == ["False"] * 7 + ["True"]
    store = FileRecordStore(tmp_path / "records")
    assert asyncio.run(store.get("same")).worker == f"worker-{said.index('True')}"
    assert [path.name for path in (tmp_path / "records").glob("??/*")] == ["same.json"]


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


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"job": {"prompt": "TOPSECRET"', id="cut"),
        pytest.param(b'{"prompt": "TOPSECRET"}', id="something else"),
        pytest.param(b"\xff\xfe", id="not text"),
    ],
)
async def test_a_damaged_record_is_named(tmp_path: Path, content: bytes) -> None:
    """One bad file among thousands has to be found, and its prompt does not belong into a log."""
    store = FileRecordStore(tmp_path)
    await store.put(record_of("a"))
    store.path_of("a").write_bytes(content)
    for reading in (store.get("a"), ids_in(store)):
        with pytest.raises(StoreError, match="cannot be read") as caught:
            await reading
        assert str(store.path_of("a")) in caught.value.message
        assert "TOPSECRET" not in f"{caught.value} {caught.value.facts}"


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
        [sys.executable, "-c", ONE_WRITER, tmp_path / "records", seed, "w"],
        input="go\n",
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
