"""`promptmill rescore`: stored answers judged again under other conditions, and no model asked."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from config.escaping import escaped
from jobs.clock import new_id
from jobs.errors import ExitCode, UsageError
from jobs.extraction_policies import ExtractionPolicy

from .flags import NO_FLAGS, AsJson, SettingFlags, read_settings
from .output import counted, emit, emit_json, talk
from .program_flags import NO_LIMITS, LimitFlags
from .resuming import same_command

if TYPE_CHECKING:
    from jobs.reports.comparing import Comparison
    from jobs.rescoring import Conditions, VerdictChange, VerdictChanges

    from .rescoring import Again

_SHOWN = 20
_NO_PREAMBLE = "none"
_NOTHING = "nothing was queued"


@Parameter(name="*")
@dataclass(frozen=True)
class RescoreFlags:
    """What is to be other than it was; what is left out stays."""

    extraction: Annotated[
        ExtractionPolicy | None,
        Parameter(
            help="how programs are found: structure-first, first-fence, last-fence or whole-reply"
        ),
    ] = None
    preamble: Annotated[
        str | None,
        Parameter(
            allow_leading_hyphen=True,
            help="source code that is put before each program: text, @FILE, or none",
        ),
    ] = None
    dataset: Annotated[
        Path | None,
        Parameter(
            help="the tasks as they are now: answers are judged by their checks; tasks not in it are left out"
        ),
    ] = None
    run: Annotated[
        str | None,
        Parameter(
            help="a name for the new run; under the same name it goes on where it was stopped"
        ),
    ] = None


AS_IT_WAS = RescoreFlags()


def rescore(
    run_id: str,
    /,
    *,
    json: AsJson = False,
    wanted: RescoreFlags = AS_IT_WAS,
    limits: LimitFlags = NO_LIMITS,
    flags: SettingFlags = NO_FLAGS,
) -> int:
    """Judge the answers of a run again, with another way to find programs, other limits or newer checks.

    The answers come from its records, no model is asked and nothing is paid. They become a run of their own, each job
    of which names the one it judges again. Then it is told which verdicts changed, solved and unsolved first.

    Args:
        run_id: the run whose answers are judged again.
        json: as JSON.
    """
    from .rescoring import changes_of, jobs_of
    from .running import run_to_end

    if flags.model is not None:
        raise UsageError("rescore asks no model", fixes=["leave out --model"], note=_NOTHING)
    new_run = new_id("run") if wanted.run is None else wanted.run
    settings = read_settings(flags, quiet=True, overrides={"model.name": f"replay:run:{run_id}"})
    resume = same_command(*(() if wanted.run is not None else ("--run", new_run)))
    conditions = _conditions(wanted, limits)
    with tempfile.TemporaryDirectory(prefix="promptmill-") as folder:
        again = asyncio.run(
            jobs_of(settings, run_id, new_run, conditions, wanted.dataset, Path(folder))
        )
        try:
            report = run_to_end(settings, again.batch, f"go on with:  {resume}")
        except KeyboardInterrupt:
            talk(f"\nstopped; what is recorded stays. Go on with:  {resume}")
            return ExitCode.INTERRUPTED
    changes, comparison = asyncio.run(changes_of(settings, run_id, new_run))
    n_missing = again.batch.n_jobs - report.n_jobs
    if json:
        emit_json({"rescores": run_id, **_as_object(again, changes, comparison)})
    else:
        for line in _lines(again, changes, comparison):
            emit(escaped(line))
    if n_missing:
        talk(f"{n_missing} of {again.batch.n_jobs} jobs have no record; go on with:  {resume}")
    return ExitCode.INCOMPLETE if report.unscored or n_missing else ExitCode.OK


def _conditions(wanted: RescoreFlags, limits: LimitFlags) -> Conditions:
    from jobs.rescoring import Conditions

    given = {name: value for name, value in asdict(limits).items() if value is not None}
    return Conditions(wanted.extraction, _preamble(wanted.preamble), given)


def _preamble(words: str | None) -> str | None:
    if words is None or not words.startswith("@"):
        return "" if words == _NO_PREAMBLE else words
    try:
        return Path(words[1:]).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the preamble {words[1:]!r} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}",
            note=_NOTHING,
        ) from error


def _as_object(again: Again, changes: VerdictChanges, comparison: Comparison) -> dict[str, object]:
    return {
        "runId": again.batch.run_id,
        "jobs": again.batch.n_jobs,
        "leftOut": dict(again.left_out),
        "same": changes.n_same,
        "changes": [each.model_dump(mode="json", by_alias=True) for each in changes.flips_first],
        "comparison": comparison.model_dump(mode="json", by_alias=True),
    }


def _lines(again: Again, changes: VerdictChanges, comparison: Comparison) -> Iterator[str]:
    from .compare import figure_lines

    yield f"run {comparison.second}: {counted(again.batch.n_jobs, 'answered job')} of {comparison.first}, judged again"
    for reason, n in again.left_out.items():
        yield f"left out    {counted(n, 'record')} {reason}"
    yield from _changed("gained", changes.gained)
    yield from _changed("lost", changes.lost)
    yield from _changed("otherwise", changes.others)
    yield f"same        {changes.n_same}"
    yield from figure_lines(comparison)
    yield f"its report: promptmill report {comparison.second}"


def _changed(name: str, changes: tuple[VerdictChange, ...]) -> Iterator[str]:
    yield f"{name:<12}{len(changes)}"
    for each in changes[:_SHOWN]:
        sample = f" #{each.sample}" if each.sample else ""
        yield f"  {each.task_id or each.job_id}{sample}   {each.before} -> {each.after}"
    if len(changes) > _SHOWN:
        yield f"  … and {len(changes) - _SHOWN} more"
