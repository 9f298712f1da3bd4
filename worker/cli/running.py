"""Runs a set of jobs to their records: on the workers that live, or on one of our own for as long as it takes."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

from config.settings import Settings
from jobs.events import JobCancelled, JobFinished
from jobs.languages import Language
from jobs.models import PromptJob, Record
from jobs.presence import WorkerPresence
from jobs.queue import JobQueue, JobStatus
from worker.main import open_engine, records_directory, redis_url, serve
from worker.sandbox.errors import InterpreterMissingError
from worker.sandbox.interpreters import find_interpreter

from .output import talk
from .progress import RunProgress

_SILENT_SECONDS = 15


def open_queue(settings: Settings) -> JobQueue:
    """The queue that these settings mean."""
    return JobQueue(
        redis_url(settings), records=records_directory(settings), prefix=settings.redis.prefix
    )


async def run_jobs(
    settings: Settings, run_id: str, jobs: Sequence[PromptJob], progress: RunProgress
) -> list[Record]:
    """The records of `jobs`, in their order; a cancelled job has none. What is recorded already is not run again.

    Everything that can be known beforehand is checked before the first job is queued.

    Raises:
        PromptmillError: nothing was queued, or the worker had to stop; queued jobs stay queued.
    """
    languages = {job.language for job in jobs}
    async with AsyncExitStack() as stack:
        queue = await stack.enter_async_context(open_queue(settings))
        workers = await queue.live_workers()
        server: asyncio.Task[None] | None = None
        if workers:
            check_languages(languages, workers)
            progress.start(workers[0].model, simulated=any(worker.simulated for worker in workers))
        else:
            for language in sorted(languages):
                find_interpreter(language)
            engine = await stack.enter_async_context(open_engine(settings))
            progress.start(engine.model.name, simulated=engine.model.simulated)
            server = asyncio.create_task(serve(engine, settings, handle_signals=False))
        try:
            submission = asyncio.create_task(_submit_and_wait(queue, run_id, jobs, progress))
            await _first_of(submission, server)
        finally:
            await _end(submission, server)
        return [
            await queue.records.get(job.job_id)
            for job in jobs
            if await queue.records.has(job.job_id)
        ]


def check_languages(languages: set[Language], workers: Sequence[WorkerPresence]) -> None:
    """Refuse a language that no live worker could run.

    Raises:
        InterpreterMissingError: there is such a language.
    """
    known = {language for worker in workers for language in worker.languages}
    for language in sorted(languages - known):
        raise InterpreterMissingError(
            f"no running worker can run {language.value}",
            facts={"workers": ", ".join(worker.worker_id for worker in workers)},
            fixes=["install the interpreter on a worker's machine and start that worker again"],
            note="nothing was queued",
        )


async def _submit_and_wait(
    queue: JobQueue, run_id: str, jobs: Sequence[PromptJob], progress: RunProgress
) -> None:
    pending = {job.job_id for job in jobs}
    for job in jobs:
        await queue.submit(job)
    silent_seconds = 0
    async for event in queue.follow_run(run_id):
        if event is None:
            pending -= {job_id for job_id in pending if await _is_over(queue, job_id)}
            silent_seconds = 0 if await queue.live_workers() else silent_seconds + 1
            if silent_seconds == _SILENT_SECONDS:
                talk(
                    "no worker is running any more; start one in another terminal: promptmill worker"
                )
        elif event.job_id in pending:
            progress.show(event)
            if isinstance(event, JobFinished | JobCancelled):
                pending.discard(event.job_id)
        if not pending:
            return


async def _is_over(queue: JobQueue, job_id: str) -> bool:
    return await queue.handle(job_id).status() in {JobStatus.COMPLETE, JobStatus.NOT_FOUND}


async def _first_of(submission: asyncio.Task[None], server: asyncio.Task[None] | None) -> None:
    tasks = {submission} if server is None else {submission, server}
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    # A worker of our own only ends before the jobs do if it had to, and then it says why.
    for task in done:
        await task


async def _end(*tasks: asyncio.Task[None] | None) -> None:
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
