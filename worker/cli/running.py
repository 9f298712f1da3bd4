"""Runs a set of jobs to their records: on the workers that live, or on one of our own for as long as it takes."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

from config.settings import Settings
from jobs.errors import PromptmillError
from jobs.models import PromptJob, Record
from jobs.presence import is_replayed
from jobs.queue import JobQueue
from worker.consumer.cancelling import cancel_until_done
from worker.main import Engine, open_engine, serve

from .checking import (
    check_languages,
    check_own_interpreters,
    for_model,
    model_meant,
    models_of,
    nothing_queued_yet,
    refuse_mixed_run,
    that_answer,
)
from .errors import NobodyWorksError
from .following import follow_to_the_end, records_of
from .output import talk
from .progress import RunProgress
from .resuming import going_on, worker_command

_PATIENCE_SECONDS = 0.2


def open_queue(settings: Settings) -> JobQueue:
    """The queue that these settings mean."""
    return JobQueue(
        settings.redis_url, records=settings.records_place, prefix=settings.redis.prefix
    )


async def run_jobs(
    settings: Settings, jobs: Sequence[PromptJob], progress: RunProgress, how_to_go_on: str
) -> list[Record]:
    """The records of `jobs`, in their order; a cancelled job has none. What is recorded already is not run again.

    Everything that can be known beforehand is checked before the first job is queued. Workers that live and ask the
    model that is meant do the work; if there are none, one of our own does, as it does when there are none any more.

    Raises:
        NobodyWorksError: the workers have gone, and none of our own can do their work; queued jobs stay queued.
        PromptmillError: nothing was queued, or Redis or the worker stopped; then it says `how_to_go_on`.
    """
    async with AsyncExitStack() as stack:
        with nothing_queued_yet(settings):
            queue = await stack.enter_async_context(open_queue(settings))
            workers = await queue.live_workers()
            model = model_meant(settings, workers)
            jobs = for_model(jobs, model)
            engine: Engine | None = None
            if able := that_answer(workers, model):
                check_languages(jobs, able)
            else:
                check_own_interpreters(jobs)
                engine = await stack.enter_async_context(open_engine(settings))
            await refuse_mixed_run(queue, jobs)
        if workers and not able:
            talk(f"the running workers answer with {models_of(workers)}; this run has its own")
        progress.start(model, simulated=is_replayed(model))
        with going_on(how_to_go_on):
            for job in jobs:
                await queue.submit(job)
            try:
                await _see_through(queue, jobs, progress, settings, engine)
            except NobodyWorksError:
                engine = await _take_over(stack, settings, jobs)
                talk("the workers have gone; going on with one of our own")
                await _see_through(queue, jobs, progress, settings, engine)
            return await records_of(queue, jobs)


async def _take_over(
    stack: AsyncExitStack, settings: Settings, jobs: Sequence[PromptJob]
) -> Engine:
    """A worker of our own that does what those that have gone would have done; `stack` closes it.

    Raises:
        NobodyWorksError: there can be none here; the jobs stay queued for whoever can.
    """
    model = jobs[0].model
    try:
        check_own_interpreters(jobs)
        engine = await stack.enter_async_context(open_engine(settings))
        if engine.presence.answers(model):
            return engine
        why = f"it would answer with {engine.presence.model}, and they answered with {model}"
    except PromptmillError as error:
        why = error.message
    raise NobodyWorksError(
        "the workers have gone, and one of our own cannot go on in their place",
        facts={"because": why},
        fixes=[f"start one like them:  {worker_command(model)}"],
        note="what is not recorded stays queued",
    )


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
