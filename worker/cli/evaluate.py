"""`promptmill eval`: every task of a dataset, then a report."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from config.escaping import escaped
from config.redaction import redact_known_forms
from jobs.clock import new_id
from jobs.errors import ExitCode, UsageError

from .errors import StoppedError
from .flags import NO_FLAGS, AsJson, Attempts, SettingFlags, read_settings
from .output import counted, emit, emit_json, show_error, talk
from .resuming import same_command

if TYPE_CHECKING:
    from config.settings import Settings
    from jobs.datasets import Task
    from jobs.models import PromptJob, Record
    from jobs.reports import Report


@Parameter(name="*")
@dataclass(frozen=True)
class RunFlags:
    """What a run is made of, and what it must reach."""

    samples: Annotated[
        int,
        Parameter(
            validator=validators.Number(gte=1, lte=1000), help="independent jobs for each task"
        ),
    ] = 1
    max_attempts: Annotated[
        Attempts,
        Parameter(
            help="generations for each job, the first one counted (1 to 20); a task may say otherwise"
        ),
    ] = None
    run: Annotated[
        str | None,
        Parameter(help="a name for the run; under the same name it goes on where it was stopped"),
    ] = None
    fail_under: Annotated[
        float | None,
        Parameter(
            validator=validators.Number(gte=0, lte=1),
            help="exit with 1 if a smaller share of the judged jobs is solved (0 to 1); 5 if some were not judged",
        ),
    ] = None


ONE_OF_EACH = RunFlags()

NAMES = (
    "use up to 128 letters, digits, dots, hyphens and underscores, beginning with a letter or digit"
)
"""What a run may be called, and the id of a job."""


def evaluate(
    dataset: Path,
    /,
    *,
    json: AsJson = False,
    run: RunFlags = ONE_OF_EACH,
    flags: SettingFlags = NO_FLAGS,
) -> int:
    """Run every task of a dataset, then report.

    The report goes to standard output, progress to standard error. Workers that are running and ask the model that is
    meant do the work; if there are none, the command runs one for itself.

    Args:
        dataset: a JSONL file, gzipped or not: one task a line.
        json: the report as JSON.
    """
    from jobs.datasets.readers import read_tasks

    settings = read_settings(flags, quiet=True)
    tasks = read_tasks(dataset)
    run_id = new_id("run") if run.run is None else run.run
    jobs = make_jobs(tasks, run_id, settings, samples=run.samples, max_attempts=run.max_attempts)
    resume = same_command(*(() if run.run is not None else ("--run", run_id)))
    try:
        report = run_and_report(
            settings, run_id, jobs, as_json=json, how_to_go_on=f"go on with:  {resume}"
        )
    except (KeyboardInterrupt, asyncio.CancelledError):
        talk(f"\nstopped; what is recorded stays, the rest is still queued. Go on with:  {resume}")
        if json:
            note = "what is recorded stays, the rest is still queued"
            error = StoppedError("stopped", fixes=[f"go on with:  {resume}"], note=note)
            show_error(error, as_json=True)
        return ExitCode.INTERRUPTED
    is_complete = _tell_what_is_missing(report, len(jobs), resume)
    if run.fail_under is not None and (report.solved.value or 0.0) < run.fail_under:
        talk(f"gate     --fail-under {run.fail_under}: FAILED")
        return ExitCode.GATE_FAILED
    # A gate is about the jobs that were judged, and passes no run of which some were not.
    return ExitCode.OK if is_complete else ExitCode.INCOMPLETE


def _tell_what_is_missing(report: Report, n_jobs: int, resume: str) -> bool:
    """Say how to get the verdicts that are missing, and return whether none is."""
    if report.unscored:
        # What has its record is not run again under the same name, our own failures included.
        n_failed = len(report.unscored)
        talk(
            f"{n_failed} of {n_jobs} jobs failed because of us; try again under another --run NAME"
        )
    n_unrecorded = n_jobs - report.n_jobs
    if n_unrecorded:
        talk(f"{n_unrecorded} of {n_jobs} jobs have no record; go on with:  {resume}")
    return not report.unscored and not n_unrecorded


def make_jobs(
    tasks: list[Task],
    run_id: str,
    settings: Settings,
    *,
    samples: int = 1,
    max_attempts: int | None = None,
) -> list[PromptJob]:
    """The jobs of a run: every task, so many times.

    Raises:
        UsageError: the run's name cannot be one.
    """
    from jobs.models import is_identifier

    if not is_identifier(run_id):
        raise UsageError(
            f"{run_id!r} cannot name a run",
            fixes=[NAMES],
            note="nothing was queued",
        )
    return [
        task.to_job(
            run_id,
            sample=sample,
            max_attempts=max_attempts or settings.attempts.max,
            limits=settings.limits,
        )
        for task in tasks
        for sample in range(samples)
    ]


def run_and_report(
    settings: Settings, run_id: str, jobs: list[PromptJob], *, as_json: bool, how_to_go_on: str
) -> Report:
    """Run the jobs, show how far they are, and print the report.

    Raises:
        PromptmillError: nothing was queued, or it says what was, and how to go on.
    """
    from jobs.reports import build_report
    from jobs.reports.text import report_lines

    from .progress import RunProgress
    from .running import run_jobs

    async def records() -> list[Record]:
        with RunProgress(run_id, len(jobs)) as progress:
            return await run_jobs(settings, jobs, progress, how_to_go_on)

    report = build_report(asyncio.run(records()))
    if as_json:
        emit_json({"runId": run_id, **report.model_dump(mode="json", by_alias=True)})
    else:
        place = redact_known_forms(str(settings.records_place))
        emit(f"run {run_id}   {counted(report.n_jobs, 'record')} in {place}\n")
        for line in report_lines(report):
            emit(escaped(line))
    return report
