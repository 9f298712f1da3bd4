"""The contract of record stores: one set of tests for every store there is."""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from jobs.errors import ExitCode, RecordDamagedError, RecordNotFoundError
from jobs.models import Record
from jobs.outlines import Outline
from jobs.records import LastingStore, RecordStore
from jobs.records.opening import open_store
from jobs.records.verifying import rebuild, verify
from jobs.summaries import Summary
from jobs.verdicts import Verdict
from tests.making import NOON
from tests.stores import (
    LASTING,
    Place,
    ids_in,
    listed_in,
    overwrite,
    place_of_kind,
    record_of,
    remove,
)

N_WRITERS, N_PUTS = 4, 5

# Ends with how often `put` said that it kept a record, once it is told to begin.
WRITER = """
import asyncio, sys
from contextlib import aclosing
from pathlib import Path
from jobs.models import Record
from jobs.records.opening import open_store

async def put(url, seed, name, n):
    record = Record.model_validate_json(Path(seed).read_text())
    async with aclosing(open_store(url)) as store:
        # Connected before all begin at once.
        await store.has("nothing")
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        puts = [store.put(record.model_copy(update={"worker": f"{name}-{number}"})) for number in range(int(n))]
        kept = await asyncio.gather(*puts)
    print([f"{name}-{number}" for number, is_kept in enumerate(kept) if is_kept])

asyncio.run(put(*sys.argv[1:]))
"""


@pytest.fixture(params=("memory", *LASTING))
def place(request: pytest.FixtureRequest) -> Place:
    return place_of_kind(request.param, request)


@pytest.fixture(params=LASTING)
def lasting_place(request: pytest.FixtureRequest) -> Place:
    return place_of_kind(request.param, request)


@pytest.fixture
async def store(place: Place) -> AsyncIterator[RecordStore]:
    opened = place.open()
    yield opened
    await opened.aclose()


@pytest.fixture
async def lasting(lasting_place: Place) -> AsyncIterator[LastingStore]:
    opened = open_store(lasting_place.url)
    yield opened
    await opened.aclose()


def finished_at(record: Record, seconds: float) -> Record:
    return record.model_copy(update={"finished_at": NOON + timedelta(seconds=seconds)})


def write_at_once(url: str, seed: Path) -> list[str]:
    """What each of several writers says, all of which begin when the last of them is ready."""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, url, seed, f"w{number}", str(N_PUTS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(N_WRITERS)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    return [writer.communicate(timeout=30)[0].strip() for writer in writers]


async def test_a_store_in_which_records_can_be_kept_says_so(store: RecordStore) -> None:
    """A worker asks before it takes a job: what could not be kept would be paid for in vain."""
    await store.check()
    assert await ids_in(store) == []


async def test_a_record_comes_back_as_it_was_put(store: RecordStore) -> None:
    """It is the only account of what happened."""
    record = record_of("a", prompt="line\u2028end \U0001f600 \x00 'quoted'")
    assert await store.put(record)
    assert await store.get("a") == record


async def test_a_run_can_be_read_in_outline(store: RecordStore) -> None:
    """Reports of long runs are made from it, whichever store they lie in."""
    records = [record_of("a", run_id="r"), record_of("b", run_id="r", verdict=Verdict.WRONG_ANSWER)]
    for record in (*records, record_of("c", run_id="other")):
        await store.put(record)
    found = [outline async for outline in store.outlines("r")]
    assert sorted(found, key=lambda one: one.job_id) == [Outline.of(record) for record in records]
    assert [outline async for outline in store.outlines("none")] == []


async def test_a_large_record_comes_back_as_it_was_put(store: RecordStore) -> None:
    """Attempts may print megabytes, and all of them are kept."""
    record = record_of("a")
    [attempt] = record.attempts
    assert attempt.execution is not None
    long = attempt.execution.model_copy(update={"stdout": "äx\n" * 3_000_000})
    record = record.model_copy(
        update={"attempts": (attempt.model_copy(update={"execution": long}),)}
    )
    assert await store.put(record)
    assert await store.get("a") == record


async def test_the_first_record_of_a_job_stays(store: RecordStore) -> None:
    """A job delivered twice ends with one record; the second one would contradict what was reported."""
    first, second = record_of("a", prompt="first"), record_of("a", prompt="second")
    assert [await store.put(first), await store.put(second)] == [True, False]
    assert await store.get("a") == first


async def test_the_index_tells_of_the_record_that_stayed(store: RecordStore) -> None:
    """A list that told of the other one would say accepted of a job that was not."""
    first = record_of("a", run_id="r", verdict=Verdict.WRONG_ANSWER)
    second = finished_at(record_of("a", run_id="r"), 9)
    await store.put(first)
    await store.put(second)
    assert [summary async for summary in store.summaries()] == [Summary.of(first)]
    assert await store.counts("r") == Counter({Verdict.WRONG_ANSWER: 1})


async def test_putting_an_equal_record_again_is_not_keeping_it(store: RecordStore) -> None:
    """Run counters move on True alone; counted twice, a run has more results than jobs."""
    record = record_of("a", run_id="r")
    assert [await store.put(record), await store.put(record)] == [True, False]
    assert await store.counts("r") == Counter({Verdict.ACCEPTED: 1})


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
    "typed", ["../outside", "/etc/passwd", "", ".", "a\0b", "x" * 5000, "a\udc80", "*", "a%2Fb"]
)
async def test_what_cannot_be_an_id_has_no_record(
    store: RecordStore, tmp_path: Path, typed: str
) -> None:
    """People type ids; nothing they type may lead out of the store or end in a traceback."""
    (tmp_path / "records").mkdir(exist_ok=True)
    (tmp_path / "outside.json").write_text(record_of("outside").to_json())
    await store.put(record_of("a", run_id="r"))
    assert not await store.has(typed)
    with pytest.raises(RecordNotFoundError):
        await store.get(typed)
    assert await listed_in(store, run_id=typed) == []
    assert await store.counts(typed) == Counter()
    assert await ids_in(store, run_id=typed) == []
    assert await listed_in(store, beginning=typed) == ([] if typed else ["a"])


async def test_a_record_is_there_once_it_was_put(store: RecordStore) -> None:
    """`has` decides whether a job is paid for again."""
    await store.put(record_of("a"))
    assert await store.has("a")
    assert not await store.has("b")


@pytest.mark.parametrize("job_id", ["0", "a" * 128, "A.b-c_d", "con", "a..b", "a.json", "x-"])
async def test_every_id_that_a_job_may_have_can_be_kept(store: RecordStore, job_id: str) -> None:
    """An id that a store could not take would cost the record after the job was paid for."""
    record = record_of(job_id, run_id=job_id)
    await store.put(record)
    assert await store.get(job_id) == record
    assert [summary async for summary in store.summaries(run_id=job_id)] == [Summary.of(record)]
    assert await listed_in(store, beginning=job_id) == [job_id]


async def test_the_records_of_a_run_are_found_apart_from_others(store: RecordStore) -> None:
    """A report of one run that counted another's jobs would be wrong without looking wrong."""
    for job_id, run_id in [("a", "r1"), ("b", "r2"), ("c", "r1"), ("d", None), ("e", "r12")]:
        await store.put(record_of(job_id, run_id=run_id))
    assert await ids_in(store, run_id="r1") == ["a", "c"]
    assert sorted(await listed_in(store, run_id="r1")) == ["a", "c"]
    assert await ids_in(store) == sorted(await listed_in(store)) == ["a", "b", "c", "d", "e"]


async def test_a_run_is_counted_by_verdict(store: RecordStore) -> None:
    """Progress and gates are numbers, and nobody waits for all records to be opened to see them."""
    for number, verdict in enumerate([Verdict.ACCEPTED, Verdict.NO_CODE, Verdict.ACCEPTED]):
        await store.put(record_of(f"j{number}", run_id="r", verdict=verdict))
    await store.put(record_of("other", run_id="s"))
    assert await store.counts("r") == Counter({Verdict.ACCEPTED: 2, Verdict.NO_CODE: 1})
    assert await store.counts("nobody") == Counter()


async def test_the_latest_to_finish_is_listed_first(store: RecordStore) -> None:
    """What somebody looks for has most often just ended."""
    for job_id, seconds in [("b", 2), ("a", 3.000001), ("d", 1), ("c", 3)]:
        await store.put(finished_at(record_of(job_id, run_id="r"), seconds))
    assert await listed_in(store) == ["a", "c", "b", "d"]
    assert await listed_in(store, run_id="r", limit=2) == ["a", "c"]
    assert await listed_in(store, limit=0) == []


async def test_jobs_are_listed_by_the_beginning_of_their_ids(store: RecordStore) -> None:
    """Ids are long, and a few characters of one are enough to type."""
    for number, job_id in enumerate(["ab1", "ab2", "b", "a", "ac"]):
        await store.put(finished_at(record_of(job_id), number))
    assert await listed_in(store, beginning="ab") == ["ab2", "ab1"]
    assert await listed_in(store, beginning="a", limit=2) == ["ac", "a"]
    assert await listed_in(store, beginning="c") == []


async def test_a_long_list_comes_whole_and_in_order(store: RecordStore, place: Place) -> None:
    """Stores are read page by page, and what falls between two pages would be missed by nobody."""
    # All of one moment: only their ids tell them apart. Each store reads more than one page of them.
    n_jobs = 70 if place.kind == "s3" else 520
    for start in range(0, n_jobs, 20):
        names = [f"j{number:04d}" for number in range(start, min(start + 20, n_jobs))]
        await asyncio.gather(*(store.put(record_of(name)) for name in names))
    assert await listed_in(store) == [f"j{number:04d}" for number in reversed(range(n_jobs))]


async def test_an_unused_store_is_empty(store: RecordStore) -> None:
    """Looking before anything was written is what everybody does first."""
    assert await ids_in(store) == await listed_in(store) == []
    assert await store.counts("r") == Counter()
    await store.put(record_of("a"))
    assert await listed_in(store) == ["a"]


async def test_a_record_put_while_others_are_listed_does_no_harm(store: RecordStore) -> None:
    """Reports are made while workers write."""
    await store.put(record_of("a"))
    async for _ in store.find():
        await store.put(record_of("b"))
    assert await ids_in(store) == ["a", "b"]


async def test_a_store_can_be_used_again_after_it_was_closed(store: RecordStore) -> None:
    """A queue is left and entered again, and its store with it."""
    await store.put(record_of("a"))
    await store.aclose()
    assert await store.has("a")
    assert await listed_in(store) == ["a"]


async def test_of_twenty_puts_in_four_processes_one_keeps_its_record(
    lasting: LastingStore, lasting_place: Place, tmp_path: Path
) -> None:
    """Workers are processes, on many machines; an answer kept in memory would not hold between them."""
    seed = tmp_path / "seed.json"
    seed.write_text(record_of("same", run_id="r").to_json())
    said = await asyncio.to_thread(write_at_once, lasting_place.url, seed)
    [winner] = [words for words in said if words != "[]"]
    assert f"['{(await lasting.get('same')).worker}']" == winner
    assert await listed_in(lasting, run_id="r") == ["same"]
    assert await lasting.counts("r") == Counter({Verdict.ACCEPTED: 1})
    assert [place async for place in lasting.places()] == [lasting.place_of("same")]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"job": {"prompt": "TOPSECRET"', id="cut"),
        pytest.param(b'{"prompt": "TOPSECRET"}', id="something else"),
        pytest.param(b"\xff\xfe", id="not text"),
    ],
)
async def test_a_damaged_record_is_named(lasting: LastingStore, content: bytes) -> None:
    """One bad record among thousands has to be found, and its prompt does not belong into a log."""
    await lasting.put(record_of("a"))
    await overwrite(lasting, "a", content)
    for reading in (lasting.get("a"), ids_in(lasting)):
        with pytest.raises(RecordDamagedError, match="cannot be read") as caught:
            await reading
        assert lasting.place_of("a") in caught.value.message
        assert caught.value.fixes
        assert "TOPSECRET" not in f"{caught.value} {caught.value.facts}"


async def test_a_sound_store_is_found_without_fault(lasting: LastingStore) -> None:
    """An alarm without a cause is one that is soon ignored."""
    for job_id, run_id in [("a", "r"), ("b", "r"), ("c", None)]:
        await lasting.put(record_of(job_id, run_id=run_id))
    found = await verify(lasting)
    assert (found.n_records, found.faults) == (3, [])


async def test_verifying_names_what_is_wrong_and_what_to_do(lasting: LastingStore) -> None:
    """Whoever has to mend a store of a hundred thousand records needs the one to look at."""
    for job_id in ("broken", "elsewhere", "good"):
        await lasting.put(record_of(job_id))
    await overwrite(lasting, "broken", b"{")
    await overwrite(lasting, "elsewhere", record_of("other").to_json().encode())
    found = await verify(lasting)
    assert found.n_records == 1
    told = {fault.place: f"{fault.problem} {fault.fix}" for fault in found.faults}
    assert set(told) == {lasting.place_of("broken"), lasting.place_of("elsewhere")}
    assert told[lasting.place_of("broken")].startswith("cannot be read")
    assert lasting.place_of("other") in told[lasting.place_of("elsewhere")]


async def test_an_index_that_disagrees_is_found_and_made_again(lasting: LastingStore) -> None:
    """Files are copied and removed by hand, and a list that goes on lying about it is worse than none."""
    for job_id in ("changed", "gone", "good"):
        await lasting.put(record_of(job_id, run_id="r"))
    changed = finished_at(record_of("changed", run_id="r", verdict=Verdict.NO_CODE), 7)
    await overwrite(lasting, "changed", changed.to_json().encode())
    await remove(lasting, "gone")
    found = await verify(lasting)
    assert {fault.fix for fault in found.faults} == {"type: promptmill store rebuild"}
    assert lasting.place_of("changed") in {fault.place for fault in found.faults}
    rebuilt = await rebuild(lasting)
    assert (rebuilt.n_records, rebuilt.faults) == (2, [])
    assert (await verify(lasting)).faults == []
    assert await listed_in(lasting, run_id="r") == ["changed", "good"]
    assert await lasting.counts("r") == Counter({Verdict.NO_CODE: 1, Verdict.ACCEPTED: 1})


async def test_a_rebuilt_index_leaves_out_what_cannot_be_read(lasting: LastingStore) -> None:
    """One bad record must not cost the list of all the others, and must be told."""
    for job_id in ("broken", "good"):
        await lasting.put(record_of(job_id))
    await overwrite(lasting, "broken", b"{")
    rebuilt = await rebuild(lasting)
    assert rebuilt.n_records == 1
    assert [fault.place for fault in rebuilt.faults] == [lasting.place_of("broken")]
    assert await listed_in(lasting) == ["good"]


async def test_a_record_that_was_removed_by_hand_can_be_made_again(lasting: LastingStore) -> None:
    """That is what the message about a damaged one tells people to do."""
    await lasting.put(record_of("a", run_id="r", verdict=Verdict.NO_CODE))
    await remove(lasting, "a")
    assert not await lasting.has("a")
    assert await ids_in(lasting, run_id="r") == []
    again = finished_at(record_of("a", run_id="r", verdict=Verdict.NO_CODE), 60)
    assert await lasting.put(again)
    assert [summary async for summary in lasting.summaries(run_id="r")] == [Summary.of(again)]
    assert await lasting.counts("r") == Counter({Verdict.NO_CODE: 1})


async def test_a_record_put_while_the_index_is_made_again_is_in_it(lasting: LastingStore) -> None:
    """Nobody stops the workers to mend a list."""
    await lasting.put(record_of("a", run_id="r"))

    async def records() -> AsyncIterator[Record]:
        async for record in lasting.find():
            await lasting.put(record_of("b", run_id="r"))
            yield record

    await lasting.index_anew(records())
    assert sorted(await listed_in(lasting, run_id="r")) == ["a", "b"]
    assert await lasting.counts("r") == Counter({Verdict.ACCEPTED: 2})
