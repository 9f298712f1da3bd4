"""Puts together the record of a job, with everything a reader needs to believe it."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.metadata import version

from pydantic import JsonValue

from jobs.clock import utcnow
from jobs.limits import Limits
from jobs.models import Attempt, Isolation, PromptJob, Record
from jobs.presence import can_answer
from jobs.sums import total_usd, weakest_of
from jobs.usage import Usage
from jobs.verdicts import Verdict


@dataclass(frozen=True)
class Provenance:
    """What a worker says of itself, for all jobs that it finishes."""

    worker: str
    model: str
    simulated: bool
    isolation: Isolation

    def answers(self, job: PromptJob) -> bool:
        """Whether the worker asks the model that the job names."""
        return can_answer(job.model, model=self.model, simulated=self.simulated)


@dataclass(frozen=True)
class Delivery:
    """One hand-over of a job by arq."""

    job: PromptJob
    number: int
    """From 1, arq's `job_try`."""
    queued_at: datetime
    started_at: datetime


def make_record(
    delivery: Delivery,
    attempts: Sequence[Attempt],
    limits: Limits,
    provenance: Provenance,
    *,
    error: str | None = None,
    unusable_reply: dict[str, JsonValue] | None = None,
) -> Record:
    """The record of a job that ended with these attempts, or, given an error, of one that failed because of us."""
    ran_under = [attempt.isolation for attempt in attempts if attempt.isolation is not None]
    ran_elsewhere = any(attempt.executed_by == "gemini" for attempt in attempts)
    asked_last = attempts[-1].reply.requested_model if attempts else None
    return Record(
        job=delivery.job,
        verdict=attempts[-1].verdict if error is None else Verdict.INTERNAL_ERROR,
        attempts=tuple(attempts),
        error=error,
        unusable_reply=unusable_reply,
        requested_model=asked_last or delivery.job.model or provenance.model,
        served_model=attempts[-1].reply.model_version if attempts else None,
        simulated=any(attempt.reply.simulated for attempt in attempts)
        if attempts
        else provenance.simulated,
        limits=limits,
        isolation=(
            None
            if ran_elsewhere and not ran_under
            else weakest_of(ran_under or [provenance.isolation])
        ),
        worker=provenance.worker,
        versions=_versions(),
        deliveries=delivery.number,
        usage=sum((attempt.reply.usage for attempt in attempts), Usage()),
        cost_usd=total_usd(attempt.reply for attempt in attempts),
        queued_at=delivery.queued_at,
        started_at=delivery.started_at,
        finished_at=utcnow(),
    )


@cache
def _versions() -> dict[str, str]:
    names = ("promptmill", "arq", "google-genai", "redis")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}
