"""What a run came to: counted from its records alone."""

import re
from collections import Counter
from collections.abc import Iterable
from operator import itemgetter
from typing import Literal, Self, TypeAlias

from jobs.conversations import STUCK
from jobs.models import Record, Usage
from jobs.stats import wilson_interval
from jobs.verdicts import Verdict
from jobs.wire import Wire

_Order: TypeAlias = tuple[list[tuple[int, str]], int, str]


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
    cost_usd: float
    """Of the jobs whose cost is known; those that failed because of us are among them."""
    n_unpriced: int
    """Jobs whose cost is unknown."""
    simulated: bool
    """At least one answer was a recording: the numbers say nothing about a model."""
    n_cached: int
    """Replies that were paid for earlier; their tokens are in `usage`, as those of the time when they were."""
    n_stopped_early: int
    """Jobs that ended because their model repeated itself, with attempts left."""
    n_run_by_gemini: int
    """Jobs whose programs Gemini ran itself: their verdicts rest on its word."""
    requested_models: tuple[str, ...]
    served_models: tuple[str, ...]
    isolation_profiles: tuple[str, ...]
    isolation_layers: tuple[str, ...]
    """What was in force in every run of a program."""

    @property
    def solved(self) -> Rate:
        """Scored jobs accepted at all."""
        return self.solved_within[-1] if self.solved_within else Rate.of(0, self.n_scored)


class ReportBuilder:
    """Counts records as they come, in any order, and keeps none of them."""

    def __init__(self) -> None:
        self._verdicts: Counter[Verdict] = Counter()
        self._solved_at: Counter[int] = Counter()
        self._most_attempts = 0
        self._open: list[tuple[_Order, OpenJob]] = []
        self._usage = Usage()
        self._cost_usd = 0.0
        self._n_unpriced = 0
        self._simulated = False
        self._n_cached = self._n_stopped_early = self._n_run_by_gemini = 0
        self._requested: set[str] = set()
        self._served: set[str] = set()
        self._profiles: set[str] = set()
        self._layers: set[str] | None = None

    def add(self, record: Record) -> None:
        """Count a record."""
        self._verdicts[record.verdict] += 1
        if record.verdict.is_scored:
            self._most_attempts = max(self._most_attempts, record.job.max_attempts)
        if record.solved_at is not None:
            self._solved_at[record.solved_at] += 1
        else:
            self._open.append((_in_reading_order(record), _open(record)))
        self._usage += record.usage
        self._cost_usd += record.cost_usd or 0.0
        self._n_unpriced += record.cost_usd is None
        self._simulated |= record.simulated
        self._n_cached += sum(attempt.reply.cached for attempt in record.attempts)
        self._n_stopped_early += any(attempt.end in STUCK for attempt in record.attempts)
        self._n_run_by_gemini += record.job.code_execution
        self._requested.add(record.requested_model)
        self._served |= {record.served_model} if record.served_model else set()
        if record.isolation is None:
            return
        self._profiles.add(record.isolation.profile)
        layers = set(record.isolation.layers)
        self._layers = layers if self._layers is None else self._layers & layers

    def report(self) -> Report:
        """What they came to."""
        n_scored = sum(n for verdict, n in self._verdicts.items() if verdict.is_scored)
        open_jobs = [job for _, job in sorted(self._open, key=itemgetter(0))]
        return Report(
            n_jobs=self._verdicts.total(),
            n_scored=n_scored,
            solved_within=tuple(
                Rate.of(self._n_solved(within), n_scored)
                for within in range(1, self._most_attempts + 1)
            ),
            verdicts=dict(self._verdicts),
            never_solved=tuple(job for job in open_jobs if job.verdict.is_scored),
            unscored=tuple(job for job in open_jobs if not job.verdict.is_scored),
            usage=self._usage,
            cost_usd=self._cost_usd,
            n_unpriced=self._n_unpriced,
            simulated=self._simulated,
            n_cached=self._n_cached,
            n_stopped_early=self._n_stopped_early,
            n_run_by_gemini=self._n_run_by_gemini,
            requested_models=tuple(sorted(self._requested)),
            served_models=tuple(sorted(self._served)),
            isolation_profiles=tuple(sorted(self._profiles)),
            isolation_layers=tuple(sorted(self._layers or ())),
        )

    def _n_solved(self, within: int) -> int:
        return sum(n for attempt, n in self._solved_at.items() if attempt <= within)


def build_report(records: Iterable[Record]) -> Report:
    """Count a run's records; their order does not matter."""
    builder = ReportBuilder()
    for record in records:
        builder.add(record)
    return builder.report()


def _in_reading_order(record: Record) -> _Order:
    """By task, in which 2 comes before 10, then by sample."""
    pieces = re.split(r"(\d+)", record.job.task_id or "")
    numbered = [
        (int(piece), "") if piece.isdecimal() and piece.isascii() else (-1, piece)
        for piece in pieces
    ]
    return numbered, record.job.sample, record.job_id


def _open(record: Record) -> OpenJob:
    return OpenJob(
        job_id=record.job_id,
        task_id=record.job.task_id,
        sample=record.job.sample,
        n_attempts=len(record.attempts),
        verdict=record.verdict,
        explanation=record.explanation,
    )
