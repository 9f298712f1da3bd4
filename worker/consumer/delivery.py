"""One delivery of a job: from arq's hand-over to a stored record, or back into the queue."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import structlog
from arq.connections import ArqRedis
from pydantic import JsonValue, ValidationError
from redis.exceptions import RedisError

from jobs.clock import monotonic, utcnow
from jobs.errors import PromptmillError, StoreError
from jobs.events import (
    AttemptFinished,
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
from jobs.outages import through_outages
from jobs.pipelining import Pipelining
from jobs.records import RecordStore
from jobs.run_control import stop_run_short
from worker.errors import (
    LeaseLostError,
    ModelBusyError,
    ModelClosedError,
    ModelRejectedError,
    ModelUnavailableError,
    RunHeldError,
)
from worker.solver.checkpoints import RedisCheckpoint
from worker.solver.course import end_of
from worker.solver.loop import FeedbackLoop

from .cancelling import to_its_end
from .claims import Claim
from .endings import Cancelled, Ending, PutAside, PutBack, Recorded
from .records import Delivery, Provenance, make_record

_log = structlog.get_logger(__name__)
_LONGEST_DELAY_SECONDS = 600.0
_LONGEST_WISH_SECONDS = 24 * 3600.0
_OUTAGE_DELAY_SECONDS = 10.0
_PATIENCE_SECONDS = 600.0
# Deliveries go on for as long as the disk is full; 2.0 ** 1024 is an OverflowError.
_LAST_DOUBLING = 10
# They say nothing about the job, which may not even have been tried: its deliveries are not used up by them.
_OUTAGES = (StoreError, RedisError)
_SAYS_NOTHING = (*_OUTAGES, ModelBusyError)
_OTHERS_LATER = PutBack(_LONGEST_DELAY_SECONDS, counts=False)


class _StopRequestedError(Exception):
    """Somebody asked for this job to stop."""


class _PausedError(Exception):
    """Somebody asked for this job's run to stand still."""


@dataclass(frozen=True)
class DeliveryPolicy:
    """What one worker grants a job."""

    default_limits: Limits
    ceiling: Limits
    max_deliveries: int


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
        """Use these; `on_model_closed` may be set to whatever keeps the worker from taking more jobs."""
        self._arq = redis
        self._redis = Pipelining(redis)
        self._keys = keys
        self._store = store
        self._loop = loop
        self._provenance = provenance
        self._policy = policy
        self.on_model_closed: Callable[[ModelClosedError], None] = lambda _: None

    async def take(
        self, claim: Claim, payload: dict[str, JsonValue], queued_at: datetime
    ) -> Ending:
        """Solve the job of `payload`, store its record, and say how the delivery ended. Nothing is raised."""
        try:
            job = PromptJob.model_validate(payload)
        except ValidationError as error:
            # Queued by a newer version, most likely: a worker of that version will take it.
            _log.error("job not understood", job_id=claim.job_id, reason=str(error))
            return PutBack(_LONGEST_DELAY_SECONDS)
        delivery = Delivery(job, claim.delivery, queued_at, utcnow())
        checkpoint = RedisCheckpoint(self._redis, self._keys, claim.job_id, claim.token)
        with structlog.contextvars.bound_contextvars(
            job_id=job.job_id, run_id=job.run_id, task_id=job.task_id, delivery=claim.delivery
        ):
            try:
                return await self._see_through(delivery, checkpoint)
            except _StopRequestedError:
                return Cancelled(job)
            except (_PausedError, RunHeldError):
                return PutAside(job)
            except LeaseLostError as error:
                _log.warning("job lost", reason=error.message)
                return PutBack()
            except ModelClosedError as error:
                return await self._put_away(job, error)
            except Exception as error:  # noqa: BLE001
                # The one place where a bug of ours, or Redis gone away, is kept from costing a job.
                return await self._end_or_put_back(delivery, checkpoint, error)

    async def _see_through(self, delivery: Delivery, checkpoint: RedisCheckpoint) -> Ending:
        job, began = delivery.job, monotonic()
        if await self._store.has(job.job_id):
            # An earlier delivery stored the record and died before it could say so, or before the index knew of it.
            return await to_its_end(self._tidy_up(delivery))
        await self._heed_wishes(job)
        if delivery.number > self._policy.max_deliveries and not await _is_solved(job, checkpoint):
            return await self._store_failure(
                delivery,
                checkpoint,
                f"delivered {delivery.number - 1} times without coming to an end",
            )
        await self._publish(job, JobStarted(job_id=job.job_id, delivery=delivery.number))
        attempts = await self._loop.solve(
            job,
            self._limits(job),
            checkpoint,
            lambda attempt: self._after_attempt(job, attempt),
        )
        ending = await self._store_record(
            delivery, make_record(delivery, attempts, self._limits(job), self._provenance)
        )
        _log.info(
            "job finished",
            verdict=attempts[-1].verdict,
            attempts=len(attempts),
            seconds=round(monotonic() - began, 3),
        )
        return ending

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
        if attempt.end is None:
            await self._heed_wishes(job)

    async def _heed_wishes(self, job: PromptJob) -> None:
        is_cancelled, state = await through_outages(partial(self._wishes, job), _PATIENCE_SECONDS)
        if is_cancelled or state == b"cancelled":
            raise _StopRequestedError
        if state == b"paused":
            raise _PausedError

    async def _wishes(self, job: PromptJob) -> tuple[int, bytes | None]:
        ask = self._redis.execute_command
        is_cancelled, state = await asyncio.gather(
            ask("EXISTS", self._keys.cancelled(job.job_id)),
            ask("HGET", self._keys.run(job.run_id or ""), "state"),
        )
        return is_cancelled, state

    async def _put_away(self, job: PromptJob, error: ModelClosedError) -> Ending:
        """Keep a job as if it had never been delivered: no other one of its run would be answered."""
        delay = JobDelayed(job_id=job.job_id, reason=error.in_one_line, seconds=0.0)
        await self._publish(job, delay)
        if job.run_id is not None:
            await self._stop_run(job.run_id, error)
        if job.model not in {None, self._provenance.model}:
            # What refuses another model says nothing of the worker's own, for which there are other jobs.
            return _OTHERS_LATER if job.run_id is None else PutAside(job)
        # Last, since it may stop the worker, and this with it.
        self.on_model_closed(error)
        # A run that could not be paused keeps its job in its place.
        return PutBack() if job.run_id is None else PutAside(job)

    async def _stop_run(self, run_id: str, error: ModelClosedError) -> None:
        stop = partial(
            stop_run_short, self._arq, self._keys, run_id, error.message, cause=error.kind
        )
        try:
            await through_outages(stop, _PATIENCE_SECONDS)
        except (RedisError, OSError) as outage:
            _log.warning("run not paused", run=run_id, error=str(outage))

    async def _end_or_put_back(
        self, delivery: Delivery, checkpoint: RedisCheckpoint, error: Exception
    ) -> Ending:
        """End the job if another delivery cannot help or was the last; else put it back."""
        if not isinstance(error, PromptmillError):
            _log.error("delivery failed", exc_info=error)
        try:
            if self._is_final(delivery, error):
                unusable = error.unusable_reply if isinstance(error, ModelRejectedError) else None
                return await self._store_failure(delivery, checkpoint, _reason(error), unusable)
        except (PromptmillError, RedisError, OSError) as failure:
            error = failure
        return await self._put_back(delivery, error)

    def _is_final(self, delivery: Delivery, error: Exception) -> bool:
        if isinstance(error, _SAYS_NOTHING):
            # Without a record the job is not over, however often it was delivered: its attempts are paid for.
            return False
        if isinstance(error, PromptmillError) and not error.retryable:
            return True
        return delivery.number >= self._policy.max_deliveries

    async def _put_back(self, delivery: Delivery, error: Exception) -> PutBack:
        if isinstance(error, ModelBusyError):
            # As many as are in hand wait so, and whoever caused it was told.
            _log.info("job waits for its turn", reason=error.message)
            return PutBack(_least_delay_seconds(error), counts=False)
        own = min(2.0 ** min(delivery.number, _LAST_DOUBLING), _LONGEST_DELAY_SECONDS)
        seconds, reason = max(_least_delay_seconds(error), own), _reason(error)
        _log.warning("job delayed", reason=reason, seconds=seconds)
        await self._publish(
            delivery.job, JobDelayed(job_id=delivery.job.job_id, reason=reason, seconds=seconds)
        )
        return PutBack(seconds, counts=not isinstance(error, _OUTAGES))

    async def _store_failure(
        self,
        delivery: Delivery,
        checkpoint: RedisCheckpoint,
        reason: str,
        unusable_reply: dict[str, JsonValue] | None = None,
    ) -> Recorded:
        try:
            attempts = (await checkpoint.load()).attempts
        except ValidationError:
            # Written by another version. A job that cannot be resumed must still come to an end.
            attempts = ()
        record = make_record(
            delivery,
            attempts,
            self._limits(delivery.job),
            self._provenance,
            error=reason,
            unusable_reply=unusable_reply,
        )
        _log.error("job failed", reason=reason)
        return await self._store_record(delivery, record)

    async def _tidy_up(self, delivery: Delivery) -> Recorded:
        record = await self._store.get(delivery.job.job_id)
        await self._store.put(record)
        return self._recorded(delivery, record)

    async def _store_record(self, delivery: Delivery, record: Record) -> Recorded:
        # A record that is there while its job counts as cancelled would be one too many.
        return await to_its_end(self._put(delivery, record))

    async def _put(self, delivery: Delivery, record: Record) -> Recorded:
        if not await self._store.put(record):
            # Another delivery was first, and what it stored is what happened.
            record = await self._store.get(record.job_id)
        return self._recorded(delivery, record)

    def _recorded(self, delivery: Delivery, record: Record) -> Recorded:
        event = JobFinished(
            job_id=record.job_id, verdict=record.verdict, solved_at=record.solved_at
        )
        # Every stay in the queue ends in one step with its count. A record of an earlier stay was counted with that.
        already_counted = record.queued_at != delivery.queued_at
        return Recorded(delivery.job, event, record.error, already_counted, record.attempts)

    async def _publish(self, job: PromptJob, event: JobEvent) -> None:
        """Tell whoever follows; an event that cannot be told must not stop the work it tells of."""
        try:
            await publish(self._redis, self._keys, stream_of(job), event)
        except (RedisError, OSError) as error:
            _log.warning("event not published", kind=event.kind, error=str(error))

    def _limits(self, job: PromptJob) -> Limits:
        return (job.limits or self._policy.default_limits).capped_by(self._policy.ceiling)


async def _is_solved(job: PromptJob, checkpoint: RedisCheckpoint) -> bool:
    """Whether the record is all that is missing: deliveries may have been used up by a full disk."""
    return end_of(job, (await checkpoint.load()).attempts) is not None


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
