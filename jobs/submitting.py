"""Queues jobs by the chunk: each chunk is taken whole or not at all, and taking it twice changes nothing."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from arq.connections import ArqRedis
from redis.exceptions import OutOfMemoryError, ResponseError

from .clock import milliseconds_of, utcnow
from .connection import expecting_answer
from .errors import RedisUnreachableError, RunCancelledError, UsageError
from .hashed_ids import HashedIds
from .keys import Keys
from .lanes import Lane, lane_of
from .models import PromptJob
from .outages import through_outages
from .payloads import as_lines, payload_of
from .recorded import recorded_of
from .records import RecordStore
from .scripts import PAGE, PAGE_BYTES, run_script

Jobs = Iterable[PromptJob] | AsyncIterable[PromptJob]
OnTaken = Callable[[Sequence[str], int], None]

# Lane, run or nothing, milliseconds when the jobs are due or nothing, the time now as text, then the jobs.
_SUBMIT = """
local lane, run, due, created = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
if state_of(run) == 'cancelled' then return {-1, 0, {}} end
local n, strangers = enqueue(lane, run, due, ARGV[5])
count_queued(run, n, created)
return {n, backlog_of(lane, run, due), strangers}
"""
_CANCELLED = -1
_BACKLOG = "return backlog_of(ARGV[1], ARGV[2], tonumber(ARGV[3]))"

_PATIENCE_SECONDS = 15.0
"""For how long a Redis that is gone is asked again: it may be restarting."""
_LOOK_SECONDS = 0.2
_BREATH = 64


@dataclass(frozen=True)
class Submitted:
    """What a submission came to."""

    n_jobs: int
    n_queued: int
    """The others were queued, running or recorded already."""


@dataclass
class _Chunk:
    """Jobs that are queued in one step."""

    lane: Lane
    run_id: str | None
    queued_ms: int
    ids: list[str] = field(default_factory=list)
    """Of all its jobs, those that are recorded already among them."""
    to_queue: list[tuple[str, bytes]] = field(default_factory=list)
    """Id and payload of each that is not."""
    n_bytes: int = 0

    def is_full(self, n_jobs: int) -> bool:
        return len(self.ids) >= n_jobs or self.n_bytes >= PAGE_BYTES


class Submission:
    """One stream of jobs on its way into the queue, a few chunks of it in memory at a time."""

    def __init__(
        self,
        redis: ArqRedis,
        keys: Keys,
        store: RecordStore,
        *,
        at: datetime | None = None,
        high_water: int | None = None,
        on_taken: OnTaken = lambda *_: None,
    ) -> None:
        """Queue jobs for now or for `at`; never let more than `high_water` jobs of their lane be due.

        Of jobs for later, never let more wait for their time or for workers together.

        When a chunk is in the queue, `on_taken` hears its ids, in the order of the jobs, and how many jobs are due. It
        hears of no ids when a chunk begins to wait for room.

        Raises:
            UsageError: `at` is in no time zone.
        """
        self._redis, self._keys, self._store = redis, keys, store
        self._due = "" if at is None else _due(at)
        self._high_water = high_water
        # Small beside the mark: the next chunk waits until there is room for all of it.
        self._most = PAGE if high_water is None else max(1, min(PAGE, high_water // 10))
        self._on_taken = on_taken
        self._n_jobs = self._n_queued = 0
        # How many jobs were due in the lane, or stood still in the run, that was last looked at.
        self._place: list[str | bytes] = []
        self._backlog = 0
        self._known_run: tuple[str, HashedIds] | None = None

    async def submit_all(self, jobs: Jobs) -> Submitted:
        """Queue the jobs as they come; what is queued, running or recorded stays as it is.

        Raises:
            RedisUnreachableError: Redis took no more; it says what is queued.
            RunCancelledError: somebody cancelled the run meanwhile.
            UsageError: another installation on the same Redis has a job of such an id.
            StoreError: it cannot be told what is recorded.
        """
        in_flight: asyncio.Task[None] | None = None
        try:
            async for chunk in self._chunks(jobs):
                if in_flight is not None:
                    await in_flight
                in_flight = asyncio.create_task(self._put(chunk))
                # On its way before the next one is prepared.
                await asyncio.sleep(0)
            if in_flight is not None:
                await in_flight
        finally:
            if in_flight is not None and not in_flight.done():
                in_flight.cancel()
                await asyncio.wait([in_flight])
        return Submitted(self._n_jobs, self._n_queued)

    async def _chunks(self, jobs: Jobs) -> AsyncIterator[_Chunk]:
        chunk: _Chunk | None = None
        kind: tuple[object, ...] = ()
        async for job in _stream(jobs):
            job_kind = (job.queue, job.model, job.priority, job.run_id)
            if chunk is None or job_kind != kind or chunk.is_full(self._most):
                if chunk is not None:
                    yield chunk
                kind, chunk = job_kind, _Chunk(lane_of(job), job.run_id, milliseconds_of(utcnow()))
            chunk.ids.append(job.job_id)
            if len(chunk.ids) % _BREATH == 0:
                # A chunk is longer than what a socket takes at once, and the server waits for the rest of it.
                await asyncio.sleep(0)
            if not await self._is_recorded(job):
                payload = payload_of(job, chunk.queued_ms)
                chunk.to_queue.append((job.job_id, payload))
                chunk.n_bytes += len(payload)
        if chunk is not None:
            yield chunk

    async def _is_recorded(self, job: PromptJob) -> bool:
        if job.run_id is None:
            return await self._store.has(job.job_id)
        if self._known_run is None or self._known_run[0] != job.run_id:
            self._known_run = job.run_id, (await recorded_of(self._store, job.run_id)).ids
        return job.job_id in self._known_run[1]

    async def submit_one(self, job: PromptJob) -> None:
        """Queue one job, unless it is queued, running or recorded.

        Raises:
            the same.
        """
        if not await self._store.has(job.job_id):
            queued_ms = milliseconds_of(utcnow())
            chunk = _Chunk(lane_of(job), job.run_id, queued_ms, [job.job_id])
            chunk.to_queue.append((job.job_id, payload_of(job, queued_ms)))
            await self._put(chunk)

    async def _put(self, chunk: _Chunk) -> None:
        if chunk.to_queue:
            if self._high_water is not None:
                await self._wait_for_room(chunk, self._high_water)
            self._backlog = await self._queue(chunk)
        self._n_jobs += len(chunk.ids)
        self._on_taken(chunk.ids, self._backlog)

    async def _wait_for_room(self, chunk: _Chunk, high_water: int) -> None:
        # Before a chunk and never after one: whoever has no more jobs waits for nothing.
        place: list[str | bytes] = [chunk.lane.name, chunk.run_id or "", self._due]
        if place != self._place:
            self._place, self._backlog = place, await self._ask(chunk, _BACKLOG, place)
        if self._backlog + self._most > high_water:
            self._on_taken((), self._backlog)
        while self._backlog + self._most > high_water:
            await asyncio.sleep(_LOOK_SECONDS)
            self._backlog = await self._ask(chunk, _BACKLOG, place)

    async def _queue(self, chunk: _Chunk) -> int:
        """The backlog of the chunk's lane when the chunk is in it."""
        created = utcnow().isoformat()
        args = [chunk.lane.name, chunk.run_id or "", self._due, created]
        n_queued, backlog, strangers = await self._ask(
            chunk, _SUBMIT, [*args, as_lines(chunk.to_queue)]
        )
        if n_queued == _CANCELLED:
            raise RunCancelledError(
                f"run {chunk.run_id!r} was cancelled while jobs were submitted to it",
                fixes=["to go on with it after all, start it again under its name"],
                note="what was queued of it is gone, what is recorded stays",
            )
        self._n_queued += n_queued
        if strangers:
            # Arq's own keys carry no prefix.
            raise UsageError(
                f"another installation on this Redis has a job {strangers[0].decode()!r}",
                fixes=["choose another id, or another database of that server"],
            )
        return int(backlog)

    async def _ask(self, chunk: _Chunk, script: str, args: list[str | bytes]) -> Any:  # noqa: ANN401  (what scripts return)
        n, first = len(chunk.ids), chunk.ids[0]
        is_alone = self._n_jobs == 0 and n == 1
        try:
            with expecting_answer(
                f"Redis did not take job {first!r}"
                if n == 1
                else f"Redis did not take {n} jobs from {first!r} on",
                note="submit it again: that changes nothing if it was queued after all"
                if is_alone
                else f"{self._n_jobs} jobs before that are queued or recorded; submit all again: none is queued twice",
            ):
                ask = partial(run_script, self._redis, self._keys, script, args)
                return await through_outages(ask, _PATIENCE_SECONDS, unless=ResponseError)
        except RedisUnreachableError as error:
            if isinstance(error.__cause__, OutOfMemoryError):
                error.fixes = (
                    "give Redis more memory (maxmemory), or start workers, which make room, and submit again",
                )
            raise


async def _stream(jobs: Jobs) -> AsyncIterator[PromptJob]:
    if isinstance(jobs, AsyncIterable):
        async for job in jobs:
            yield job
    else:
        for job in jobs:
            yield job


def _due(at: datetime) -> str:
    if at.tzinfo is None:
        raise UsageError(
            f"{at.isoformat()} is in no time zone",
            fixes=[f"say which, as in {at.isoformat()}+00:00"],
            note="nothing was queued",
        )
    return str(milliseconds_of(at))
