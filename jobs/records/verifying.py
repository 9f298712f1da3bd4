"""Holds a store's records to their places and its index to the records, and makes the index again."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b

from jobs.errors import RecordNotFoundError, StoreError
from jobs.models import Record
from jobs.summaries import Summary
from jobs.verdicts import Verdict

from . import LastingStore
from .reading import some_at_once

_REBUILD = "type: promptmill store rebuild"


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong."""

    place: str
    problem: str
    fix: str


@dataclass
class Examined:
    """What was found: how many good records, and what else."""

    n_records: int = 0
    faults: list[Fault] = field(default_factory=list)


async def verify(store: LastingStore) -> Examined:
    """Read every record, and compare the index with what they say.

    Workers may go on meanwhile; what they write at that moment is no fault.

    Raises:
        StoreError: the store cannot be reached, or listed.
    """
    found = Examined()
    digests: dict[str, bytes] = {}
    runs: set[str] = set()
    async for record in _good_records(store, found):
        digests[record.job_id] = _digest(Summary.of(record))
        if record.job.run_id is not None:
            runs.add(record.job.run_id)
    told = {fault.place for fault in found.faults}
    async for summary in store.summaries():
        digest = digests.pop(summary.job_id, None)
        if digest != _digest(summary) and store.place_of(summary.job_id) not in told:
            found.faults += await _faults_of(store, summary)
    found.faults += [
        Fault(store.place_of(job_id), "is not in the index", _REBUILD)
        for job_id in await _still_missing(store, list(digests))
    ]
    for run_id in sorted(runs):
        if await _is_miscounted(store, run_id):
            found.faults.append(Fault(f"run {run_id}", "its jobs are counted wrongly", _REBUILD))
    return found


async def rebuild(store: LastingStore) -> Examined:
    """Make the index again from the records. Those that cannot be read are left out, and told.

    Raises:
        StoreError: the store cannot be listed, or the index not be written.
    """
    found = Examined()
    await store.index_anew(_good_records(store, found))
    return found


async def _good_records(store: LastingStore, found: Examined) -> AsyncIterator[Record]:
    async for read in some_at_once(store.places(), partial(_read, store)):
        match read:
            case Record():
                found.n_records += 1
                yield read
            case Fault():
                found.faults.append(read)
            case None:
                continue


async def _read(store: LastingStore, place: str) -> Record | Fault | None:
    """The record that belongs in this place, or what is wrong with it; None where nothing is there any more."""
    try:
        record = await store.read(place)
    except RecordNotFoundError:
        return None
    except StoreError as error:
        problem = error.message.removeprefix(f"the record {place} ")
        return Fault(place, problem, "; ".join(error.fixes))
    right_place = store.place_of(record.job_id)
    if place == right_place:
        return record
    problem = f"holds the record of job {record.job_id!r}, which is looked for elsewhere"
    return Fault(place, problem, f"move it to {right_place}, or remove it")


async def _faults_of(store: LastingStore, summary: Summary) -> list[Fault]:
    """What is wrong with an entry that was not as expected: its record may have been put since we looked."""
    place = store.place_of(summary.job_id)
    try:
        record = await store.get(summary.job_id)
    except RecordNotFoundError:
        return [Fault(place, "is in the index, and there is no such record", _REBUILD)]
    if Summary.of(record) == summary:
        return []
    return [Fault(place, "the index says other things of it than the record", _REBUILD)]


async def _still_missing(store: LastingStore, job_ids: list[str]) -> list[str]:
    if not job_ids:
        return []
    # A writer may have come from the record to the index while the list was read.
    entered = {summary.job_id async for summary in store.summaries()}
    return [job_id for job_id in job_ids if job_id not in entered]


async def _is_miscounted(store: LastingStore, run_id: str) -> bool:
    for _ in range(2):
        listed: Counter[Verdict] = Counter()
        async for summary in store.summaries(run_id=run_id):
            listed[summary.verdict] += 1
        # Once more where they differ: a job may have finished in between.
        if listed == await store.counts(run_id):
            return False
    return True


def _digest(summary: Summary) -> bytes:
    # Of a hundred thousand records the summaries themselves would fill memory.
    return blake2b(summary.to_json().encode(), digest_size=16).digest()
