"""From the records of a run to jobs that judge their answers again, and to what that changed."""

from collections import Counter
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from config.settings import Settings
from jobs.datasets import Task
from jobs.datasets.named import place_of as file_of
from jobs.datasets.readers import read_tasks
from jobs.errors import RunNotFoundError, UsageError
from jobs.languages import Language
from jobs.models import PromptJob, Record
from jobs.reports.comparing import Comparison, Results, compare
from jobs.rescoring import Conditions, VerdictChanges, has_answers, judged_again
from jobs.summaries import Summary

from .batch import Batch, name_of_run
from .errors import MixedRunError
from .flags import NO_LANE_FLAGS
from .placing import place_of
from .reading import records_in, summaries_in

_NOTHING = "nothing was queued"


@dataclass(frozen=True)
class Again:
    """The jobs that judge a run again."""

    batch: Batch
    left_out: Counter[str]
    """How many records are not judged again, by the reason."""


async def jobs_of(
    settings: Settings,
    run_id: str,
    new_run: str,
    conditions: Conditions,
    dataset: Path | None,
    folder: Path,
) -> Again:
    """The jobs, kept in a file of `folder`, which has to last as long as they are needed.

    Raises:
        RunNotFoundError: the run has no records.
        UsageError: its answers cannot be judged again, or not in this way.
        DatasetError: the dataset cannot be used.
    """
    _refuse_name(run_id, new_run)
    now = None if dataset is None else _tasks_now(dataset)
    left_out: Counter[str] = Counter()
    languages: Counter[Language] = Counter()
    n_unchecked = 0
    made: set[str] = set()
    path = folder / "jobs.jsonl"
    with path.open("w", encoding="utf-8") as file:
        async for record in records_in(settings, run_id):
            _refuse_without_answers(record, run_id)
            task = record.job.task_id
            if not has_answers(record):
                left_out["failed because of us"] += 1
            elif now is not None and task not in now:
                left_out["of tasks that the dataset has not"] += 1
            else:
                today = None if now is None else now[task or ""]
                job = _judged_again(record, new_run, conditions, today)
                languages[job.language] += 1
                n_unchecked += job.checker.kind == "exits_cleanly"
                made.add(job.job_id)
                file.write(f"{job.to_json()}\n")
    if not languages:
        why = ", ".join(f"{n} {reason}" for reason, n in left_out.items())
        raise UsageError(
            f"run {run_id!r} holds no answers that could be judged again: {why}", note=_NOTHING
        )
    await _refuse_others(settings, run_id, new_run, made)
    make = partial(_jobs_in, path)
    batch = Batch(
        new_run,
        languages.total(),
        languages,
        {},
        n_unchecked,
        make,
        place_of(NO_LANE_FLAGS),
        conversation=None,
    )
    return Again(batch, left_out)


async def changes_of(
    settings: Settings, run_id: str, new_run: str
) -> tuple[VerdictChanges, Comparison]:
    """Which verdicts of the run are others now, and whether that is more than chance.

    Raises:
        StoreError: the records cannot be read.
    """
    before = {job.job_id: job.verdict async for job in summaries_in(settings, run_id)}
    first, second = Results(run_id), Results(new_run)
    async for record in records_in(settings, run_id):
        first.add(record)
    pairs = []
    async for record in records_in(settings, new_run):
        second.add(record)
        pairs.append((record.job.rescores or "", Summary.of(record)))
    [comparison] = compare([first, second])
    return VerdictChanges.of(before, pairs), comparison


def _refuse_name(run_id: str, new_run: str) -> None:
    if name_of_run(new_run) == run_id:
        raise UsageError(
            "what is judged again is a run of its own, and cannot have the name of the first",
            fixes=["give it another name with --run, or none"],
            note=_NOTHING,
        )


async def _refuse_others(
    settings: Settings, run_id: str, new_run: str, made: AbstractSet[str]
) -> None:
    """Make sure that the new run has no records of other jobs than these.

    Raises:
        MixedRunError: it has.
    """
    with suppress(RunNotFoundError):
        async for job in summaries_in(settings, new_run):
            if job.job_id not in made:
                raise MixedRunError(
                    f"run {new_run!r} has records of jobs that are none of those that judge {run_id!r} again",
                    facts={"task": job.task_id or job.job_id},
                    fixes=["give the new run another name with --run, or none"],
                    note=_NOTHING,
                )


def _refuse_without_answers(record: Record, run_id: str) -> None:
    """Make sure that the run's records hold what a model said, and that it was run here.

    Raises:
        UsageError: they hold programs alone, or Gemini ran them.
    """
    if record.imported_from is not None:
        raise UsageError(
            f"run {run_id!r} was imported from {record.imported_from}, whose results hold programs and no answers",
            fixes=[
                "judge the programs as recorded replies:  promptmill eval TASKS --model replay:FILE"
            ],
            note=_NOTHING,
        )
    if record.job.code_execution:
        raise UsageError(
            f"the programs of run {run_id!r} were run by Gemini, and nothing was judged here that could be again",
            note=_NOTHING,
        )


def _tasks_now(dataset: Path) -> dict[str, Task]:
    """The tasks, by their ids."""
    return {task.id or "": task for task in read_tasks(file_of(dataset))}


def _judged_again(
    record: Record, new_run: str, conditions: Conditions, now: Task | None
) -> PromptJob:
    try:
        return judged_again(record, new_run, conditions, now)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        flag = f"--{str(fault['loc'][0]).replace('_', '-')}"
        why = f"{fault['msg'][:1].lower()}{fault['msg'][1:]}"
        raise UsageError(f"{flag} cannot be used: {why}", note=_NOTHING) from None


def _jobs_in(path: Path) -> Iterator[PromptJob]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield PromptJob.model_validate_json(line)
