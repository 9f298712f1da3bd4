"""Runs a set of jobs to their records: on the workers that live, or on one of our own for as long as it takes."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

from config.settings import Settings
from jobs.models import PromptJob, Record
from jobs.queue import JobQueue
from worker.consumer.cancelling import cancel_until_done
from worker.main import Engine, open_engine, serve

from .checking import check_own_interpreters, check_workers, nothing_queued_yet, refuse_mixed_run
from .errors import NobodyWorksError
from .following import follow_to_the_end
from .output import talk
from .progress import RunProgress

_PATIENCE_SECONDS = 0.2


def open_queue(settings: Settings) -> JobQueue:
    """The queue that these settings mean."""
    return JobQueue(
        settings.redis_url, records=settings.records_directory, prefix=settings.redis.prefix
    )


async def run_jobs(
    settings: Settings, jobs: Sequence[PromptJob], progress: RunProgress
) -> list[Record]:
    """The records of `jobs`, in their order; a cancelled job has none. What is recorded already is not run again.

    Everything that can be known beforehand is checked before the first job is queued. Workers that live do the work;
    if there are none, or none any more, one of our own does.

    Raises:
        PromptmillError: nothing was queued, or the worker had to stop; queued jobs stay queued.
    """
    async with AsyncExitStack() as stack:
        with nothing_queued_yet(settings):
            queue = await stack.enter_async_context(open_queue(settings))
            workers = await queue.live_workers()
            engine: Engine | None = None
            if not workers:
                check_own_interpreters(jobs)
                engine = await stack.enter_async_context(open_engine(settings))
                workers = [engine.presence]
            check_workers(settings, jobs, workers)
            await refuse_mixed_run(queue, jobs, workers[0].model)
        progress.start(settings.named_model or workers[0].model, simulated=workers[0].simulated)
        for job in jobs:
            await queue.submit(job)
        try:
            await _see_through(queue, jobs, progress, settings, engine)
        except NobodyWorksError:
            talk("the workers have gone; going on with one of our own")
            engine = await stack.enter_async_context(open_engine(settings))
            await _see_through(queue, jobs, progress, settings, engine)
        return [
            await queue.records.get(job.job_id)
            for job in jobs
            if await queue.records.has(job.job_id)
        ]


async def _see_through(
    queue: JobQueue,
    jobs: Sequence[PromptJob],
    progress: RunProgress,
    settings: Settings,
    engine: Engine | None,
) -> None:
    """Wait for the jobs; given an engine, work on them meanwhile. A worker of our own only ends first if it had to."""
    waiting = asyncio.create_task(follow_to_the_end(queue, jobs, progress))
    server = asyncio.create_task(serve(engine, settings, handle_signals=False)) if engine else None
    tasks = {waiting} if server is None else {waiting, server}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            await task
    finally:
        await cancel_until_done([waiting], _PATIENCE_SECONDS)
        if server is not None:
            # Once: its first answer to a cancellation is to hand back what it holds.
            server.cancel()
            await asyncio.wait([server])
