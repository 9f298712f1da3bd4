"""What all stores share: how a record is read, found and missed."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import TypeVar

from pydantic import ValidationError

from jobs.errors import RecordDamagedError, RecordNotFoundError, StoreError
from jobs.identifiers import is_identifier, is_run_id
from jobs.models import Record
from jobs.outlines import Outline
from jobs.summaries import Summary

from . import LastingStore, RecordStore

_AT_ONCE = 16
_Form = TypeVar("_Form", Record, Outline)
_Thing = TypeVar("_Thing")
_Answer = TypeVar("_Answer")


def shard_of(job_id: str) -> str:
    """The folder of a job: two hex digits that spread ids evenly."""
    return hashlib.sha256(job_id.encode()).hexdigest()[:2]


def write_record(record: Record) -> bytes:
    """A record as files hold it: text that people can read."""
    return record.to_json(indent=2).encode() + b"\n"


def read_record(content: bytes, place: str) -> Record:
    """The record that `content` is.

    Raises:
        RecordDamagedError: it is none; the message names the place and holds nothing of the content.
    """
    return read_as(Record, content, place)


def read_as(form: type[_Form], content: bytes, place: str) -> _Form:
    """The record that `content` is, or as much of it.

    Raises:
        RecordDamagedError: it is none, as far as was looked; the message names the place and holds nothing of it.
    """
    try:
        return form.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "as a whole"
        raise damaged(place, f"{where}: {first['msg']}") from error


def damaged(place: str, reason: str) -> RecordDamagedError:
    """The error that says so."""
    return RecordDamagedError(
        f"the record {place} cannot be read: {reason}",
        fixes=["put it back from a copy, or remove it and submit the job again"],
    )


def not_found(job_id: str, store: str) -> RecordNotFoundError:
    """The error that says so."""
    return RecordNotFoundError(
        f"there is no record of job {job_id!r}",
        facts={"looked in": store},
        fixes=["see what there is: promptmill job list"],
    )


def no_batch(place: str, number: int) -> StoreError:
    """The error that says that some jobs of a run are not there to be queued."""
    return StoreError(f"batch {number} of jobs in {place!r} is not there")


def selects_nothing(run_id: str | None, beginning: str) -> bool:
    """Whether no record can be meant: what a person typed may be no id at all."""
    is_no_run = run_id is not None and not is_run_id(run_id)
    return is_no_run or (beginning != "" and not is_identifier(beginning))


async def some_at_once(
    things: AsyncIterator[_Thing], ask: Callable[[_Thing], Awaitable[_Answer]]
) -> AsyncIterator[_Answer]:
    """What `ask` says of each thing, in their order: over a network, one after the other would take hours."""
    some: list[_Thing] = []
    async for thing in things:
        some.append(thing)
        if len(some) == _AT_ONCE:
            for answer in await asyncio.gather(*map(ask, some)):
                yield answer
            some = []
    for answer in await asyncio.gather(*map(ask, some)):
        yield answer


async def find_in(store: LastingStore, run_id: str | None) -> AsyncIterator[Record]:
    """What `RecordStore.find` promises."""
    if run_id is None:
        async for record in some_at_once(store.places(), store.read):
            yield record
        return
    async for found in some_at_once(store.summaries(run_id=run_id), partial(_record_of, store)):
        if found is not None:
            yield found


async def outlines_in(store: RecordStore, run_id: str) -> AsyncIterator[Outline]:
    """What `RecordStore.outlines` promises, of stores that take longer to get a record than to read it."""
    async for record in store.find(run_id=run_id):
        yield Outline.of(record)


async def _record_of(store: LastingStore, summary: Summary) -> Record | None:
    """None where somebody has removed it, and the index has not heard of that."""
    try:
        return await store.get(summary.job_id)
    except RecordNotFoundError:
        return None


async def is_sound(store: LastingStore, job_id: str) -> bool:
    """Whether the job has a record that can be read, and that is its own.

    Raises:
        StoreError: it cannot be told.
    """
    try:
        return (await store.get(job_id)).job_id == job_id
    except (RecordNotFoundError, RecordDamagedError):
        return False
