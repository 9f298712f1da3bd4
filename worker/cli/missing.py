"""What is missing of a run: its jobs that have no record."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from jobs.errors import PromptmillError, RunNotFoundError

from .output import talk

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from config.settings import Settings
    from jobs.queue import JobQueue
    from jobs.reports import Unfinished
    from jobs.runs import Run

_Answer = TypeVar("_Answer")


async def missing_of(settings: Settings, run_id: str, n_recorded: int) -> Unfinished | None:
    """What the queue knows of the other jobs of a run of which so many have their record; None where there are none.

    Records outlive the queue: where it does not answer, or has forgotten the run, nothing is missing that anybody could
    name.
    """
    run = await _run_of(settings, run_id)
    if run is None:
        return None
    from jobs.reports import Unfinished

    # A job has its record a moment before it is counted.
    n_open = min(run.open, max(0, run.ended + run.open - n_recorded))
    found = Unfinished(n_open=n_open, n_cancelled=run.cancelled)
    return found if found.n_jobs else None


async def without_records(settings: Settings, run_id: str) -> RunNotFoundError:
    """The error that says that a run has no records: none yet, where the queue knows it, else which may be meant."""
    from jobs.runs import find_run, unknown_run, unknown_run_in

    async def ask(queue: JobQueue) -> RunNotFoundError:
        if await find_run(queue, run_id) is None:
            return await unknown_run_in(queue, run_id)
        return RunNotFoundError(
            f"run {run_id!r} has no records yet",
            fixes=[f"see how far it is: promptmill run show {run_id}"],
        )

    try:
        return await _answer_to(settings, ask) or unknown_run(run_id)
    except PromptmillError:
        return unknown_run(run_id)


async def _run_of(settings: Settings, run_id: str) -> Run | None:
    from jobs.runs import find_run

    try:
        return await _answer_to(settings, lambda queue: find_run(queue, run_id))
    except PromptmillError as error:
        talk(f"note     nobody can say whether jobs of the run are open: {error}")
        return None


async def _answer_to(
    settings: Settings, ask: Callable[[JobQueue], Awaitable[_Answer]]
) -> _Answer | None:
    """What the queue answers; None where there is none to ask.

    Raises:
        PromptmillError: it did not answer.
    """
    from jobs.connection import EMBEDDED_SCHEME

    from .opening import open_queue

    url = settings.redis_url
    is_embedded = url.startswith(EMBEDDED_SCHEME)
    # Whoever reads records that came from elsewhere has no server, and needs none.
    if is_embedded and not (Path(url.removeprefix(EMBEDDED_SCHEME)) / "server").is_dir():
        return None
    async with open_queue(settings) as queue:
        return await ask(queue)
