"""What a run came to: counted from its records alone."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Literal, Self

from jobs.models import Record, Usage
from jobs.stats import wilson_interval
from jobs.verdicts import Verdict
from jobs.wire import Wire


class Rate(Wire):
    """A count of successes in n, with the interval that n allows."""

    successes: int
    n: int
    low: float
    """Lower end of the 95 % Wilson interval, a fraction of 1."""
    high: float

    @classmethod
    def of(cls, successes: int, n: int) -> Self:
        """The rate of so many successes in n."""
        low, high = wilson_interval(successes, n)
        return cls(successes=successes, n=n, low=low, high=high)

    @property
    def value(self) -> float | None:
        """Successes per n; None where n is 0."""
        return self.successes / self.n if self.n else None


class OpenJob(Wire):
    """A job that was not solved, and the first thing to know about it."""

    job_id: str
    task_id: str | None
    sample: int
    n_attempts: int
    verdict: Verdict
    explanation: str


class Report(Wire):
    """A run in numbers. Jobs that failed because of us are listed as `unscored` and count in no rate."""

    schema_version: Literal[1] = 1
    n_jobs: int
    n_scored: int
    solved_within: tuple[Rate, ...]
    """Scored jobs accepted within 1, 2, … attempts. Later attempts see the error, so this is not pass@k."""
    verdicts: dict[Verdict, int]
    """Final verdicts of all jobs, the unscored included."""
    never_solved: tuple[OpenJob, ...]
    unscored: tuple[OpenJob, ...]
    usage: Usage
    simulated: bool
    """At least one answer was a recording: the numbers say nothing about a model."""
    requested_models: tuple[str, ...]
    served_models: tuple[str, ...]
    isolation_profiles: tuple[str, ...]
    isolation_layers: tuple[str, ...]
    """What was in force in every run of a program."""

    @property
    def solved(self) -> Rate:
        """Scored jobs accepted at all."""
        return self.solved_within[-1] if self.solved_within else Rate.of(0, self.n_scored)


def build_report(records: Iterable[Record]) -> Report:
    """Count a run's records; their order does not matter."""
    kept = sorted(records, key=_in_reading_order)
    scored = [record for record in kept if record.verdict.is_scored]
    most_attempts = max((record.job.max_attempts for record in scored), default=0)
    layers = [set(record.isolation.layers) for record in kept]
    return Report(
        n_jobs=len(kept),
        n_scored=len(scored),
        solved_within=tuple(
            Rate.of(sum(_is_solved(record, within) for record in scored), len(scored))
            for within in range(1, most_attempts + 1)
        ),
        verdicts=dict(Counter(record.verdict for record in kept)),
        never_solved=tuple(
            _open(record) for record in scored if record.verdict is not Verdict.ACCEPTED
        ),
        unscored=tuple(_open(record) for record in kept if not record.verdict.is_scored),
        usage=sum((record.usage for record in kept), Usage()),
        simulated=any(record.simulated for record in kept),
        requested_models=tuple(sorted({record.requested_model for record in kept})),
        served_models=tuple(
            sorted({record.served_model for record in kept if record.served_model})
        ),
        isolation_profiles=tuple(sorted({record.isolation.profile for record in kept})),
        isolation_layers=tuple(sorted(set.intersection(*layers))) if layers else (),
    )


def _in_reading_order(record: Record) -> tuple[list[tuple[int, str]], int, str]:
    """By task, in which 2 comes before 10, then by sample."""
    pieces = re.split(r"(\d+)", record.job.task_id or "")
    numbered = [
        (int(piece), "") if piece.isdecimal() and piece.isascii() else (-1, piece)
        for piece in pieces
    ]
    return numbered, record.job.sample, record.job_id


def _is_solved(record: Record, within: int) -> bool:
    return record.solved_at is not None and record.solved_at <= within


def _open(record: Record) -> OpenJob:
    return OpenJob(
        job_id=record.job_id,
        task_id=record.job.task_id,
        sample=record.job.sample,
        n_attempts=len(record.attempts),
        verdict=record.verdict,
        explanation=record.explanation,
    )
