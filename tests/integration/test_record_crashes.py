"""Writers that are killed between any two steps, and what the next one makes of what they left."""

import asyncio
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from jobs.records import LastingStore
from jobs.records.opening import open_store
from jobs.records.verifying import verify
from jobs.verdicts import Verdict
from tests.stores import LASTING, Place, ids_in, listed_in, place_of_kind, record_of

# Forks one child after the other: the first is killed before the first line of a store's code that it comes to, the
# next one before the second, and so on until one comes to the end. Each puts a job of its own, or makes the index anew.
CRASHING = """
import asyncio, itertools, os, signal, sys, threading
from pathlib import Path
from jobs.models import Record
import jobs.connection, jobs.records.files, jobs.records.objects, jobs.records.redis
from jobs.records.opening import open_store
from jobs.records.verifying import rebuild

OURS = os.path.dirname(jobs.records.files.__file__) + os.sep

def die_at(line):
    lines = itertools.count(1)
    def trace(frame, event, argument):
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        if event == "line" and next(lines) == line:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace
    threading.settrace(trace)
    sys.settrace(trace)

async def act(url, what, record, line):
    store = open_store(url)
    die_at(line)
    await (store.put(record) if what == "put" else rebuild(store))
    sys.settrace(None)

url, what, seed = sys.argv[1:]
record = Record.model_validate_json(Path(seed).read_text())
for line in itertools.count(1):
    if what == "rebuild":
        Path(url, "index.sqlite").unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        job = record.job.model_copy(update={"job_id": f"{record.job_id}-{line:03d}"})
        asyncio.run(act(url, what, record.model_copy(update={"job": job}), line))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(f"{record.job_id}-{line:03d}", os.waitstatus_to_exitcode(status), flush=True)
    if what == "rebuild":
        sys.stdin.readline()
    if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
        break
"""


@pytest.fixture(params=LASTING)
def place(request: pytest.FixtureRequest) -> Place:
    return place_of_kind(request.param, request)


@dataclass
class Left:
    """What killed writers left, counted."""

    nothing: int = 0
    a_record: int = 0
    """Which the index does not know of."""
    everything: int = 0


def killed_writers(url: str, seed: Path) -> list[str]:
    """The jobs of the writers that were killed, in the order of their deaths; after them one has come to its end."""
    said = subprocess.run(
        [sys.executable, "-c", CRASHING, url, "put", seed],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line.split() for line in said.stdout.splitlines()]
    assert lines[-1][1] == "0", said.stderr
    assert {code for _, code in lines[:-1]} == {"-9"}
    return [job_id for job_id, _ in lines]


async def look_at(store: LastingStore, job_id: str, left: Left) -> bool:
    """Whether there is a record, which then is a whole one."""
    if not await store.has(job_id):
        left.nothing += 1
        assert await listed_in(store, beginning=job_id) == []
        return False
    assert (await store.get(job_id)).job_id == job_id
    if await listed_in(store, beginning=job_id):
        left.everything += 1
    else:
        left.a_record += 1
    return True


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("is_used", [False, True], ids=["an empty store", "one in use"])
async def test_a_writer_killed_at_any_step_leaves_what_the_next_one_completes(
    place: Place, tmp_path: Path, *, is_used: bool
) -> None:
    """A worker can be killed at any instruction; its job is delivered again, and must end with one whole record."""
    seed = tmp_path / "seed.json"
    seed.write_text(record_of("j", run_id="r").to_json())
    store, left = open_store(place.url), Left()
    if is_used:
        await store.put(record_of("other"))
    job_ids = await asyncio.to_thread(killed_writers, place.url, seed)
    for job_id in job_ids:
        was_there = await look_at(store, job_id, left)
        assert await store.put(record_of(job_id, run_id="r")) is not was_there
    assert left.nothing > 5
    assert left.everything > 0
    if is_used:
        # In Redis there is no step between the two.
        assert (left.a_record == 0) is (place.kind == "redis")
    assert await ids_in(store, run_id="r") == job_ids
    assert sorted(await listed_in(store, run_id="r")) == job_ids
    assert await store.counts("r") == Counter({Verdict.ACCEPTED: len(job_ids)})
    found = await verify(store)
    assert (found.n_records, found.faults) == (len(job_ids) + is_used, [])
    await store.aclose()


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_an_index_whose_maker_was_killed_is_made_again_by_the_next_reader(
    tmp_path: Path,
) -> None:
    """Half an index that passed for a whole one would lose jobs from every list."""
    folder, seed = tmp_path / "records", tmp_path / "seed.json"
    store = open_store(folder)
    job_ids = [f"j{number}" for number in range(3)]
    for job_id in job_ids:
        await store.put(record_of(job_id, run_id="r"))
    seed.write_text(record_of("unused").to_json())
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CRASHING, folder, "rebuild", seed),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    n_killed = 0
    async for line in process.stdout:
        n_killed += line.split()[1] == b"-9"
        # Another process than the one that made the store above, as far as the index can tell.
        assert sorted(await listed_in(open_store(folder), run_id="r")) == job_ids
        assert await store.counts("r") == Counter({Verdict.ACCEPTED: 3})
        process.stdin.write(b"\n")
    assert await process.wait() == 0
    assert n_killed > 20
