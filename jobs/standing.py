"""How far a run is, seen from anywhere: asked of Redis and of the records again and again, without a hand on it."""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from .clock import monotonic, utcnow
from .queue import JobQueue
from .reports.rates import Rate
from .runs import HandingOver, Run, RunState, find_run, unknown_run_in
from .summaries import Summary
from .verdicts import Verdict
from .wire import Wire

_WINDOW_SECONDS = 120.0
_FEWEST_SECONDS = 2.0


class Standing(Wire):
    """A run at one moment."""

    run: Run
    """Its counters; made from its records where Redis has forgotten it."""
    ended: int
    """Jobs that have their record."""
    jobs: int
    """Those that were queued so far, or wait for workers to queue them."""
    solved: Rate
    """Of the judged ones whose rows are not left out of the score, with the interval that they allow."""
    excluded: int
    """Jobs that have their record, of rows that are left out of the score."""
    unscored: int
    """Others that failed because of us, and are in no rate either."""
    seconds_left: float | None
    """If it goes on like this; None where nobody can say, as where nobody works."""
    workers: int
    """Those that live, whatever they take."""
    is_over: bool
    """Whether nothing more will happen unless jobs are queued."""


@dataclass
class _Recorded:
    """What the records of a run come to so far."""

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    judged: Counter[str] = field(default_factory=Counter)
    """By task, as is what was solved."""
    solved: Counter[str] = field(default_factory=Counter)
    n_excluded: int = 0
    n_unscored: int = 0

    def add(self, summary: Summary) -> None:
        """Count one more."""
        self.verdicts[summary.verdict] += 1
        if summary.excluded:
            self.n_excluded += 1
        elif summary.verdict.is_scored:
            task = summary.task_id or summary.job_id
            self.judged[task] += 1
            self.solved[task] += summary.verdict is Verdict.ACCEPTED
        else:
            self.n_unscored += 1


class Watch:
    """Looks at a run from time to time."""

    def __init__(self, queue: JobQueue, run_id: str) -> None:
        self._queue = queue
        self._run_id = run_id
        self._ended: deque[tuple[float, int]] = deque()
        self._was_quiet = False

    async def look(self) -> Standing:
        """How it stands now. It is over when two looks find nothing to be done: a producer may be about to go on.

        Raises:
            RunNotFoundError: there is none.
            RedisUnreachableError: Redis did not answer.
            StoreError: the records cannot be read.
        """
        run = await find_run(self._queue, self._run_id)
        recorded = await self._recorded()
        verdicts = recorded.verdicts
        is_forgotten = run is None
        if run is None:
            if not verdicts:
                raise await unknown_run_in(self._queue, self._run_id)
            run = Run(run_id=self._run_id, verdicts=dict(verdicts))
        ended = max(run.ended, verdicts.total())
        # One that was cancelled before workers had queued any of it has no job to count.
        is_begun = ended + run.cancelled > 0 or run.state is RunState.CANCELLED
        has_come = run.handing_over is not HandingOver.UNDER_WAY
        is_quiet = run.open == 0 and is_begun and has_come
        is_over = is_quiet and (self._was_quiet or is_forgotten)
        self._was_quiet = is_quiet
        n_workers = len(await self._queue.live_workers())
        left = self._seconds_left(run, ended)
        return Standing(
            run=run,
            ended=ended,
            jobs=ended + run.cancelled + run.open,
            solved=Rate.over([(n, recorded.solved[task]) for task, n in recorded.judged.items()]),
            excluded=recorded.n_excluded,
            unscored=recorded.n_unscored,
            seconds_left=left if n_workers or not run.open else None,
            workers=n_workers,
            is_over=is_over,
        )

    async def _recorded(self) -> "_Recorded":
        recorded = _Recorded()
        async for summary in self._queue.records.summaries(run_id=self._run_id):
            recorded.add(summary)
        return recorded

    def _seconds_left(self, run: Run, ended: int) -> float | None:
        now = monotonic()
        self._ended.append((now, ended))
        while self._ended[0][0] < now - _WINDOW_SECONDS:
            self._ended.popleft()
        if run.state is not RunState.ACTIVE:
            return None
        age = None if run.created_at is None else (utcnow() - run.created_at).total_seconds()
        return seconds_left(run.open, self._ended, ended, age)


def seconds_left(
    n_open: int, looks: Sequence[tuple[float, int]], n_ended: int, age_seconds: float | None
) -> float | None:
    """How long so many jobs will take: by how many ended between the looks (when, and how many by then), else by age.

    None where none has ended yet.
    """
    if n_open == 0:
        return 0.0
    (begin, before), (end, after) = looks[0], looks[-1]
    if after > before and end - begin >= _FEWEST_SECONDS:
        return n_open * (end - begin) / (after - before)
    if n_ended and age_seconds and age_seconds > 0:
        return n_open * age_seconds / n_ended
    return None
