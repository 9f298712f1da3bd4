"""The way in: submit jobs, and hold on to each by a handle."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from enum import StrEnum
from pathlib import Path
from typing import Self

from arq.connections import ArqRedis
from arq.constants import in_progress_key_prefix, job_key_prefix, retry_key_prefix
from arq.jobs import Job
from arq.jobs import JobStatus as ArqStatus
from redis.exceptions import RedisError

from .connection import EMBEDDED_SCHEME, open_redis
from .errors import RedisUnreachableError
from .events import JobCancelled, JobEvent, JobFinished, follow, publish, stream_of
from .keys import Keys
from .models import PromptJob, Record
from .presence import WorkerPresence, live_workers
from .records import RecordStore
from .records.files import FileRecordStore

FUNCTION = "run_prompt_job"
"""The name of the one arq function that workers run."""

_CANCEL_SECONDS = 24 * 3600

# Takes a job out of the queue unless a worker has it: 1 if it was taken out, 0 if it is running, -1 if it is not there.
_TAKE_OUT = """
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return -1 end
redis.call('DEL', KEYS[3], KEYS[4], KEYS[5])
return 1
"""


class JobStatus(StrEnum):
    """Where a job is. The words are arq's."""

    DEFERRED = "deferred"
    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETE = "complete"
    NOT_FOUND = "not_found"


class JobQueue:
    """The queue of one installation, and the records its workers write.

        async with JobQueue() as queue:
            handle = await queue.submit(PromptJob(prompt="Print the first 20 primes."))
            record = await handle.record()

    `redis_url` is `redis://…`, `rediss://…`, `unix://…` or `embedded:DIRECTORY`; it and `records` must be those of the
    workers. Left out, they mean the folder `.promptmill` below the current one, as they do for the commands; beside
    `embedded:DIRECTORY` the records are those in `DIRECTORY`.
    """

    def __init__(
        self,
        redis_url: str = "embedded:.promptmill",
        *,
        records: RecordStore | Path | str | None = None,
        prefix: str = "promptmill",
    ) -> None:
        """Remember where to connect; nothing is opened before `async with`."""
        self.keys = Keys(prefix)
        self.records = _store(redis_url, records)
        self._url = redis_url
        self._stack = AsyncExitStack()
        self._redis: ArqRedis | None = None

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            RedisUnreachableError: nobody answered; nothing was queued.
            ServerStartError: the embedded server would not start.
        """
        self._redis = await self._stack.enter_async_context(open_redis(self._url, self.keys))
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

    async def submit(self, job: PromptJob) -> "JobHandle":
        """Queue `job`. Submitting the same job id again changes nothing, queued, running or recorded.

        Raises:
            RedisUnreachableError: Redis did not take it; the job is not queued.
        """
        if not await self.records.has(job.job_id):
            try:
                await self.redis.enqueue_job(
                    FUNCTION, job.model_dump(mode="json", by_alias=True), _job_id=job.job_id
                )
            except (RedisError, OSError) as error:
                raise RedisUnreachableError(
                    f"Redis did not take job {job.job_id!r}: {error}",
                    note="that job was not queued",
                ) from error
        return self.handle(job.job_id, stream=stream_of(job))

    def handle(self, job_id: str, *, stream: str | None = None) -> "JobHandle":
        """A hold on a job that was submitted earlier; `stream` is its run id if it has one."""
        return JobHandle(self, job_id, stream or job_id)

    async def follow_run(self, run_id: str) -> AsyncGenerator[JobEvent | None]:
        """The events of all jobs of a run, for ever; None whenever a second passed without one."""
        async for event in follow(self.redis, self.keys, run_id):
            yield event

    async def live_workers(self) -> list[WorkerPresence]:
        """The workers of this queue that were heard of within the last seconds."""
        return await live_workers(self.redis, self.keys)


def _store(redis_url: str, records: RecordStore | Path | str | None) -> RecordStore:
    if records is None:
        is_embedded = redis_url.startswith(EMBEDDED_SCHEME)
        records = (
            Path(redis_url.removeprefix(EMBEDDED_SCHEME) if is_embedded else ".promptmill")
            / "records"
        )
    return FileRecordStore(Path(records)) if isinstance(records, Path | str) else records


class JobHandle:
    """A hold on one job."""

    def __init__(self, queue: JobQueue, job_id: str, stream: str) -> None:
        """Made by `JobQueue.submit` and `JobQueue.handle`."""
        self.job_id = job_id
        self._queue = queue
        self._stream = stream

    async def status(self) -> JobStatus:
        """Where the job is now."""
        if await self._queue.records.has(self.job_id):
            return JobStatus.COMPLETE
        status = await Job(
            self.job_id, self._queue.redis, _queue_name=self._queue.keys.queue
        ).status()
        # Arq says complete where it kept a result; it keeps none for us, so the record is the only proof.
        return JobStatus.NOT_FOUND if status is ArqStatus.complete else JobStatus(status.value)

    async def record(self) -> Record:
        """Wait for the record. It waits for ever; bound it with `asyncio.timeout`.

        Raises:
            RecordNotFoundError: the job was cancelled or never submitted, so there will be none.
        """
        async for event in self.events():
            if isinstance(event, JobCancelled):
                break
        return await self._queue.records.get(self.job_id)

    async def events(self) -> AsyncGenerator[JobEvent]:
        """What happens to the job, from its start (as far as kept) to its end.

        Events are kept for an hour, records for good: a job that has its record ends the iteration, as does one that
        is nowhere to be found.
        """
        async for event in follow(self._queue.redis, self._queue.keys, self._stream):
            if event is None:
                if await self.status() in {JobStatus.COMPLETE, JobStatus.NOT_FOUND}:
                    return
            elif event.job_id == self.job_id:
                yield event
                if isinstance(event, JobFinished | JobCancelled):
                    return

    async def cancel(self) -> bool:
        """Take the job out of the queue, or ask the worker that has it to stop before its next step.

        A cancelled job leaves no record and may be submitted again. False if it is already recorded or unknown.
        """
        keys, redis = self._queue.keys, self._queue.redis
        if await self._queue.records.has(self.job_id):
            return False
        taken_out: int = await redis.register_script(_TAKE_OUT)(
            keys=[
                keys.queue,
                in_progress_key_prefix + self.job_id,
                job_key_prefix + self.job_id,
                retry_key_prefix + self.job_id,
                keys.checkpoint(self.job_id),
            ],
            args=[self.job_id],
        )
        if taken_out == 1:
            await publish(redis, keys, self._stream, JobCancelled(job_id=self.job_id))
        if taken_out == 0:
            await redis.set(keys.cancelled(self.job_id), "1", ex=_CANCEL_SECONDS)
        return taken_out >= 0
