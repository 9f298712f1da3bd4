"""Runs a set of jobs to their records: on the workers that live, or on one of our own for as long as it takes."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager

from config.settings import Settings
from jobs.errors import PromptmillError, RedisUnreachableError
from jobs.models import PromptJob, Record
from jobs.presence import WorkerPresence
from jobs.queue import JobQueue
from worker.consumer.cancelling import cancel_until_done
from worker.errors import ModelKeyError
from worker.main import Engine, open_engine, serve
from worker.sandbox.errors import InterpreterMissingError
from worker.sandbox.interpreters import find_interpreter

from .errors import MixedRunError, NobodyWorksError, WorkerMismatchError
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
                _check_own_interpreters(jobs)
                engine = await stack.enter_async_context(open_engine(settings))
                workers = [engine.presence]
            check_workers(settings, jobs, workers)
            await _refuse_mixed_run(queue, jobs, workers[0].model)
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


@contextmanager
def nothing_queued_yet(settings: Settings) -> Iterator[None]:
    """Let an error of the block say that nothing was queued, and where the setting behind it was set."""
    try:
        yield
    except PromptmillError as error:
        error.note = error.note or "nothing was queued"
        name = {RedisUnreachableError.kind: "redis.url", ModelKeyError.kind: "model.api_key"}.get(
            error.kind
        )
        if name is not None:
            error.facts["set in"] = settings.origin_of(name)
        raise


def _check_own_interpreters(jobs: Sequence[PromptJob]) -> None:
    for language in sorted({job.language for job in jobs}):
        n_jobs = sum(job.language is language for job in jobs)
        try:
            find_interpreter(language)
        except InterpreterMissingError as error:
            error.note = f"{n_jobs} of {len(jobs)} jobs want {language.value}; nothing was queued"
            raise


def check_workers(
    settings: Settings, jobs: Sequence[PromptJob], workers: Sequence[WorkerPresence]
) -> None:
    """Make sure that each worker that lives can run each of the jobs, and asks the model that is meant.

    Raises:
        InterpreterMissingError: a worker has no interpreter for some job, and any worker may be given any job.
        WorkerMismatchError: a worker would ask another model.
    """
    _check_languages(jobs, workers)
    models = sorted({worker.model for worker in workers})
    if settings.named_model is not None:
        # A job names its model, and any worker that asks Gemini asks for that one.
        fits = not any(worker.simulated for worker in workers)
    else:
        fits = len(models) == 1 and settings.model.name in {"auto", *models}
    if not fits:
        raise WorkerMismatchError(
            f"the running workers answer with {' and '.join(models)}, and {settings.model.name!r} is asked for",
            facts={"workers": _names(workers)},
            fixes=[
                "stop them, and start workers with the model you mean: promptmill worker --model NAME"
            ],
            note="nothing was queued",
        )


def _check_languages(jobs: Sequence[PromptJob], workers: Sequence[WorkerPresence]) -> None:
    wanted = {job.language for job in jobs}
    lacking = [worker for worker in workers if not wanted <= set(worker.languages)]
    if lacking:
        missing = sorted({name for worker in lacking for name in wanted - set(worker.languages)})
        raise InterpreterMissingError(
            f"not every running worker can run {' and '.join(missing)} programs",
            facts={"workers without": _names(lacking)},
            fixes=["install the interpreter where these workers run, and start them again"],
            note="nothing was queued",
        )


def _names(workers: Sequence[WorkerPresence]) -> str:
    return ", ".join(worker.worker_id for worker in workers)


async def _refuse_mixed_run(queue: JobQueue, jobs: Sequence[PromptJob], model: str) -> None:
    """Refuse to go on with a run under other conditions: its numbers would be of nothing in particular."""
    for job in jobs:
        if not await queue.records.has(job.job_id):
            continue
        record = await queue.records.get(job.job_id)
        changed = [
            name
            for name in PromptJob.model_fields
            if getattr(record.job, name) != getattr(job, name)
        ]
        if record.requested_model != (job.model or model):
            changed.append(f"model ({record.requested_model}, now {job.model or model})")
        if changed:
            raise MixedRunError(
                f"run {job.run_id!r} was made under other conditions",
                facts={"task": job.task_id or job.job_id, "differs in": ", ".join(changed)},
                fixes=["give this run another name with --run"],
                note="nothing was queued",
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
