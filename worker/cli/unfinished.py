"""Where a job is that has no record yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.errors import PromptmillError, RecordNotFoundError
from jobs.identifiers import is_identifier
from jobs.queue import JobStatus

from .opening import open_queue

if TYPE_CHECKING:
    from config.settings import Settings

_WORDS = {
    JobStatus.DEFERRED: "it is queued for later",
    JobStatus.QUEUED: "it waits for a worker",
    JobStatus.PAUSED: "it is set aside, since its run is paused",
    JobStatus.IN_PROGRESS: "a worker is at it",
}


async def explained(
    settings: Settings, job_id: str, error: RecordNotFoundError
) -> RecordNotFoundError:
    """The error, with where the job is if it is anywhere; unchanged where that cannot be told."""
    if not is_identifier(job_id):
        return error
    try:
        async with open_queue(settings) as queue:
            words = _WORDS.get(await queue.handle(job_id).status())
    except PromptmillError:
        return error
    if words is None:
        return error
    return RecordNotFoundError(
        f"there is no record of job {job_id!r} yet: {words}",
        fixes=["see what waits, and who works: promptmill queue status"],
    )
