"""How far a run is: a bar redrawn on a terminal, a plain line now and then elsewhere."""

from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

from config.escaping import escaped
from jobs.clock import monotonic
from jobs.events import AttemptFinished, JobDelayed, JobEvent
from jobs.reports.text import SIMULATED_NOTE
from jobs.verdicts import Verdict

from .output import counted, is_terminal, talk

if TYPE_CHECKING:
    from rich.progress import Progress

_PLAIN_SECONDS = 10.0
_PLAIN_SHARE = 0.05


class RunProgress:
    """Shows on standard error how far a run is; as a context manager it ends its bar."""

    def __init__(self, name: str, n_jobs: int, *, details: bool = False) -> None:
        """Show the progress of `n_jobs` jobs; with `details`, every attempt gets a line of its own."""
        self._name = name
        self._n_jobs = n_jobs
        self._details = details
        self._began = self._shown_at = monotonic()
        self._shown_done = 0
        self._counted: tuple[int, dict[str, int]] = (0, {})
        self._stack = ExitStack()
        self._bar: Progress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def start(self, model: str, *, simulated: bool) -> None:
        """Say who answers, loudly if nobody does, and begin to show progress."""
        talk(f"run      {self._name}   {counted(self._n_jobs, 'job')}   model {model}")
        if simulated:
            talk(f"         {SIMULATED_NOTE}")
        if is_terminal() and self._n_jobs > 1:
            self._bar = self._stack.enter_context(new_bar())
            self._bar.add_task("", total=self._n_jobs, results="")

    def tell(self, event: JobEvent) -> None:
        """Say what a person wants to know of at once."""
        match event:
            case JobDelayed():
                self.say(f"{event.job_id}  delayed {event.seconds:.0f} s: {event.reason}")
            case AttemptFinished() if self._details:
                self.say(
                    f"{event.job_id}  attempt {event.number}  {event.verdict}  {event.explanation}"
                )
            case _:
                pass

    def say(self, text: str) -> None:
        """Say something else of the run, without spoiling the bar."""
        if self._bar is None:
            talk(escaped(text))
        else:
            self._bar.console.print(escaped(text), markup=False, highlight=False, soft_wrap=True)

    def count(self, verdicts: Mapping[Verdict, int], n_cancelled: int, n_done: int) -> None:
        """Show that so many jobs have ended, and how, if it is time to."""
        counts = Counter({"cancelled": n_cancelled})
        for verdict, n in verdicts.items():
            counts[_result_of(verdict)] += n
        shown = {name: n for name, n in sorted(counts.items()) if n}
        if self._counted == (n_done, shown) or (self._n_jobs == 1 and self._details):
            # Of one job, its attempts have been shown one after the other.
            return
        self._counted = n_done, shown
        results = "  ".join(f"{name}={n}" for name, n in shown.items())
        now = monotonic()
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=n_done, results=results)
        elif self._is_time(n_done, now):
            self._shown_at, self._shown_done = now, n_done
            talk(f"{self._name}  {n_done}/{self._n_jobs}  {results}  {now - self._began:.1f} s")

    def _is_time(self, done: int, now: float) -> bool:
        return (
            done == self._n_jobs
            or now - self._shown_at >= _PLAIN_SECONDS
            or done - self._shown_done >= max(1, _PLAIN_SHARE * self._n_jobs)
        )


def new_bar() -> "Progress":
    """A bar on standard error, of tasks that say in `results` how they do."""
    # A tenth of a second to import, and only a terminal has a use for it.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        MofNCompleteColumn(),
        BarColumn(bar_width=32),
        TextColumn("{task.fields[results]}", markup=False),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        refresh_per_second=4,
    )


def _result_of(verdict: Verdict) -> str:
    if verdict is Verdict.ACCEPTED:
        return "solved"
    return "unsolved" if verdict.is_scored else "errored"
