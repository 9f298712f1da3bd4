"""The way in: submit jobs, and hold on to each by a handle."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from enum import StrEnum
from pathlib import Path
from typing import Self

from arq.connections import ArqRedis
from arq.constants import in_progress_key_prefix, job_key_prefix, retry_key_prefix
from arq.jobs import DeserializationError, Job
from arq.jobs import JobStatus as ArqStatus
from pydantic import ValidationError
from redis.exceptions import ConnectionError as RedisConnectionError

from . import wire
from .clock import monotonic, utcnow
from .connection import EMBEDDED_SCHEME, expecting_answer, open_redis
from .errors import UsageError
from .events import JobCancelled, JobEvent, JobFinished, follow, publish, stream_of
from .keys import CANCEL_SECONDS, Keys
from .models import PromptJob, Record
from .presence import WorkerPresence, live_workers
from .records import RecordStore
from .records.opening import open_store

FUNCTION = "run_prompt_job"
"""The name of the one arq function that workers run."""

# Takes a job out of the queue or, if a worker has it, leaves the wish to stop: 1 if it was taken out, 0 if it is
# running, -1 if it is not there. In one step, so that the wish never outlives the run it is about.
_CANCEL = """
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return -1 end
if redis.call('EXISTS', KEYS[2]) == 1 then
    redis.call('SET', KEYS[3], '1', 'EX', ARGV[2])
    return 0
end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[3], KEYS[4], KEYS[5], KEYS[6])
return 1
"""
_TAKEN_OUT = 1

# A wish to stop that an earlier life of the job left behind must not stop the next one.
_FORGET_OLD_WISH = """
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then redis.call('DEL', KEYS[2]) end
"""

_SUBMIT_TRIES = 3
_LOOK_SECONDS = 1.0


class JobStatus(StrEnum):
    """Where a job is. The words are arq's."""

    DEFERRED = "deferred"
    QUEUED = "queued"
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

    `redis_url` is `redis://…`, `rediss://…`, `unix://…` or `embedded:DIRECTORY`; `records` is a folder, a URL as
    `open_store` takes it, or an open store. Both must be those of the workers. Left out, they mean the folder
    `.promptmill` below the current one, as they do for the commands; beside `embedded:DIRECTORY` the records are those
    in `DIRECTORY`.
    """

    def __init__(
        self,
        redis_url: str = "embedded:.promptmill",
        *,
        records: RecordStore | Path | str | None = None,
        prefix: str = "promptmill",
    ) -> None:
        """Remember where to connect; nothing is opened before `async with`.

        Raises:
            UsageError: records cannot be kept at such a place.
        """
        self.keys = Keys(prefix)
        place = _default_place(redis_url) if records is None else records
        self._closes_records = isinstance(place, Path | str)
        self.records: RecordStore = (
            open_store(place, prefix=prefix) if isinstance(place, Path | str) else place
        )
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

    async def submit(self, job: PromptJob) -> "JobHandle":
        """Queue `job`. Submitting the same job id again changes nothing, queued, running or recorded.

        Raises:
            RedisUnreachableError: Redis did not take it, or went away before it could say so.
            UsageError: another installation on the same Redis has a job of this id.
            StoreError: it cannot be told whether there is a record.
        """
        if not await self.records.has(job.job_id):
            with expecting_answer(
                f"Redis did not take job {job.job_id!r}",
                note="submit it again: that changes nothing if it was queued after all",
            ):
                await self._enqueue(job)
        return self.handle(job.job_id, stream=stream_of(job))

    async def _enqueue(self, job: PromptJob) -> None:
        await self.redis.register_script(_FORGET_OLD_WISH)(
            keys=[self.keys.queue, self.keys.cancelled(job.job_id)], args=[job.job_id]
        )
        payload = job.model_dump(mode="json", by_alias=True)
        for _ in range(_SUBMIT_TRIES):
            # Arq says None for a job it has, and also where the connection broke halfway: then nothing is queued.
            if await self.redis.enqueue_job(FUNCTION, payload, _job_id=job.job_id) is not None:
                return
            if await self._is_known(job.job_id):
                return
        if await self.redis.exists(job_key_prefix + job.job_id):
            # Arq's own keys carry no prefix.
            raise UsageError(
                f"another installation on this Redis has a job {job.job_id!r}",
                fixes=["choose another id, or another database of that server"],
            )
        raise RedisConnectionError("the connection broke every time")

    async def _is_known(self, job_id: str) -> bool:
        is_queued = await self.redis.zscore(self.keys.queue, job_id) is not None
        return is_queued or await self.records.has(job_id)

    def handle(self, job_id: str, *, stream: str | None = None) -> "JobHandle":
        """A hold on a job that was submitted earlier; `stream` is its run id if it has one."""
        return JobHandle(self, job_id, stream or job_id)

    async def find(self, job_id: str) -> PromptJob | None:
        """The job as it was submitted, if it is queued or running.

        Raises:
            RedisUnreachableError: Redis did not answer.
            UsageError: there is one, and this version cannot read it.
        """
        job = Job(job_id, self.redis, _queue_name=self.keys.queue, _deserializer=wire.decode)
        try:
            with expecting_answer(f"it cannot be told whether job {job_id!r} is queued"):
                info = await job.info()
            # Arq's own keys carry no prefix: without a place in our queue it is of another installation.
            is_ours = info is not None and info.score is not None
            return PromptJob.model_validate(info.args[0]) if info and is_ours else None
        except (DeserializationError, ValidationError):
            raise UsageError(
                f"job {job_id!r} is queued, and was not queued by this version of promptmill",
                fixes=["let a worker of that version finish it, or choose another id"],
            ) from None

    async def live_workers(self) -> list[WorkerPresence]:
        """The workers of this queue that were heard of within the last seconds."""
        return await live_workers(self.redis, self.keys)


def _default_place(redis_url: str) -> Path:
    is_embedded = redis_url.startswith(EMBEDDED_SCHEME)
    folder = redis_url.removeprefix(EMBEDDED_SCHEME) if is_embedded else ".promptmill"
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
        job = Job(self.job_id, self._queue.redis, _queue_name=self._queue.keys.queue)
        with expecting_answer(f"it cannot be told where job {self.job_id!r} is"):
            status = await job.status()
        # Arq says complete where it kept a result; it keeps none for us, so the record is the only proof.
        if status not in {ArqStatus.complete, ArqStatus.not_found}:
            return JobStatus(status.value)
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

        A cancelled job leaves no record and may be submitted again, once its status is `not_found`. False if it is
        already recorded or unknown.

        Raises:
            RedisUnreachableError: Redis did not answer.
        """
        keys, redis = self._queue.keys, self._queue.redis
        if await self._queue.records.has(self.job_id):
            return False
        with expecting_answer(f"job {self.job_id!r} was not cancelled"):
            found: int = await redis.register_script(_CANCEL)(
                keys=[
                    keys.queue,
                    in_progress_key_prefix + self.job_id,
                    keys.cancelled(self.job_id),
                    job_key_prefix + self.job_id,
                    retry_key_prefix + self.job_id,
                    keys.checkpoint(self.job_id),
                ],
                args=[self.job_id, CANCEL_SECONDS],
            )
            if found == _TAKEN_OUT:
                await publish(redis, keys, self._stream, JobCancelled(job_id=self.job_id))
        return found >= 0
