"""What is missing of a run: its jobs that have no record."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jobs.errors import PromptmillError

from .output import talk

if TYPE_CHECKING:
    from config.settings import Settings
    from jobs.reports import Unfinished
    from jobs.runs import Run


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


async def _run_of(settings: Settings, run_id: str) -> Run | None:
    from jobs.connection import EMBEDDED_SCHEME
    from jobs.runs import find_run

    from .opening import open_queue

    url = settings.redis_url
    is_embedded = url.startswith(EMBEDDED_SCHEME)
    # Whoever reads records that came from elsewhere has no server, and needs none.
    if is_embedded and not (Path(url.removeprefix(EMBEDDED_SCHEME)) / "server").is_dir():
        return None
    try:
        async with open_queue(settings) as queue:
            return await find_run(queue, run_id)
    except PromptmillError as error:
        talk(f"note     nobody can say whether jobs of the run are open: {error}")
        return None
