"""`promptmill job cancel` and `job retry`: end a job, or let it run again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from config.escaping import escaped
from jobs.errors import ExitCode, UsageError
from jobs.languages import Language

from .asking import with_queue
from .flags import NO_FLAGS, AsJson, SettingFlags
from .output import counted, emit, emit_json, talk

if TYPE_CHECKING:
    from jobs.queue import JobQueue
    from jobs.selecting import Selection

_SHOWN_JOBS = 20


@Parameter(name="*")
@dataclass(frozen=True)
class FilterFlags:
    """Which jobs are meant."""

    run: Annotated[str | None, Parameter(help="jobs of this run")] = None
    task: Annotated[
        str | None, Parameter(help="jobs whose task is of this pattern, such as 'HumanEval/1*'")
    ] = None
    language: Annotated[Language | None, Parameter(help="jobs to be solved in it")] = None
    queue: Annotated[str | None, Parameter(help="jobs of this queue")] = None
    dry_run: Annotated[
        bool, Parameter(negative=(), help="only say which and how many they are")
    ] = False
    yes: Annotated[bool, Parameter(negative=(), help="cancel them, however many they are")] = False

    @property
    def are_given(self) -> bool:
        """Whether any of them chooses jobs."""
        return any(value is not None for value in (self.run, self.task, self.language, self.queue))


NO_FILTERS = FilterFlags()


def cancel_jobs(
    *job_ids: str,
    filters: FilterFlags = NO_FILTERS,
    json: AsJson = False,
    flags: SettingFlags = NO_FLAGS,
) -> int:
    """Take jobs out of the queue, and stop running ones; they leave no record, unless they had failed before a retry.

    Args:
        job_ids: their ids; or choose them with --run, --task, --language and --queue, all of which must fit.
        json: as JSON.
    """
    if bool(job_ids) == filters.are_given:
        raise UsageError(
            "give either ids or what the jobs have to be",
            fixes=[
                "promptmill job cancel ID",
                "promptmill job cancel --run RUN --task 'HumanEval/1*' --dry-run",
            ],
            note="nothing was cancelled",
        )
    if job_ids:
        if filters.dry_run:
            raise UsageError("--dry-run goes with what jobs have to be, not with ids")
        return with_queue(flags, lambda queue: _cancel_named(queue, job_ids, as_json=json))
    return with_queue(flags, lambda queue: _cancel_selected(queue, filters, as_json=json))


def retry_jobs(*job_ids: str, json: AsJson = False, flags: SettingFlags = NO_FLAGS) -> int:
    """Queue jobs again that failed because of us.

    Args:
        job_ids: their ids.
        json: as JSON.
    """
    if not job_ids:
        raise UsageError("give the ids of jobs", fixes=["promptmill job retry ID"])
    n = with_queue(flags, lambda queue: _retry(queue, job_ids))
    if json:
        emit_json({"retried": n})
    else:
        talk(f"{counted(n, 'job')} queued again")
    return ExitCode.OK


async def _retry(queue: JobQueue, job_ids: tuple[str, ...]) -> int:
    from jobs.dead_letters import find_letter, retry_letter

    # All are looked for first: one that is misspelt should not leave the others half done.
    letters = [await find_letter(queue, job_id) for job_id in dict.fromkeys(job_ids)]
    return sum([await retry_letter(queue, letter) for letter in letters])


async def _cancel_named(queue: JobQueue, job_ids: tuple[str, ...], *, as_json: bool) -> int:
    found = {job_id: await queue.handle(job_id).cancel() for job_id in job_ids}
    unknown = [job_id for job_id, is_found in found.items() if not is_found]
    n = len(found) - len(unknown)
    if unknown:
        names = ", ".join(map(repr, unknown))
        raise UsageError(
            f"neither queued nor running: {names}",
            fixes=["see what is recorded: promptmill job list"],
            note=f"{counted(n, 'job')} cancelled" if n else "nothing was cancelled",
        )
    if as_json:
        emit_json({"cancelled": n})
    else:
        talk(f"{counted(n, 'job')} cancelled; one that runs stops before its next step")
    return ExitCode.OK


async def _cancel_selected(queue: JobQueue, filters: FilterFlags, *, as_json: bool) -> int:
    from jobs.selecting import Selection, cancel_selected

    await _tell_what_cannot_be_chosen(queue, filters)
    selection = Selection(filters.run, filters.task, filters.language, filters.queue)
    n = await _count(queue, selection, tell=filters.dry_run and not as_json)
    if filters.dry_run:
        if as_json:
            emit_json({"wouldCancel": n})
        else:
            talk(f"{counted(n, 'job')} would be cancelled")
        return ExitCode.OK
    if n > 1 and not filters.yes:
        raise UsageError(
            f"{n} jobs would be cancelled",
            fixes=["see which, with --dry-run", "cancel them all, with --yes"],
            note="nothing was cancelled",
        )
    done = await cancel_selected(queue, selection)
    if as_json:
        emit_json({"cancelled": done.n_taken, "stopping": done.n_running})
    else:
        stopping = f", {done.n_running} more stop before their next step" if done.n_running else ""
        talk(f"{counted(done.n_taken, 'job')} cancelled{stopping}")
    return ExitCode.OK


async def _tell_what_cannot_be_chosen(queue: JobQueue, filters: FilterFlags) -> None:
    from jobs.feeding import jobs_to_feed
    from jobs.runs import get_run

    if filters.run is not None:
        await get_run(queue, filters.run)
    for run_id, n_to_come in (await jobs_to_feed(queue.redis, queue.keys)).items():
        if filters.run in {None, run_id}:
            talk(
                escaped(
                    f"{counted(n_to_come, 'job')} of run {run_id} are not queued yet and cannot be chosen; "
                    f"pause it, or cancel all of it:  promptmill run cancel {run_id}"
                )
            )


async def _count(queue: JobQueue, selection: Selection, *, tell: bool) -> int:
    from jobs.selecting import selected

    n = 0
    async for jobs in selected(queue, selection):
        for job in jobs[: max(0, _SHOWN_JOBS - n)] if tell else ():
            emit(
                escaped(f"{job.job_id}  {job.run_id or '-'}  {job.task_id or '-'}  {job.language}")
            )
        n += len(jobs)
    if tell and n > _SHOWN_JOBS:
        talk(f"… and {n - _SHOWN_JOBS} more")
    return n
