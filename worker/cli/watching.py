"""`promptmill run watch`: how far a run is, from anywhere, until it is over."""

from __future__ import annotations

from contextlib import ExitStack, aclosing
from typing import TYPE_CHECKING, Self

from config.escaping import escaped
from jobs.clock import monotonic
from jobs.errors import ExitCode

from .budget_flags import used_of
from .errors import StoppedError
from .flags import NO_FLAGS, AsJson, SettingFlags, read_settings
from .output import emit, emit_json_line, is_piped, is_terminal, talk

if TYPE_CHECKING:
    from rich.progress import Progress

    from config.settings import Settings
    from jobs.runs import Run
    from jobs.standing import Standing, Watch

NOBODY = "no worker is running; start one:  promptmill worker"
_PLAIN_SECONDS = 10.0
_PLAIN_SHARE = 0.05
# A look reads what is known of each of its jobs: of a large run that must not be all that the machine does.
_SHORTEST_PAUSE_SECONDS = 0.5
_PAUSE_PER_LOOK = 20


def watch_run(run_id: str, /, *, json: AsJson = False, flags: SettingFlags = NO_FLAGS) -> int:
    """Show how far a run is until it is over: the share solved with its interval, the time left, what it has used.

    Whoever watches changes nothing, and may stop at any time. Exit code 5 if some jobs failed because of us or were
    cancelled, or the run was.

    Args:
        run_id: its name.
        json: a JSON object a line, whenever something has changed.
    """
    from jobs.runs import RunState

    from .looping import run_until_stopped

    settings = read_settings(flags, quiet=True)
    try:
        last = run_until_stopped(_watch(settings, run_id, as_json=json))
    except KeyboardInterrupt:
        raise StoppedError(
            "stopped watching",
            fixes=[f"watch it again:  promptmill run watch {run_id}"],
            note="the run goes on",
        ) from None
    if not json:
        talk(escaped(f"it is over; what it came to:  promptmill report {run_id}"))
    is_whole = not (last.unscored or last.run.cancelled or last.run.state is RunState.CANCELLED)
    return ExitCode.OK if is_whole else ExitCode.INCOMPLETE


async def _watch(settings: Settings, run_id: str, *, as_json: bool) -> Standing:
    from jobs.events import follow, last_of
    from jobs.standing import Watch

    from .opening import open_queue

    async with open_queue(settings) as queue:
        begin = await last_of(queue.redis, queue.keys, run_id)
        watch = Watch(queue, run_id)
        with _Screen(as_json=as_json) as screen:
            pause = await _show(watch, screen)
            looked_at = monotonic()
            async with aclosing(follow(queue.redis, queue.keys, run_id, after=begin)) as events:
                # One comes each second, if only to say that there was none.
                async for _ in events:
                    if screen.last.is_over:
                        break
                    if monotonic() - looked_at >= pause:
                        pause = await _show(watch, screen)
                        looked_at = monotonic()
        return screen.last


async def _show(watch: Watch, screen: _Screen) -> float:
    """Look once; gives the seconds to leave until the next time."""
    began = monotonic()
    screen.show(await watch.look())
    return max(_SHORTEST_PAUSE_SECONDS, _PAUSE_PER_LOOK * (monotonic() - began))


class _Screen:
    """A bar on a terminal, a line now and then elsewhere, and for programs an object whenever something has changed."""

    last: Standing

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._stack = ExitStack()
        self._bar: Progress | None = None
        self._shown: Standing | None = None
        self._shown_at = 0.0

    def __enter__(self) -> Self:
        from .progress import new_bar

        if is_terminal() and not self._as_json and not is_piped():
            self._bar = self._stack.enter_context(new_bar())
            self._bar.add_task("", total=None, results="")
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def show(self, standing: Standing) -> None:
        """Show how it stands now, if that is worth it."""
        self.last = standing
        if self._as_json:
            if self._shown != standing:
                emit_json_line(standing.model_dump(mode="json", by_alias=True))
                self._shown = standing
        elif self._bar is not None:
            done = standing.ended + standing.run.cancelled
            bar = self._bar.task_ids[0]
            # Below each other: beside a bar there is room for little.
            words = "\n".join(escaped(words) for words in words_of(standing) if words)
            self._bar.update(bar, total=standing.jobs, completed=done, results=words)
            if standing.is_over:
                self._stack.close()
                emit(escaped(_line(standing)))
        elif self._is_time(standing):
            self._shown, self._shown_at = standing, monotonic()
            emit(escaped(_line(standing)))

    def _is_time(self, standing: Standing) -> bool:
        if self._shown is None:
            return True
        if standing.is_over:
            return _line(standing) != _line(self._shown)
        if standing.run.state is not self._shown.run.state:
            return True
        if bool(standing.workers) is not bool(self._shown.workers):
            return True
        n_more = standing.ended - self._shown.ended
        is_late = monotonic() - self._shown_at >= _PLAIN_SECONDS
        return n_more >= max(1, _PLAIN_SHARE * standing.jobs) or (is_late and n_more > 0)


def _line(standing: Standing) -> str:
    run = standing.run
    counts = f"{standing.ended} of {standing.jobs} ended"
    return "  ".join((run.run_id, counts, *filter(None, words_of(standing))))


def words_of(standing: Standing) -> tuple[str, str, str]:
    """How it does, how it goes on, and what it has used."""
    run, solved = standing.run, standing.solved
    does = f"solved {solved.successes} of {solved.n}"
    if solved.value is not None:
        interval = f"{100 * solved.low:.1f} - {100 * solved.high:.1f}"
        does += f": {100 * solved.value:.1f} % ({interval})"
    goes = [
        f"{run.state_in_words}: {run.reason}" if run.reason else str(run.state_in_words),
        *([NOBODY] if is_left_alone(run, standing.workers) else []),
        *([f"{_span(standing.seconds_left)} left"] if standing.seconds_left else []),
        *([f"{standing.excluded} of rows left out"] if standing.excluded else []),
        *([f"{standing.unscored} failed because of us"] if standing.unscored else []),
        *([f"{run.cancelled} cancelled"] if run.cancelled else []),
    ]
    return does, ", ".join(goes), ", ".join(used_of(run)) if run.spent.requests else ""


def is_left_alone(run: Run, n_workers: int) -> bool:
    """Whether there is something to be done for a run and nobody who does it."""
    return not n_workers and run.open > 0 and run.state_in_words == "active"


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    return f"about {round(seconds / 60)} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"
