"""How far a run is: one line redrawn on a terminal, a plain line now and then elsewhere."""

import sys
from collections import Counter
from types import TracebackType
from typing import Self

from config.escaping import escaped_block
from jobs.clock import monotonic
from jobs.events import AttemptFinished, JobCancelled, JobDelayed, JobEvent, JobFinished
from jobs.reports.text import SIMULATED_NOTE
from jobs.verdicts import Verdict

from .output import is_terminal, talk

_PLAIN_SECONDS = 10.0
_PLAIN_SHARE = 0.05
_REDRAW_SECONDS = 0.25
_BAR_CELLS = 30


class RunProgress:
    """Counts a run's events and shows them on standard error; a context manager, so that the line is finished."""

    def __init__(self, name: str, n_jobs: int, *, details: bool = False) -> None:
        """Show the progress of `n_jobs` jobs; with `details`, every attempt gets a line of its own."""
        self._name = name
        self._n_jobs = n_jobs
        self._details = details
        self._began = monotonic()
        self._shown_at = self._began
        self._shown_done = 0
        self._results: Counter[str] = Counter()
        self._redraws = is_terminal()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._redraws and self._done:
            talk()

    @property
    def _done(self) -> int:
        return self._results.total()

    def start(self, model: str, *, simulated: bool) -> None:
        """Say who answers, loudly if nobody does."""
        talk(f"run      {self._name}   {self._n_jobs} jobs   model {model}")
        if simulated:
            talk(f"         {SIMULATED_NOTE}")

    def show(self, event: JobEvent) -> None:
        """Count an event, and show it if it is time to."""
        match event:
            case JobFinished():
                self._results[_result_of(event.verdict)] += 1
                self._show_counts()
            case JobCancelled():
                self._results["cancelled"] += 1
                self._show_counts()
            case JobDelayed():
                self._line(f"{event.job_id} delayed {event.seconds:.0f} s: {event.reason}")
            case AttemptFinished() if self._details:
                self._line(
                    f"{event.job_id}  attempt {event.number}  {event.verdict}  {event.explanation}"
                )
            case _:
                pass

    def _show_counts(self) -> None:
        now = monotonic()
        is_last = self._done == self._n_jobs
        if self._redraws:
            if is_last or now - self._shown_at >= _REDRAW_SECONDS:
                self._shown_at = now
                sys.stderr.write(f"\r\x1b[2K{self._bar()}  {self._counts(now)}")
                sys.stderr.flush()
        elif (
            is_last
            or now - self._shown_at >= _PLAIN_SECONDS
            or self._done - self._shown_done >= max(1, _PLAIN_SHARE * self._n_jobs)
        ):
            self._shown_at, self._shown_done = now, self._done
            talk(f"{self._name} {self._counts(now)}")

    def _bar(self) -> str:
        full = _BAR_CELLS * self._done // max(1, self._n_jobs)
        return "█" * full + "░" * (_BAR_CELLS - full)

    def _counts(self, now: float) -> str:
        results = "  ".join(f"{name}={count}" for name, count in sorted(self._results.items()))
        return f"{self._done}/{self._n_jobs}  {results}  {now - self._began:.1f} s"

    def _line(self, text: str) -> None:
        if self._redraws:
            sys.stderr.write("\r\x1b[2K")
        talk(escaped_block(text))


def _result_of(verdict: Verdict) -> str:
    if verdict is Verdict.ACCEPTED:
        return "solved"
    return "unsolved" if verdict.is_scored else "errored"
