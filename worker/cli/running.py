"""Runs a batch of jobs to their records: on the workers that live, or on one of our own for as long as it takes."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from config.settings import Settings
from jobs.errors import PromptmillError
from jobs.presence import WorkerPresence, is_replayed
from jobs.queue import JobQueue
from jobs.reports import Report, ReportBuilder
from jobs.submitting import Submitted
from worker.consumer.cancelling import cancel_until_done
from worker.main import Engine, open_engine, serve

from .batch import Batch
from .batch_api import MOST_JOBS, engine_in_batches, sent_of
from .checking import (
    check_languages,
    check_own_interpreters,
    check_own_packages,
    model_meant,
    models_of,
    nothing_queued_yet,
    refuse_mixed_run,
    tell_obstacle,
    tell_unchecked,
    why_none_takes_jobs,
)
from .errors import BudgetReachedError, NobodyWorksError
from .following import Follower, records_of
from .looping import run_until_stopped
from .opening import open_queue
from .output import talk
from .progress import RunProgress
from .resuming import going_on, worker_command
from .starting import keep_to_one_way, start_run

_PATIENCE_SECONDS = 0.2


def run_to_end(settings: Settings, batch: Batch, how_to_go_on: str) -> Report:
    """What became of the jobs of a run, while it is shown how far they are.

    Raises:
        KeyboardInterrupt: it was stopped by Ctrl-C.
        BudgetReachedError: the run has used up what it may use; queued jobs stay queued.
        NobodyWorksError: the workers have gone, and none of our own can do their work; queued jobs stay queued.
        PromptmillError: nothing was queued, or Redis or the worker stopped; then it says `how_to_go_on`.
    """

    async def run() -> Report:
        with RunProgress(batch.run_id or "", batch.n_jobs) as progress:
            return await _run_jobs(settings, batch, progress, how_to_go_on)

    return run_until_stopped(run())


async def _run_jobs(
    settings: Settings, batch: Batch, progress: RunProgress, how_to_go_on: str
) -> Report:
    """What became of the jobs of a run; a cancelled job counts as if there had been none.

    Everything that can be known beforehand is checked before the first job is queued; what is recorded already is not
    run again. Workers that live and take such jobs do the work; if there are none, one of our own does, as it does when
    there are none any more.
    """
    settings = _serving(settings, batch)
    async with AsyncExitStack() as stack:
        with nothing_queued_yet(settings):
            queue = await stack.enter_async_context(open_queue(settings))
            # A run in batches has a worker of its own, whoever else there is; one of them may be what is left of that.
            workers = [] if batch.in_batches else await queue.live_workers()
            model = model_meant(settings, workers)
            batch = batch.for_model(model)
            engine: Engine | None = None
            if able := [worker for worker in workers if batch.is_for(worker)]:
                check_languages(batch, able)
            else:
                check_own_interpreters(batch)
                check_own_packages(settings, batch)
                own = _own_engine(settings, queue, batch, progress)
                engine = await stack.enter_async_context(own)
            await refuse_mixed_run(queue, batch)
            await keep_to_one_way(queue, batch)
        tell_unchecked(batch)
        _tell_of(workers, able)
        # Stored answers that are judged again are as good as they were the first time.
        progress.start(model, simulated=is_replayed(model) and batch.first().rescores is None)
        with going_on(how_to_go_on):
            try:
                await _run(stack, queue, batch, progress, settings, engine)
            except BudgetReachedError as error:
                error.report = await _report(queue, batch)
                raise
            if batch.in_batches:
                await sent_of(queue, batch).forget_all()
            return await _report(queue, batch)


def _tell_of(workers: Sequence[WorkerPresence], able: Sequence[WorkerPresence]) -> None:
    tell_obstacle(why_none_takes_jobs(able))
    if workers and not able:
        talk(f"the running workers answer with {models_of(workers)}; this run has its own")


async def _report(queue: JobQueue, batch: Batch) -> Report:
    report = ReportBuilder()
    async for record in records_of(queue, batch):
        report.add(record)
    return report.report()


async def _run(
    stack: AsyncExitStack,
    queue: JobQueue,
    batch: Batch,
    progress: RunProgress,
    settings: Settings,
    engine: Engine | None,
) -> None:
    follower = await Follower.of(queue, batch, progress)
    await start_run(queue, batch)
    submitting = asyncio.create_task(
        queue.submit_all(batch.jobs(), high_water=settings.queue.high_water)
    )
    try:
        try:
            await _see_through(follower, submitting, settings, engine)
        except NobodyWorksError:
            own = _own_engine(settings, queue, batch, progress)
            engine = await _take_over(stack, batch, own)
            talk("the workers have gone; going on with one of our own")
            await _see_through(follower, submitting, settings, engine)
    finally:
        await cancel_until_done([submitting], _PATIENCE_SECONDS)


def _own_engine(
    settings: Settings, queue: JobQueue, batch: Batch, progress: RunProgress
) -> AbstractAsyncContextManager[Engine]:
    """A worker of our own, which asks as the batch wants it."""
    if batch.in_batches:
        return engine_in_batches(settings, queue, batch, progress)
    return open_engine(settings)


def _serving(settings: Settings, batch: Batch) -> Settings:
    """The settings of a worker of our own, which takes from the queue of these jobs, and all of those at once that wait
    for a batch together.
    """
    changes: dict[str, object] = {"queues": (batch.place.queue,)}
    if batch.in_batches:
        changes |= {"jobs_in_flight": MOST_JOBS, "calls_in_flight": MOST_JOBS}
    return settings.model_copy(update={"worker": settings.worker.model_copy(update=changes)})


async def _take_over(
    stack: AsyncExitStack, batch: Batch, own: AbstractAsyncContextManager[Engine]
) -> Engine:
    """A worker of our own that does what those that have gone would have done; `stack` closes it.

    Raises:
        NobodyWorksError: there can be none here; the jobs stay queued for whoever can.
    """
    try:
        check_own_interpreters(batch)
        engine = await stack.enter_async_context(own)
        if engine.presence.answers(batch.model):
            return engine
        why = f"it would answer with {engine.presence.model}, and they answered with {batch.model}"
    except PromptmillError as error:
        why = error.message
    raise NobodyWorksError(
        "the workers have gone, and one of our own cannot go on in their place",
        facts={"because": why},
        fixes=[f"start one like them:  {worker_command(batch)}"],
        note="what is not recorded stays queued",
    )


async def _see_through(
    follower: Follower,
    submitting: "asyncio.Task[Submitted]",
    settings: Settings,
    engine: Engine | None,
) -> None:
    """Wait for the jobs; given an engine, work on them meanwhile. A worker of our own only ends first if it had to."""
    waiting = asyncio.create_task(follower.follow_to_the_end(submitting))
    # The address to listen at is that of a worker beside this command.
    quiet = settings.worker.model_copy(update={"listen": None})
    own = settings.model_copy(update={"worker": quiet})
    server = asyncio.create_task(serve(engine, own, handle_signals=False)) if engine else None
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
