"""Follows jobs to their end, unless nobody works on them any more."""

from collections.abc import Sequence
from contextlib import aclosing

from jobs.events import JobCancelled, JobEvent, JobFinished, follow, stream_of
from jobs.models import PromptJob, Record
from jobs.queue import JobQueue

from .errors import NobodyWorksError
from .progress import RunProgress
from .resuming import worker_command

_SILENT_SECONDS = 3


async def follow_to_the_end(
    queue: JobQueue, jobs: Sequence[PromptJob], progress: RunProgress
) -> None:
    """Show what happens to submitted jobs until each has its record or was cancelled.

    They are of one run, or one job, and name one model.

    Raises:
        RedisUnreachableError: Redis stopped answering; the jobs go on.
        NobodyWorksError: there were workers for them, and none has been heard of for a while; the jobs stay queued.
    """
    pending = {job.job_id for job in jobs}
    await _drop_what_is_over(queue, pending, progress)
    # Nobody has worked yet where somebody waits for a worker that is still to be started.
    model = jobs[0].model
    silent_seconds = 0 if await _are_heard_of(queue, model) else None
    async with aclosing(follow(queue.redis, queue.keys, stream_of(jobs[0]))) as events:
        while pending:
            event = await anext(events)
            if event is None:
                await _drop_what_is_over(queue, pending, progress)
                silent_seconds = await _silence(queue, model, silent_seconds)
            elif event.job_id in pending and await _is_of_now(queue, event):
                progress.show(event)
                if _is_last(event):
                    pending.discard(event.job_id)


async def records_of(queue: JobQueue, jobs: Sequence[PromptJob]) -> list[Record]:
    """The records of jobs that were followed to their end, in the order of the jobs; a cancelled job has none."""
    return [
        await queue.records.get(job.job_id) for job in jobs if await queue.records.has(job.job_id)
    ]


async def _are_heard_of(queue: JobQueue, model: str | None) -> bool:
    return any(worker.answers(model) for worker in await queue.live_workers())


async def _silence(queue: JobQueue, model: str | None, silent_seconds: int | None) -> int | None:
    if await _are_heard_of(queue, model):
        return 0
    if silent_seconds == _SILENT_SECONDS:
        raise NobodyWorksError(
            f"no worker that answers with {model} has been heard of for a while",
            fixes=[f"start one:  {worker_command(model)}"],
            note="what is not recorded stays queued",
        )
    return None if silent_seconds is None else silent_seconds + 1


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
