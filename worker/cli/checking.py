"""What is made sure of before a job is queued."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import PathFinder
from itertools import islice

from arq.constants import job_key_prefix

from config.escaping import escaped
from config.settings import Settings
from jobs.connection import expecting_answer
from jobs.conversations import Conversation
from jobs.errors import PromptmillError, RedisUnreachableError
from jobs.models import PromptJob
from jobs.parts import Part
from jobs.presence import WorkerPresence
from jobs.queue import JobQueue
from jobs.recorded import recorded_of
from jobs.reports.conduct import unchecked_in_words
from jobs.runs import find_run
from jobs.scripts import PAGE
from worker.errors import ModelKeyError
from worker.sandbox.errors import InterpreterMissingError, PackagesError
from worker.sandbox.interpreters import find_interpreter
from worker.sandbox.packages import packages_of

from .batch import Batch
from .errors import MixedRunError, WorkerMismatchError
from .output import counted, talk

# When a job is run says nothing of what comes of it, nor does who paid for its replies.
_CONDITIONS = PromptJob.model_fields.keys() - {"queue", "priority", "cache"}
_FIXES = (
    ({"model"}, "ask the same model as before, with --model"),
    ({"feedback"}, "tell the model as much as before, with --feedback"),
    (
        {"model", "feedback", "conversation", "limits", "max_attempts", "part"},
        "go on with it as it was begun:  promptmill eval DATASET --resume {run}",
    ),
)


def tell_unchecked(batch: Batch) -> None:
    """Say for how many jobs of a run nothing says what is right, before they are paid for."""
    if batch.run_id is not None and batch.n_unchecked:
        talk(f"check    {unchecked_in_words(batch.n_unchecked)}")


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


def check_own_interpreters(batch: Batch) -> None:
    """Make sure that a worker on this machine could run each of the jobs.

    Raises:
        InterpreterMissingError: it could not.
    """
    for language, n_jobs in sorted(batch.languages.items()):
        try:
            find_interpreter(language)
        except InterpreterMissingError as error:
            wanted_by = f"{counted(n_jobs, 'job')} of {batch.n_jobs}"
            error.note = f"{language.value} is wanted by {wanted_by}; nothing was queued"
            raise


def check_own_packages(settings: Settings, batch: Batch) -> None:
    """Make sure that programs that a worker of this machine runs could import what their tasks need.

    Raises:
        PackagesError: they could not.
    """
    python = settings.sandbox.python
    folders = list(packages_of(python.environment, python.preload).folders)
    missing = {
        name: n_jobs
        for name, n_jobs in sorted(batch.requires.items())
        if name.partition(".")[0] not in sys.stdlib_module_names
        and PathFinder.find_spec(name.partition(".")[0], folders) is None
    }
    if missing:
        wanted_by = [f"{name} by {counted(n_jobs, 'job')}" for name, n_jobs in missing.items()]
        raise PackagesError(
            f"programs here cannot import {', '.join(missing)}",
            facts={"wanted": f"{', '.join(wanted_by)}, of {batch.n_jobs}"},
            fixes=[
                "install them into the environment that sandbox.python.environment names",
                "or leave these rows out of the score: give eval --exclude what dataset check --output has written",
            ],
        )


def model_meant(settings: Settings, workers: Sequence[WorkerPresence]) -> str:
    """Who is to answer jobs that are queued now. Left open, workers that ask Gemini know better than this command.

    Raises:
        WorkerMismatchError: it is left open, and they do not agree.
    """
    meant = settings.meant_model
    asked = sorted({worker.model for worker in workers if not worker.simulated})
    if settings.model.name != "auto" or not asked or meant in asked:
        return meant
    if len(asked) > 1:
        raise WorkerMismatchError(
            f"the running workers ask {' and '.join(asked)}, and none of them is named",
            facts={"workers": _names(workers)},
            fixes=["name one:  --model NAME"],
            note="nothing was queued",
        )
    return asked[0]


def models_of(workers: Sequence[WorkerPresence]) -> str:
    """What they answer with, as it is told."""
    return " and ".join(sorted({worker.model for worker in workers}))


def why_none_takes_jobs(workers: Sequence[WorkerPresence]) -> str | None:
    """Why all of these workers take no job now; None where one does, or there is none."""
    if not workers or any(worker.takes_none is None for worker in workers):
        return None
    return workers[0].takes_none


def tell_obstacle(why: str | None) -> None:
    """Say why the running workers take no job now, if that is so."""
    if why is not None:
        talk(escaped(f"the running workers take no job now: {why}"))


def check_languages(batch: Batch, workers: Sequence[WorkerPresence]) -> None:
    """Make sure that each of the workers can run each of the jobs.

    Raises:
        InterpreterMissingError: one has no interpreter for some job, and any of them may be given any job.
    """
    wanted = set(batch.languages)
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


async def refuse_mixed_run(queue: JobQueue, batch: Batch) -> None:
    """Refuse to go on with a run under other conditions: its numbers would be of nothing in particular.

    Raises:
        MixedRunError: a job is queued or has its record, and would not be the same one now.
    """
    if batch.run_id is None:
        job = batch.first()
        _refuse_if_changed(job, await _earlier(queue, job))
        return
    recorded = (await recorded_of(queue.records, batch.run_id)).ids
    if not len(recorded) and await find_run(queue, batch.run_id) is None:
        return
    jobs = batch.jobs()
    while page := list(islice(jobs, PAGE)):
        with expecting_answer("it cannot be told which jobs are queued"):
            payloads = await queue.redis.mget([job_key_prefix + job.job_id for job in page])
        for job, payload in zip(page, payloads, strict=True):
            if payload is not None or job.job_id in recorded:
                _refuse_if_changed(job, await _earlier(queue, job))


def _refuse_if_changed(job: PromptJob, earlier: PromptJob | None) -> None:
    pairs = {name: (getattr(earlier or job, name), getattr(job, name)) for name in _CONDITIONS}
    changed = {
        name: pairs[name]
        for name in PromptJob.model_fields
        if name in pairs and pairs[name][0] != pairs[name][1]
    }
    if changed:
        told = [_told(name, *values) for name, values in changed.items()]
        names = {words.partition(" ")[0] for words in told}
        what, flag = ("job", "--id") if job.run_id is None else ("run", "--run")
        raise MixedRunError(
            f"{what} {(job.run_id or job.job_id)!r} was made under other conditions",
            facts={
                "task": job.task_id or job.job_id,
                "differs in": ", ".join(told),
            },
            fixes=[
                f"give this {what} another name with {flag}",
                *(fix.format(run=job.run_id) for of, fix in _FIXES if of & names),
            ],
            note="nothing was queued",
        )


async def _earlier(queue: JobQueue, job: PromptJob) -> PromptJob | None:
    """The job that has this id by now, queued or recorded."""
    # In this order: a job that ends between the two looks has its record by then.
    earlier = await queue.find(job.job_id)
    if earlier is None and await queue.records.has(job.job_id):
        record = await queue.records.get(job.job_id)
        # It may have left open who answers, which is known by now.
        earlier = record.job.model_copy(update={"model": record.requested_model})
    return earlier


def _told(name: str, before: object, now: object) -> str:
    match name, before, now:
        case "conversation", Conversation(feedback=was), Conversation(feedback=comes) if (
            was != comes
        ):
            return f"feedback ({was}, now {comes})"
        case "part", _, _:
            return f"part ({_part_in_words(before)}, now {_part_in_words(now)})"
        case "model", _, _:
            return f"model ({before or 'left open'}, now {now})"
        case _:
            return name


def _part_in_words(part: object) -> str:
    return part.in_words if isinstance(part, Part) else "all of it"
