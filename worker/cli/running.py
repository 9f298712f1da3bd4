"""Runs a set of jobs to their records: on the workers that live, or on one of our own for as long as it takes."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

from config.settings import Settings
from jobs.errors import UsageError
from jobs.models import PromptJob, Record
from jobs.presence import WorkerPresence
from jobs.queue import JobQueue
from worker.consumer.cancelling import cancel_until_done
from worker.main import Engine, open_engine, serve
from worker.sandbox.errors import InterpreterMissingError
from worker.sandbox.interpreters import find_interpreter

from .following import follow_to_the_end
from .progress import RunProgress

_PATIENCE_SECONDS = 0.2
_AUTO_MODEL = "auto"


class WorkerMismatchError(UsageError):
    """The workers that live would not do what was asked."""

    kind = "worker-mismatch"


class MixedRunError(UsageError):
    """The records of a run were made under other conditions than the jobs that were to join them."""

    kind = "run-differs"


def open_queue(settings: Settings) -> JobQueue:
    """The queue that these settings mean."""
    return JobQueue(
        settings.redis_url, records=settings.records_directory, prefix=settings.redis.prefix
    )


async def run_jobs(
    settings: Settings, jobs: Sequence[PromptJob], progress: RunProgress
) -> list[Record]:
    """The records of `jobs`, in their order; a cancelled job has none. What is recorded already is not run again.

    Everything that can be known beforehand is checked before the first job is queued.

    Raises:
        PromptmillError: nothing was queued, or the worker had to stop; queued jobs stay queued.
    """
    async with AsyncExitStack() as stack:
        queue = await stack.enter_async_context(open_queue(settings))
        workers = await queue.live_workers()
        engine: Engine | None = None
        if not workers:
            _check_own_interpreters(jobs)
            engine = await stack.enter_async_context(open_engine(settings))
            workers = [engine.presence]
        check_workers(settings, jobs, workers)
        await _refuse_mixed_run(queue, jobs, workers[0].model)
        progress.start(workers[0].model, simulated=workers[0].simulated)
        server = (
            asyncio.create_task(serve(engine, settings, handle_signals=False)) if engine else None
        )
        submission = asyncio.create_task(_submit_and_wait(queue, jobs, progress))
        try:
            await _first_of(submission, server)
        finally:
            await _end(submission, server)
        return [
            await queue.records.get(job.job_id)
            for job in jobs
            if await queue.records.has(job.job_id)
        ]


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
    wanted = settings.model.name
    if len(models) > 1 or (wanted != _AUTO_MODEL and models != [wanted]):
        raise WorkerMismatchError(
            f"the running workers answer with {' and '.join(models)}"
            + ("" if wanted == _AUTO_MODEL else f", not with {wanted}"),
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


async def _submit_and_wait(
    queue: JobQueue, jobs: Sequence[PromptJob], progress: RunProgress
) -> None:
    for job in jobs:
        await queue.submit(job)
    await follow_to_the_end(queue, jobs, progress)


async def _first_of(submission: asyncio.Task[None], server: asyncio.Task[None] | None) -> None:
    tasks = {submission} if server is None else {submission, server}
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    # A worker of our own only ends before the jobs do if it had to, and then it says why.
    for task in done:
        await task


async def _end(submission: asyncio.Task[None], server: asyncio.Task[None] | None) -> None:
    await cancel_until_done([submission], _PATIENCE_SECONDS)
    if server is not None:
        # Once: its first answer to a cancellation is to hand back what it holds.
        server.cancel()
        await asyncio.wait([server])
