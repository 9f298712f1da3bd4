"""The way in: submit jobs, and hold on to each by a handle."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Self

from arq.connections import ArqRedis

from .cancellation import cancel_jobs
from .clock import monotonic, utcnow
from .connection import EMBEDDED_SCHEME, expecting_answer, open_redis
from .errors import UsageError
from .events import JobCancelled, JobEvent, JobFinished, follow, stream_of
from .keys import Keys
from .models import PromptJob, Record
from .places import Place, place_of
from .presence import WorkerPresence, live_workers
from .records import RecordStore
from .records.opening import open_store
from .submitting import Jobs, OnTaken, Submission, Submitted

_LOOK_SECONDS = 1.0


class JobStatus(StrEnum):
    """Where a job is. The words are arq's, but for one."""

    DEFERRED = "deferred"
    QUEUED = "queued"
    PAUSED = "paused"
    """Put aside, until somebody lets its run go on."""
    IN_PROGRESS = "in_progress"
    COMPLETE = "complete"
    NOT_FOUND = "not_found"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to the job, unless it is submitted again."""
        return self in {JobStatus.COMPLETE, JobStatus.NOT_FOUND}


class JobQueue:
    """The queue of one installation, and the records its workers write.

        async with JobQueue() as queue:
            handle = await queue.submit(PromptJob(prompt="Print the first 20 primes."))
            record = await handle.record()

    `redis` is `redis://…`, `rediss://…`, `unix://…`, `embedded:DIRECTORY`, or an open client, which stays open;
    `records` is a folder, a URL as `open_store` takes it, or an open store. Both must be those of the workers. Left
    out, they mean the folder `.promptmill` below the current one, as they do for the commands; beside
    `embedded:DIRECTORY` the records are those in `DIRECTORY`.
    """

    def __init__(
        self,
        redis: ArqRedis | str = "embedded:.promptmill",
        *,
        records: RecordStore | Path | str | None = None,
        prefix: str = "promptmill",
    ) -> None:
        """Remember where to connect; nothing is opened before `async with`.

        Raises:
            UsageError: records cannot be kept at such a place.
        """
        self.keys = Keys(prefix)
        place = _default_place(redis) if records is None else records
        self._closes_records = isinstance(place, Path | str)
        self.records: RecordStore = (
            open_store(place, prefix=prefix) if isinstance(place, Path | str) else place
        )
        self._place = redis
        self._stack = AsyncExitStack()
        self._redis: ArqRedis | None = None

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            RedisUnreachableError: nobody answered; nothing was queued.
            ServerStartError: the embedded server would not start.
        """
        if isinstance(self._place, str):
            opening = open_redis(self._place, self.keys)
            self._redis = await self._stack.enter_async_context(opening)
        else:
            self._redis = self._place
        if self._closes_records:
            self._stack.push_async_callback(self.records.aclose)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection; queued jobs stay queued."""
        self._redis = None
        await self._stack.aclose()

    @property
    def redis(self) -> ArqRedis:
        """The open connection."""
        if self._redis is None:
            raise RuntimeError("the queue is not open: use `async with JobQueue(...) as queue:`")
        return self._redis

    async def submit(self, job: PromptJob, *, at: datetime | None = None) -> "JobHandle":
        """Queue `job`, for now or for `at`.

        Submitting the same job id again changes nothing, be it queued, running or recorded.

        Raises:
            RedisUnreachableError: Redis did not take it, or went away before it could say so.
            RunCancelledError: its run was cancelled.
            UsageError: another installation on the same Redis has a job of this id; or `at` is in no time zone.
            StoreError: it cannot be told whether there is a record.
        """
        await Submission(self.redis, self.keys, self.records, at=at).submit_one(job)
        return self.handle(job.job_id, stream=stream_of(job))

    async def submit_all(
        self,
        jobs: Jobs,
        *,
        at: datetime | None = None,
        high_water: int | None = None,
        on_taken: OnTaken = lambda *_: None,
    ) -> Submitted:
        """Queue jobs as they come, hundreds in one step, however many there are: a few hundred are held in memory.

        It waits while `high_water` jobs, or more, of the same kind are due, or, of jobs for later, are queued.
        `on_taken` hears the ids of those that are queued by now, in their order, and how many count; and of no ids
        when it begins to wait. Submitting all of them again changes nothing.

        Raises:
            RedisUnreachableError: Redis took no more for 15 seconds, or is full; it says what is queued.
            RunCancelledError: the run was cancelled.
            UsageError: another installation on the same Redis has a job of such an id; or `at` is in no time zone.
            StoreError: it cannot be told what is recorded.
        """
        submission = Submission(
            self.redis,
            self.keys,
            self.records,
            at=at,
            high_water=high_water,
            on_taken=on_taken,
        )
        return await submission.submit_all(jobs)

    def handle(self, job_id: str, *, stream: str | None = None) -> "JobHandle":
        """A hold on a job that was submitted earlier; `stream` is its run id if it has one."""
        return JobHandle(self, job_id, stream or job_id)

    async def find(self, job_id: str) -> PromptJob | None:
        """The job as it was submitted, if it is queued or running.

        Raises:
            RedisUnreachableError: Redis did not answer.
            UsageError: there is one, and this version cannot read it.
        """
        unless = f"it cannot be told whether job {job_id!r} is queued"
        place = await place_of(self.redis, self.keys, job_id, unless=unless)
        try:
            return place.job() if place is not None else None
        except ValueError:
            raise UsageError(
                f"job {job_id!r} is queued, and was not queued by this version of promptmill",
                fixes=["let a worker of that version finish it, or choose another id"],
            ) from None

    async def live_workers(self) -> list[WorkerPresence]:
        """The workers of this queue that were heard of within the last seconds."""
        return await live_workers(self.redis, self.keys)


def _default_place(redis: ArqRedis | str) -> Path:
    is_embedded = isinstance(redis, str) and redis.startswith(EMBEDDED_SCHEME)
    folder = str(redis).removeprefix(EMBEDDED_SCHEME) if is_embedded else ".promptmill"
    return Path(folder) / "records"


class JobHandle:
    """A hold on one job."""

    def __init__(self, queue: JobQueue, job_id: str, stream: str) -> None:
        """Made by `JobQueue.submit` and `JobQueue.handle`."""
        self.job_id = job_id
        self._queue = queue
        self._stream = stream

    async def status(self) -> JobStatus:
        """Where the job is now.

        Raises:
            RedisUnreachableError: Redis did not answer.
        """
        if await self._queue.records.has(self.job_id):
            return JobStatus.COMPLETE
        queue, unless = self._queue, f"it cannot be told where job {self.job_id!r} is"
        place = await place_of(queue.redis, queue.keys, self.job_id, unless=unless)
        if place is not None:
            return _status_at(place)
        # It may have ended since the first look: a job has its record before it leaves the queue.
        is_recorded = await self._queue.records.has(self.job_id)
        return JobStatus.COMPLETE if is_recorded else JobStatus.NOT_FOUND

    async def record(self) -> Record:
        """Wait for the record. It waits for ever; bound it with `asyncio.timeout`.

        Raises:
            RecordNotFoundError: the job was cancelled or never submitted, so there will be none.
            RedisUnreachableError: Redis stopped answering; the job goes on.
        """
        if not await self._queue.records.has(self.job_id):
            async for _ in self.events():
                pass
        return await self._queue.records.get(self.job_id)

    async def events(self) -> AsyncGenerator[JobEvent]:
        """What happens to the job, from its start (as far as kept) to its end.

        Events are kept for an hour, records for good: a job that has its record ends the iteration, as does one that
        is nowhere to be found. A job that was cancelled and submitted again goes on after its cancellation.

        Raises:
            RedisUnreachableError: Redis stopped answering; the job goes on.
        """
        looked_at, over_at = monotonic(), None
        async for event in follow(self._queue.redis, self._queue.keys, self._stream):
            if event is not None and event.job_id == self.job_id:
                yield event
                if isinstance(event, JobFinished | JobCancelled) and (await self.status()).is_over:
                    return
            elif over_at is not None and (event is None or event.at > over_at):
                return
            elif event is None or monotonic() - looked_at > _LOOK_SECONDS:
                # A busy run's stream is never silent, and what it told of this job may be gone.
                looked_at = monotonic()
                over_at = utcnow() if (await self.status()).is_over else None
                if event is None and over_at is not None:
                    return

    async def cancel(self) -> bool:
        """Take the job out of the queue, or ask the worker that has it to stop before its next step.

        A cancelled job leaves no record and may be submitted again, once its status is `not_found`; one that was
        tried again after a failure of ours has failed as before. False if it is already recorded or unknown.

        Raises:
            RedisUnreachableError: Redis did not answer.
            StoreError: the record of such a failure cannot be kept again.
        """
        if await self._queue.records.has(self.job_id):
            return False
        with expecting_answer(f"job {self.job_id!r} was not cancelled"):
            cancelled = await cancel_jobs(
                self._queue.redis, self._queue.keys, self._queue.records, [self.job_id]
            )
        return cancelled.n_taken + cancelled.n_running > 0


def _status_at(place: Place) -> JobStatus:
    match place.kind:
        case "waiting":
            return JobStatus.QUEUED if place.is_over else JobStatus.DEFERRED
        case "leased":
            # Of a worker that is gone, the job waits for another.
            return JobStatus.QUEUED if place.is_over else JobStatus.IN_PROGRESS
        case "held":
            return JobStatus.PAUSED
