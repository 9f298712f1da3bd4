"""One delivery of a job: from arq's hand-over to a stored record, or back into the queue."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

import structlog
from arq import Retry
from arq.connections import ArqRedis
from pydantic import JsonValue, ValidationError
from redis.exceptions import RedisError

from jobs.clock import monotonic, utcnow
from jobs.errors import PromptmillError, StoreError
from jobs.events import (
    AttemptFinished,
    JobCancelled,
    JobDelayed,
    JobEvent,
    JobFinished,
    JobStarted,
    publish,
    stream_of,
)
from jobs.keys import Keys
from jobs.limits import Limits
from jobs.models import Attempt, PromptJob, Record
from jobs.records import RecordStore
from worker.errors import ModelClosedError, ModelUnavailableError
from worker.solver.checkpoints import RedisCheckpoint
from worker.solver.loop import FeedbackLoop, is_over

from .lease import hold_lease, uncount_delivery
from .records import Delivery, Provenance, make_record

_log = structlog.get_logger(__name__)
_LONGEST_DELAY_SECONDS = 600.0
# A payload lives for a month, and arq drops a job that has outlived it.
_LONGEST_WISH_SECONDS = 24 * 3600.0
_OUTAGE_DELAY_SECONDS = 10.0
# Of no fixed length: two workers that look at the queue in step would else come in the same order every time, and the
# one that leaves a job alone could keep it from the other for ever.
_OTHER_MODEL_DELAY_SECONDS = (0.5, 1.5)
# Deliveries go on for as long as the disk is full; 2.0 ** 1024 is an OverflowError.
_LAST_DOUBLING = 10
# They say nothing about the job, which may not even have been tried: its deliveries are not used up by them.
_OUTAGES = (StoreError, RedisError)


class _StopRequestedError(Exception):
    """Somebody asked for this job to stop."""


class _OtherModelError(Exception):
    """The job names a model that this worker does not ask."""


@dataclass(frozen=True)
class DeliveryPolicy:
    """What one worker grants a job."""

    default_limits: Limits
    ceiling: Limits
    max_deliveries: int
    lease_seconds: float


class Consumer:
    """Takes deliveries of jobs, and sees each to its record however often it is delivered."""

    def __init__(
        self,
        redis: ArqRedis,
        keys: Keys,
        store: RecordStore,
        loop: FeedbackLoop,
        provenance: Provenance,
        policy: DeliveryPolicy,
    ) -> None:
        """Use these; `on_model_closed` may be set to whatever stops the worker.

        So may `on_only_others`, which is called when every job of the queue was left to workers that ask other models.
        """
        self._redis = redis
        self._keys = keys
        self._store = store
        self._loop = loop
        self._provenance = provenance
        self._policy = policy
        self.on_model_closed: Callable[[ModelClosedError], None] = lambda _: None
        self.on_only_others: Callable[[], None] | None = None
        self._left_models: set[str | None] = set()
        self._left_ids: set[str] = set()

    async def take(self, payload: dict[str, JsonValue], number: int, queued_at: datetime) -> None:
        """Solve the job of `payload` and store its record.

        Raises:
            Retry: we failed and the job goes back into the queue; no attempt was used. Nothing else is raised,
                since arq drops a job for anything else.
        """
        job = _read(payload)
        delivery = Delivery(job, number, queued_at, utcnow())
        with structlog.contextvars.bound_contextvars(
            job_id=job.job_id, run_id=job.run_id, delivery=number
        ):
            try:
                async with hold_lease(self._redis, job.job_id, self._policy.lease_seconds):
                    await self._see_through(delivery)
            except asyncio.CancelledError:
                # The worker stops, and arq keeps the job queued. A day of restarts must not use up its deliveries.
                await asyncio.shield(uncount_delivery(self._redis, job.job_id))
                raise
            except _OtherModelError:
                await self._leave_to_others(job)
            except ModelClosedError as error:
                await self._hand_back(job, error)
            except Exception as error:  # noqa: BLE001
                # The one place where a bug of ours, or Redis gone away, is kept from costing a job.
                await self._end_or_put_back(delivery, error)

    async def _see_through(self, delivery: Delivery) -> None:
        job, began = delivery.job, monotonic()
        if await self._store.has(job.job_id):
            # An earlier delivery stored the record and died before it could say so, or before the index knew of it.
            record = await self._store.get(job.job_id)
            await self._store.put(record)
            await self._forget(
                job,
                JobFinished(job_id=job.job_id, verdict=record.verdict, solved_at=record.solved_at),
            )
            return
        await self._stop_if_cancelled(job)
        if not self._provenance.answers(job):
            raise _OtherModelError
        if delivery.number > self._policy.max_deliveries and not await self._is_solved(job):
            await self._store_failure(
                delivery, f"delivered {delivery.number - 1} times without coming to an end"
            )
            return
        await self._publish(job, JobStarted(job_id=job.job_id, delivery=delivery.number))
        attempts = await self._loop.solve(
            job,
            self._limits(job),
            self._checkpoint(job),
            lambda attempt: self._after_attempt(job, attempt),
        )
        await self._store_record(
            make_record(delivery, attempts, self._limits(job), self._provenance)
        )
        _log.info(
            "job finished",
            verdict=attempts[-1].verdict,
            attempts=len(attempts),
            seconds=round(monotonic() - began, 3),
        )

    async def _after_attempt(self, job: PromptJob, attempt: Attempt) -> None:
        _log.info("attempt judged", number=attempt.number, verdict=attempt.verdict)
        event = AttemptFinished(
            job_id=job.job_id,
            number=attempt.number,
            verdict=attempt.verdict,
            explanation=attempt.explanation,
        )
        await self._publish(job, event)
        # After the last attempt the record is all that is left to do, and it is paid for.
        if attempt.feedback is not None:
            await self._stop_if_cancelled(job)

    async def _stop_if_cancelled(self, job: PromptJob) -> None:
        if await self._redis.exists(self._keys.cancelled(job.job_id)):
            raise _StopRequestedError

    async def _is_solved(self, job: PromptJob) -> bool:
        """Whether the record is all that is missing: deliveries may have been used up by a full disk."""
        return is_over(job, (await self._checkpoint(job).load()).attempts)

    async def _end_or_put_back(self, delivery: Delivery, error: Exception) -> None:
        """End the job if it is to stop, or if another delivery cannot help or was the last; else put it back."""
        job = delivery.job
        if not isinstance(error, PromptmillError | _StopRequestedError):
            _log.error("delivery failed", exc_info=error)
        try:
            if isinstance(error, _StopRequestedError):
                await self._forget(job, JobCancelled(job_id=job.job_id))
                return
            if self._is_final(delivery, error):
                await self._store_failure(delivery, _reason(error))
                return
        except (PromptmillError, RedisError, OSError) as failure:
            error = failure
        await self._put_back(delivery, error)

    def _is_final(self, delivery: Delivery, error: Exception) -> bool:
        if isinstance(error, StoreError):
            # Without a record the job is not over, however often it was delivered: its attempts are paid for.
            return False
        if isinstance(error, PromptmillError) and not error.retryable:
            return True
        return delivery.number >= self._policy.max_deliveries

    async def _put_back(self, delivery: Delivery, error: Exception) -> NoReturn:
        own = min(2.0 ** min(delivery.number, _LAST_DOUBLING), _LONGEST_DELAY_SECONDS)
        seconds, reason = max(_least_delay_seconds(error), own), _reason(error)
        if isinstance(error, _OUTAGES):
            await asyncio.shield(uncount_delivery(self._redis, delivery.job.job_id))
        _log.warning("job delayed", reason=reason, seconds=seconds)
        await self._publish(
            delivery.job, JobDelayed(job_id=delivery.job.job_id, reason=reason, seconds=seconds)
        )
        raise Retry(defer=seconds)

    async def _hand_back(self, job: PromptJob, error: ModelClosedError) -> None:
        """Put the job back as if it had never been delivered, and have the worker stop: no job would be answered."""
        _log.error("the model is closed to us; no more jobs are taken", reason=str(error))
        await asyncio.shield(uncount_delivery(self._redis, job.job_id))
        self.on_model_closed(error)
        raise Retry(defer=1)

    async def _leave_to_others(self, job: PromptJob) -> NoReturn:
        """Put the job back as if it had never been delivered: a worker that asks its model will take it."""
        # Once a second for each job: it is told once of each model.
        log = _log.debug if job.model in self._left_models else _log.info
        log("job left to workers that ask its model", model=job.model)
        self._left_models.add(job.model)
        await asyncio.shield(uncount_delivery(self._redis, job.job_id))
        if self.on_only_others is not None:
            self._left_ids.add(job.job_id)
            if await self._are_all_left():
                self.on_only_others()
        raise Retry(defer=random.uniform(*_OTHER_MODEL_DELAY_SECONDS))  # noqa: S311  no secret

    async def _are_all_left(self) -> bool:
        try:
            if await self._redis.zcard(self._keys.queue) > len(self._left_ids):
                return False
            queued = await self._redis.zrange(self._keys.queue, 0, -1)
        except (RedisError, OSError):
            # Not known, and the job must go back all the same.
            return False
        return {job_id.decode() for job_id in queued} <= self._left_ids

    async def _store_failure(self, delivery: Delivery, reason: str) -> None:
        try:
            attempts = (await self._checkpoint(delivery.job).load()).attempts
        except ValidationError:
            # Written by another version. A job that cannot be resumed must still come to an end.
            attempts = ()
        record = make_record(
            delivery, attempts, self._limits(delivery.job), self._provenance, error=reason
        )
        await self._store_record(record)
        _log.error("job failed", reason=reason)

    async def _store_record(self, record: Record) -> None:
        if not await self._store.put(record):
            # Another delivery was first, and what it stored is what happened.
            record = await self._store.get(record.job_id)
        event = JobFinished(
            job_id=record.job_id, verdict=record.verdict, solved_at=record.solved_at
        )
        await self._forget(record.job, event)

    async def _forget(self, job: PromptJob, last_event: JobEvent) -> None:
        await self._publish(job, last_event)
        await self._redis.delete(self._keys.cancelled(job.job_id))
        await self._checkpoint(job).discard()

    async def _publish(self, job: PromptJob, event: JobEvent) -> None:
        """Tell whoever follows; an event that cannot be told must not stop the work it tells of."""
        try:
            await publish(self._redis, self._keys, stream_of(job), event)
        except (RedisError, OSError) as error:
            _log.warning("event not published", kind=event.kind, error=str(error))

    def _checkpoint(self, job: PromptJob) -> RedisCheckpoint:
        return RedisCheckpoint(self._redis, self._keys, job.job_id)

    def _limits(self, job: PromptJob) -> Limits:
        return (job.limits or self._policy.default_limits).capped_by(self._policy.ceiling)


def _read(payload: dict[str, JsonValue]) -> PromptJob:
    try:
        return PromptJob.model_validate(payload)
    except ValidationError as error:
        # Queued by a newer version, most likely: a worker of that version will take it.
        _log.error("job not understood", job_id=payload.get("jobId"), reason=str(error))
        raise Retry(defer=_LONGEST_DELAY_SECONDS) from None


def _least_delay_seconds(error: Exception) -> float:
    if isinstance(error, _OUTAGES):
        # The count stands still, and so does the delay that would grow with it.
        return _OUTAGE_DELAY_SECONDS
    wish = error.retry_after_seconds if isinstance(error, ModelUnavailableError) else None
    return min(wish or 0.0, _LONGEST_WISH_SECONDS)


def _reason(error: Exception) -> str:
    if isinstance(error, PromptmillError):
        return error.in_one_line
    return f"{type(error).__name__}: {error}"
