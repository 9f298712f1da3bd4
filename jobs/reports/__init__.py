"""What a run came to: counted from its records alone."""

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, TypeAlias

from jobs.conversations import STUCK
from jobs.models import Record
from jobs.outlines import Outline
from jobs.stats import clustered_error
from jobs.usage import Usage
from jobs.verdicts import Verdict
from jobs.wire import Wire

from .conduct import Conduct, ConductBuilder
from .rates import (
    Enough,
    FirstAgainstLast,
    Percentiles,
    Rate,
    RepairRound,
    SampleRate,
    Tried,
    sample_rates,
)
from .rounds import RoundsBuilder

__all__ = ["OpenJob", "Rate", "Report", "ReportBuilder", "build_report", "natural_order"]

_Natural: TypeAlias = list[tuple[int, str]]
_Order: TypeAlias = tuple[_Natural, int, str]
Counted: TypeAlias = Record | Outline
"""What is counted: of a record, no more than its outline."""


class OpenJob(Wire):
    """A job that was not solved, and the first thing to know about it."""

    job_id: str
    task_id: str | None
    sample: int
    n_attempts: int
    verdict: Verdict
    explanation: str
    was_solved: bool
    """An earlier attempt was accepted, and a later one was not."""


class Excluded(Wire):
    """Jobs of rows that say nothing of a model, which are left out of every rate."""

    n_jobs: int
    reasons: dict[str, int]
    """How many for each reason."""
    solved_with_them: Rate
    """What the share of solved jobs would be if they counted."""


class Unfinished(Wire):
    """Jobs of the run that have no record."""

    n_open: int
    """Those that wait, or are worked on."""
    n_cancelled: int

    @property
    def in_words(self) -> str:
        """How many of each."""
        counts = ((self.n_open, "open"), (self.n_cancelled, "cancelled"))
        return ", ".join(f"{n:,} {word}" for n, word in counts if n)

    @property
    def n_jobs(self) -> int:
        """All of them."""
        return self.n_open + self.n_cancelled


class Report(Wire):
    """A run in numbers. Jobs that failed because of us are listed as `unscored` and count in no rate."""

    schema_version: Literal[1] = 1
    n_jobs: int
    """Those that have their record."""
    unfinished: Unfinished | None
    """The others, as the queue knows them; None where there are none, or nothing is known of them any more."""
    n_scored: int
    solved_within: tuple[Rate, ...]
    """Scored jobs that stand solved after 1, 2, … attempts at most: of each, the latest attempt was accepted. Later
    attempts see the error, so this is not pass@k."""
    solved_error: float | None
    """The standard error of the share of judged jobs that are solved, clustered by task or the cluster that it names;
    None for fewer than two."""
    n_tasks: int
    """Tasks of which a job was judged."""
    n_clusters: int
    """What is taken for independent: tasks, those that name one cluster together as one."""
    samples: tuple[SampleRate, ...]
    """pass@k over independent samples; empty where no task has two."""
    rounds: tuple[RepairRound, ...]
    """What each round of attempts gained and lost."""
    enough: Enough | None
    """After which attempt the others came to nothing more; None of runs without repairs."""
    first_against_last: FirstAgainstLast
    verdicts: dict[Verdict, int]
    """Final verdicts of all jobs, the unscored included."""
    model_seconds: Percentiles | None
    """How long live replies took: no recordings, none out of the cache, none that came with a batch."""
    wall_seconds: Percentiles | None
    """How long programs ran."""
    cpu_seconds: Percentiles | None
    imported_from: tuple[str, ...]
    """The formats of results that were judged elsewhere."""
    not_solved: tuple[OpenJob, ...]
    """Those of which the last attempt was not accepted, whatever became of earlier ones."""
    unscored: tuple[OpenJob, ...]
    excluded: Excluded | None
    """The jobs of rows that are left out of every rate here; None where there are none."""
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
    conduct: Conduct
    requested_models: tuple[str, ...]
    served_models: tuple[str, ...]
    isolation_profiles: tuple[str, ...]
    isolation_layers: tuple[str, ...]
    """What was in force in every run of a program."""

    @property
    def solved(self) -> Rate:
        """Scored jobs whose last attempt was accepted."""
        return self.solved_within[-1] if self.solved_within else Rate.of(0, self.n_scored)


class ReportBuilder:
    """Counts records as they come, in any order, and keeps none of them."""

    def __init__(self) -> None:
        self._verdicts: Counter[Verdict] = Counter()
        self._most_attempts = 0
        # Of each task, how many samples were solved, and how many were not.
        self._tasks: dict[str, Counter[bool]] = {}
        # Those samples of each that are no samples of their own.
        self._copies: dict[str, Counter[bool]] = {}
        self._clusters: dict[str, str] = {}
        self._excluded: Counter[str] = Counter()
        self._excluded_tasks: list[Tried] = []
        self._rounds = RoundsBuilder()
        self._model_seconds = array("d")
        self._wall_seconds = array("d")
        self._cpu_seconds = array("d")
        self._imported: set[str] = set()
        self._open: list[OpenJob] = []
        self._tokens: Counter[str] = Counter()
        self._cost_usd = 0.0
        self._n_unpriced = 0
        self._simulated = False
        self._n_cached = self._n_stopped_early = self._n_run_by_gemini = 0
        self._conduct = ConductBuilder()
        self._requested: set[str] = set()
        self._served: set[str] = set()
        self._profiles: set[str] = set()
        self._layers: set[str] | None = None

    def add(self, record: Counted) -> None:
        """Count a record."""
        solved_at = record.solved_at
        is_copy = any(attempt.reply.stands_in for attempt in record.attempts)
        self._verdicts[record.verdict] += 1
        if record.job.excluded is not None:
            self._exclude(record, record.job.excluded, solved_at)
        else:
            self._score(record, solved_at, is_copy=is_copy)
        self._measure(record)
        self._pay(record)
        self._simulated |= record.simulated
        self._n_run_by_gemini += record.job.code_execution
        self._conduct.add(record, is_copy=is_copy)
        self._requested.add(record.requested_model)
        if record.served_model:
            self._served.add(record.served_model)
        if record.imported_from is not None:
            self._imported.add(record.imported_from)
        if record.isolation is None:
            return
        self._profiles.add(record.isolation.profile)
        layers = set(record.isolation.layers)
        self._layers = layers if self._layers is None else self._layers & layers

    def report(self, unfinished: Unfinished | None = None) -> Report:
        """What they came to, and what is missing of the run."""
        n_scored = sum(ends.total() for ends in self._tasks.values())
        open_jobs = sorted(self._open, key=_in_reading_order)
        tasks = self._tried()
        counts = _by_cluster(tasks)
        rounds = self._rounds.rounds()
        return Report(
            n_jobs=self._verdicts.total(),
            unfinished=unfinished,
            n_scored=n_scored,
            solved_within=_for_each_attempt(rounds, self._most_attempts),
            solved_error=clustered_error(map(_outcomes, counts)),
            n_tasks=len(self._tasks),
            n_clusters=len(counts),
            samples=sample_rates(self._tried(without=self._copies)),
            rounds=rounds,
            enough=Enough.of(rounds),
            first_against_last=self._rounds.first_against_last(),
            verdicts=dict(self._verdicts),
            model_seconds=Percentiles.of(self._model_seconds),
            wall_seconds=Percentiles.of(self._wall_seconds),
            cpu_seconds=Percentiles.of(self._cpu_seconds),
            imported_from=tuple(sorted(self._imported)),
            not_solved=tuple(job for job in open_jobs if job.verdict.is_scored),
            unscored=tuple(job for job in open_jobs if not job.verdict.is_scored),
            excluded=self._left_out(tasks),
            usage=Usage.model_validate(self._tokens),
            cost_usd=self._cost_usd,
            n_unpriced=self._n_unpriced,
            simulated=self._simulated,
            n_cached=self._n_cached,
            n_stopped_early=self._n_stopped_early,
            n_run_by_gemini=self._n_run_by_gemini,
            conduct=self._conduct.conduct(),
            requested_models=tuple(sorted(self._requested)),
            served_models=tuple(sorted(self._served)),
            isolation_profiles=tuple(sorted(self._profiles)),
            isolation_layers=tuple(sorted(self._layers or ())),
        )

    def _score(self, record: Counted, solved_at: int | None, *, is_copy: bool) -> None:
        if solved_at is None:
            self._open.append(_open(record))
        if not record.verdict.is_scored:
            return
        # As recorded, there may be as many as a job may have, and are as many as there were.
        may_be = len(record.attempts) if record.job.as_recorded else record.job.max_attempts
        self._most_attempts = max(self._most_attempts, may_be)
        task = record.job.task_id or record.job_id
        self._rounds.add(record.attempts, record.job.cluster or task)
        is_solved = solved_at is not None
        if (ends := self._tasks.get(task)) is None:
            ends = self._tasks[task] = Counter()
        ends[is_solved] += 1
        if is_copy:
            self._copies.setdefault(task, Counter())[is_solved] += 1
        if record.job.cluster is not None:
            self._clusters[task] = record.job.cluster

    def _exclude(self, record: Counted, reason: str, solved_at: int | None) -> None:
        self._excluded[reason] += 1
        if record.verdict.is_scored:
            cluster = record.job.cluster or record.job.task_id or record.job_id
            self._excluded_tasks.append(Tried(cluster, 1, int(solved_at is not None)))

    def _left_out(self, tasks: list[Tried]) -> Excluded | None:
        if not self._excluded:
            return None
        return Excluded(
            n_jobs=self._excluded.total(),
            reasons=dict(sorted(self._excluded.items())),
            solved_with_them=Rate.over(_by_cluster([*tasks, *self._excluded_tasks])),
        )

    def _measure(self, record: Counted) -> None:
        for attempt in record.attempts:
            is_live = not (attempt.reply.simulated or attempt.reply.cached or attempt.reply.batch)
            if is_live and record.imported_from is None:
                self._model_seconds.append(attempt.reply.latency_seconds)
            if attempt.execution is not None:
                self._wall_seconds.append(attempt.execution.wall_seconds)
                self._cpu_seconds.append(attempt.execution.cpu_seconds)
            self._n_cached += attempt.reply.cached
        self._n_stopped_early += any(attempt.end in STUCK for attempt in record.attempts)

    def _pay(self, record: Counted) -> None:
        for name, n in vars(record.usage).items():
            if n is not None:
                self._tokens[name] += n
        self._cost_usd += record.cost_usd or 0.0
        self._n_unpriced += record.cost_usd is None

    def _tried(self, without: Mapping[str, Counter[bool]] = MappingProxyType({})) -> list[Tried]:
        """For each task, how many samples were judged, and how many of them solved."""
        none = Counter[bool]()
        found = []
        for task, ends in self._tasks.items():
            left = ends - without.get(task, none)
            found.append(Tried(self._clusters.get(task, task), left.total(), left[True]))
        return found


def build_report(records: Iterable[Counted]) -> Report:
    """Count a run's records; their order does not matter."""
    builder = ReportBuilder()
    for record in records:
        builder.add(record)
    return builder.report()


def _by_cluster(tasks: Iterable[Tried]) -> list[tuple[int, int]]:
    """For each cluster, how many samples were judged, and how many of them solved."""
    clusters: dict[str, tuple[int, int]] = {}
    for each in tasks:
        n, n_solved = clusters.get(each.cluster, (0, 0))
        clusters[each.cluster] = (n + each.n, n_solved + each.n_solved)
    return list(clusters.values())


def _for_each_attempt(rounds: Sequence[RepairRound], most: int) -> tuple[Rate, ...]:
    """How the judged jobs stand after each attempt that one of them may have, which need not have come to it."""
    rates = [each.rate for each in rounds]
    return (*rates, *rates[-1:] * (most - len(rates)))


def _outcomes(counts: tuple[int, int]) -> list[float]:
    n, n_solved = counts
    return [1.0] * n_solved + [0.0] * (n - n_solved)


def clusters_in_words(report: Report) -> str:
    """What standard errors and intervals take for independent."""
    if report.n_clusters == report.n_tasks:
        return f"{report.n_tasks} tasks"
    return f"{report.n_clusters} clusters of {report.n_tasks} tasks"


def unfinished_in_words(n_recorded: int, unfinished: Unfinished) -> str:
    """That a run is not whole, and what is missing."""
    n_jobs = n_recorded + unfinished.n_jobs
    return (
        f"NOT FINISHED: {n_recorded:,} of {n_jobs:,} jobs have their record; {unfinished.in_words}"
    )


def excluded_in_words(excluded: Excluded) -> str:
    """How many rows are left out, and why."""
    reasons = ", ".join(f"{n} {reason}" for reason, n in excluded.reasons.items())
    return f"{excluded.n_jobs} {'job' if excluded.n_jobs == 1 else 'jobs'} of rows left out ({reasons})"


def natural_order(name: str) -> _Natural:
    """A key that sorts names so that 2 comes before 10."""
    return [
        (int(piece), "") if piece.isdecimal() and piece.isascii() else (-1, piece)
        for piece in re.split(r"(\d+)", name)
    ]


def _in_reading_order(job: OpenJob) -> _Order:
    """By task, then by sample."""
    return natural_order(job.task_id or ""), job.sample, job.job_id


def _open(record: Counted) -> OpenJob:
    return OpenJob(
        job_id=record.job_id,
        task_id=record.job.task_id,
        sample=record.job.sample,
        n_attempts=len(record.attempts),
        verdict=record.verdict,
        explanation=record.explanation,
        was_solved=any(attempt.verdict is Verdict.ACCEPTED for attempt in record.attempts),
    )
