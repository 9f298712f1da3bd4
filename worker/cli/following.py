"""Follows jobs to their end, and says so where nobody works on them."""

from collections.abc import Sequence
from contextlib import aclosing

from jobs.events import JobCancelled, JobEvent, JobFinished, follow, stream_of
from jobs.models import PromptJob
from jobs.queue import JobQueue

from .output import talk
from .progress import RunProgress

_SILENT_SECONDS = 15


async def follow_to_the_end(
    queue: JobQueue, jobs: Sequence[PromptJob], progress: RunProgress
) -> None:
    """Show what happens to submitted jobs until each has its record or was cancelled. They are of one run, or one job.

    Raises:
        RedisUnreachableError: Redis stopped answering; the jobs go on.
    """
    pending = {job.job_id for job in jobs}
    await _drop_what_is_over(queue, pending, progress)
    silent_seconds = 0
    async with aclosing(follow(queue.redis, queue.keys, stream_of(jobs[0]))) as events:
        while pending:
            event = await anext(events)
            if event is None:
                await _drop_what_is_over(queue, pending, progress)
                silent_seconds = 0 if await queue.live_workers() else silent_seconds + 1
                if silent_seconds == _SILENT_SECONDS:
                    talk(
                        "no worker is running any more; start one in another terminal:  promptmill worker"
                    )
            elif event.job_id in pending and await _is_of_now(queue, event):
                progress.show(event)
                if _is_last(event):
                    pending.discard(event.job_id)


async def _drop_what_is_over(queue: JobQueue, pending: set[str], progress: RunProgress) -> None:
    """Count the jobs whose last event was missed: told before we listened, or trimmed, or never told."""
    for job_id in sorted(pending):
        if not await _is_over(queue, job_id):
            continue
        pending.discard(job_id)
        if await queue.records.has(job_id):
            record = await queue.records.get(job_id)
            progress.show(
                JobFinished(job_id=job_id, verdict=record.verdict, solved_at=record.solved_at)
            )
        else:
            progress.show(JobCancelled(job_id=job_id))


def _is_last(event: JobEvent) -> bool:
    return isinstance(event, JobFinished | JobCancelled)


async def _is_of_now(queue: JobQueue, event: JobEvent) -> bool:
    # A run goes on under its name, and its stream still tells of the end that a job came to before.
    return not _is_last(event) or await _is_over(queue, event.job_id)


async def _is_over(queue: JobQueue, job_id: str) -> bool:
    return (await queue.handle(job_id).status()).is_over
