"""One delivery of a job: from arq's hand-over to a stored record, or back into the queue."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

import structlog
from arq import Retry
from arq.connections import ArqRedis
from arq.constants import retry_key_prefix
from pydantic import JsonValue
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
from worker.errors import ModelKeyError, ModelUnavailableError
from worker.solver.checkpoints import RedisCheckpoint
from worker.solver.loop import FeedbackLoop

from .lease import hold_lease
from .recording import Delivery, Provenance, make_record

_log = structlog.get_logger(__name__)
_LONGEST_DELAY_SECONDS = 600.0


class _StopRequestedError(Exception):
    """Somebody asked for this job to stop."""


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
        """Use these; `on_key_refused` may be set to whatever stops the worker."""
        self._redis = redis
        self._keys = keys
        self._store = store
        self._loop = loop
        self._provenance = provenance
        self._policy = policy
        self.on_key_refused: Callable[[ModelKeyError], None] = lambda _: None

    async def take(self, payload: dict[str, JsonValue], number: int, queued_at: datetime) -> None:
        """Solve the job of `payload` and store its record.

        Raises:
            Retry: we failed and the job goes back into the queue; no attempt was used.
        """
        job = PromptJob.model_validate(payload)
        delivery = Delivery(job, number, queued_at, utcnow())
        with structlog.contextvars.bound_contextvars(
            job_id=job.job_id, run_id=job.run_id, delivery=number
        ):
            try:
                async with hold_lease(self._redis, job.job_id, self._policy.lease_seconds):
                    await self._see_through(delivery)
            except _StopRequestedError:
                await self._forget(job, JobCancelled(job_id=job.job_id))
            except ModelKeyError as error:
                await self._hand_back(job, error)
            except StoreError as error:
                # Without a record the job is not over, however often it was delivered: its attempts are paid for.
                await self._put_back(delivery, str(error), None)
            except PromptmillError as error:
                await self._give_up_or_put_back(delivery, error)
            except Exception as error:  # noqa: BLE001
                # The one place where a bug of ours, or Redis gone away, is kept from costing a job.
                _log.exception("delivery failed")
                await self._give_up_or_put_back(delivery, error)

    async def _see_through(self, delivery: Delivery) -> None:
        job, began = delivery.job, monotonic()
        if await self._store.has(job.job_id):
            # An earlier delivery stored the record and died before it could say so.
            record = await self._store.get(job.job_id)
            await self._forget(
                job,
                JobFinished(job_id=job.job_id, verdict=record.verdict, solved_at=record.solved_at),
            )
            return
        await self._stop_if_cancelled(job)
        if delivery.number > self._policy.max_deliveries:
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

    async def _give_up_or_put_back(self, delivery: Delivery, error: Exception) -> None:
        """Put the job back, or record our failure if another delivery cannot help or was the last."""
        reason = (
            error.in_one_line
            if isinstance(error, PromptmillError)
            else f"{type(error).__name__}: {error}"
        )
        is_final = isinstance(error, PromptmillError) and not error.retryable
        if is_final or delivery.number >= self._policy.max_deliveries:
            await self._store_failure(delivery, reason)
        else:
            wish = error.retry_after_seconds if isinstance(error, ModelUnavailableError) else None
            await self._put_back(delivery, reason, wish)

    async def _put_back(
        self, delivery: Delivery, reason: str, wish_seconds: float | None
    ) -> NoReturn:
        seconds = max(wish_seconds or 0.0, min(2.0**delivery.number, _LONGEST_DELAY_SECONDS))
        _log.warning("job delayed", reason=reason, seconds=seconds)
        await self._publish(
            delivery.job, JobDelayed(job_id=delivery.job.job_id, reason=reason, seconds=seconds)
        )
        raise Retry(defer=seconds)

    async def _hand_back(self, job: PromptJob, error: ModelKeyError) -> None:
        """Put the job back as if it had never been delivered, and have the worker stop: the key is wrong for all."""
        _log.error("the model refused the key; no more jobs are taken", reason=str(error))
        await self._redis.decr(retry_key_prefix + job.job_id)
        self.on_key_refused(error)
        raise Retry(defer=1)

    async def _store_failure(self, delivery: Delivery, reason: str) -> None:
        attempts = (await self._checkpoint(delivery.job).load()).attempts
        record = make_record(
            delivery, attempts, self._limits(delivery.job), self._provenance, error=reason
        )
        await self._store_record(record)
        _log.error("job failed", reason=reason)

    async def _store_record(self, record: Record) -> None:
        await self._store.put(record)
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
