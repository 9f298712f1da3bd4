"""What is made sure of before a job is queued."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from config.settings import Settings
from jobs.errors import PromptmillError, RedisUnreachableError
from jobs.models import PromptJob
from jobs.presence import WorkerPresence
from jobs.queue import JobQueue
from worker.errors import ModelKeyError
from worker.sandbox.errors import InterpreterMissingError, PackagesError
from worker.sandbox.interpreters import find_interpreter

from .errors import MixedRunError, WorkerMismatchError
from .output import counted


@contextmanager
def nothing_queued_yet(settings: Settings) -> Iterator[None]:
    """Let an error of the block say that nothing was queued, and where the setting behind it was set."""
    try:
        yield
    except PromptmillError as error:
        error.note = error.note or "nothing was queued"
        name = {
            RedisUnreachableError.kind: "redis.url",
            ModelKeyError.kind: "model.api_key",
            PackagesError.kind: "sandbox.python.environment",
        }.get(error.kind)
        if name is not None:
            error.facts["set in"] = settings.origin_of(name)
        raise


def check_own_interpreters(jobs: Sequence[PromptJob]) -> None:
    """Make sure that a worker on this machine could run each of the jobs.

    Raises:
        InterpreterMissingError: it could not.
    """
    for language in sorted({job.language for job in jobs}):
        n_jobs = sum(job.language is language for job in jobs)
        try:
            find_interpreter(language)
        except InterpreterMissingError as error:
            wanted_by = f"{counted(n_jobs, 'job')} of {len(jobs)}"
            error.note = f"{language.value} is wanted by {wanted_by}; nothing was queued"
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


async def refuse_mixed_run(queue: JobQueue, jobs: Sequence[PromptJob], model: str | None) -> None:
    """Refuse to go on with a run under other conditions: its numbers would be of nothing in particular.

    `model` is what a job that names none is asked of; None where no worker is there yet to say so.

    Raises:
        MixedRunError: a job is queued or has its record, and would not be the same one now.
    """
    for job in jobs:
        changed = await _changed_since(queue, job, model)
        if changed:
            what, flag = ("job", "--id") if job.run_id is None else ("run", "--run")
            raise MixedRunError(
                f"{what} {(job.run_id or job.job_id)!r} was made under other conditions",
                facts={"task": job.task_id or job.job_id, "differs in": ", ".join(changed)},
                fixes=[f"give this {what} another name with {flag}"],
                note="nothing was queued",
            )


async def _changed_since(queue: JobQueue, job: PromptJob, model: str | None) -> list[str]:
    # In this order: a job that ends between the two looks has its record by then.
    queued = await queue.find(job.job_id)
    if queued is not None:
        return _changed(queued, job)
    if not await queue.records.has(job.job_id):
        return []
    record = await queue.records.get(job.job_id)
    changed, now = _changed(record.job, job), job.model or model
    if now is not None and record.requested_model != now:
        changed.append(f"model ({record.requested_model}, now {now})")
    return changed


def _changed(earlier: PromptJob, job: PromptJob) -> list[str]:
    return [name for name in PromptJob.model_fields if getattr(earlier, name) != getattr(job, name)]
