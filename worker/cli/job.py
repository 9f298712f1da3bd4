"""`promptmill job`: look at finished jobs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from json import dumps
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from config.escaping import escaped, escaped_block, escaped_json
from jobs.errors import ExitCode, UsageError

from .cases import cases_lines, failed_case
from .execution import execution_lines
from .flags import NO_FLAGS, AsJson, SettingFlags, Switch, read_settings
from .output import counted, emit, emit_json, talk

if TYPE_CHECKING:
    from config.settings import Settings
    from jobs.errors import StoreError
    from jobs.models import Attempt, PromptJob, Record, Returned, Trust

_SHOWN_UNREADABLE = 20

_TRUST: dict[Trust, str] = {
    "separate_process": "outside the program's process",
    "same_process": "by tests in the program's own process, which it could cheat",
}


def list_jobs(
    *,
    run: str | None = None,
    limit: Annotated[int, Parameter(validator=validators.Number(gte=1))] = 50,
    json: AsJson = False,
    flags: SettingFlags = NO_FLAGS,
) -> int:
    """Finished jobs, the newest first.

    Args:
        run: only the jobs of this run.
        limit: jobs at most.
        json: as JSON.
    """
    unreadable: list[StoreError] = []
    records = asyncio.run(_find(read_settings(flags), run, unreadable))
    shown = sorted(records, key=lambda record: record.finished_at, reverse=True)[:limit]
    if json:
        emit_json([_summary(record) for record in shown])
    else:
        _list(shown, run)
        if len(records) > len(shown):
            talk(f"{len(records) - len(shown)} more; see them with --limit {len(records)}")
    return _tell_what_is_unreadable(unreadable)


def _list(shown: list[Record], run: str | None) -> None:
    if not shown:
        talk(
            "there are no finished jobs here yet; start with: promptmill demo"
            if run is None
            else f"run {run!r} has no finished jobs here; see all with: promptmill job list"
        )
    for record in shown:
        task = record.job.task_id or "-"
        mark = "  recording" if record.simulated else ""
        counts = f"{record.verdict:<22}x{len(record.attempts):<3}"
        place = f"{record.job.run_id or '-'}  {task}"
        emit(escaped(f"{record.job_id}  {counts} {place}  {record.explanation}{mark}"))


def _tell_what_is_unreadable(unreadable: list[StoreError]) -> ExitCode:
    if not unreadable:
        return ExitCode.OK
    talk(f"{counted(len(unreadable), 'record')} cannot be read and had to be left out:")
    for error in unreadable[:_SHOWN_UNREADABLE]:
        talk(escaped(f"  {error.in_one_line}"))
    if len(unreadable) > _SHOWN_UNREADABLE:
        talk(f"  … and {len(unreadable) - _SHOWN_UNREADABLE} more")
    return ExitCode.INCOMPLETE


def show_job(
    job_id: str,
    /,
    *,
    attempt: Annotated[int | None, Parameter(validator=validators.Number(gte=1))] = None,
    content: Switch = False,
    json: AsJson = False,
    flags: SettingFlags = NO_FLAGS,
) -> int:
    """One job with all its attempts.

    What models and programs wrote is shown on a terminal, or with --content: a program that reads this output should
    not be talked to by them unawares. One line on how each attempt did is always shown.

    Args:
        job_id: the id, or enough of its beginning to be the only one.
        attempt: only this attempt.
        content: also programs, their output and feedback, where standard output is no terminal.
        json: the whole record as JSON.
    """
    record = asyncio.run(_find_one(read_settings(flags), job_id))
    if attempt is not None and attempt > len(record.attempts):
        raise UsageError(
            f"job {record.job_id!r} has {counted(len(record.attempts), 'attempt')}, none of number {attempt}"
        )
    if json:
        emit(escaped_json(record.to_json(indent=2)))
        return ExitCode.OK
    shown = [kept for kept in record.attempts if attempt in {None, kept.number}]
    for line in _lines(record, shown, with_content=content or sys.stdout.isatty()):
        emit(escaped_block(line))
    return ExitCode.OK


async def _find(
    settings: Settings, run_id: str | None, unreadable: list[StoreError]
) -> list[Record]:
    from jobs.records.files import FileRecordStore

    store = FileRecordStore(settings.records_directory)
    finding = store.find(run_id=run_id, on_unreadable=lambda _, error: unreadable.append(error))
    return [record async for record in finding]


async def _find_one(settings: Settings, beginning: str) -> Record:
    from jobs.records.files import FileRecordStore

    store = FileRecordStore(settings.records_directory)
    if not beginning:
        raise UsageError("the id is empty", fixes=["see what there is: promptmill job list"])
    if await store.has(beginning):
        return await store.get(beginning)
    unreadable: dict[str, StoreError] = {}
    finding = store.find(on_unreadable=lambda path, error: unreadable.update({path.stem: error}))
    found = [record async for record in finding if record.job_id.startswith(beginning)]
    if len(found) > 1:
        raise UsageError(
            f"{len(found)} jobs begin with {beginning!r}",
            fixes=[f"give more of it, as in {found[0].job_id}"],
        )
    for job_id, error in unreadable.items():
        if not found and job_id.startswith(beginning):
            raise error
    return found[0] if found else await store.get(beginning)


def _summary(record: Record) -> dict[str, object]:
    return {
        "jobId": record.job_id,
        "runId": record.job.run_id,
        "taskId": record.job.task_id,
        "sample": record.job.sample,
        "verdict": record.verdict,
        "solvedAt": record.solved_at,
        "attempts": len(record.attempts),
        "simulated": record.simulated,
        "finishedAt": record.finished_at.isoformat(),
    }


def _lines(record: Record, attempts: list[Attempt], *, with_content: bool) -> Iterator[str]:
    from jobs.reports.text import SIMULATED_NOTE

    solved = (
        f" at attempt {record.solved_at} of {record.job.max_attempts}" if record.solved_at else ""
    )
    seconds = (record.finished_at - record.started_at).total_seconds()
    yield f"{record.job_id}   {record.verdict}{solved}   {record.job.task_id or ''}   {seconds:.1f} s"
    yield f"model      {record.requested_model} (served: {record.served_model or 'nothing'})"
    if record.simulated:
        yield f"           {SIMULATED_NOTE}"
    if record.error:
        yield f"error      {record.error}"
    if with_content:
        yield from _quoted("prompt", record.job.prompt)
    for attempt in attempts:
        yield ""
        yield from _attempt_lines(record.job, attempt, with_content=with_content)
    yield ""
    yield f"sandbox    {record.isolation.profile}: {' '.join(record.isolation.layers)}"
    if not with_content:
        yield "           prompt, programs and output are left out; add --content to see them"


def _attempt_lines(job: PromptJob, attempt: Attempt, *, with_content: bool) -> Iterator[str]:
    yield f"attempt {attempt.number}  {attempt.verdict}  {attempt.explanation}"
    if attempt.execution is not None:
        yield from (f"  {line}" for line in execution_lines(attempt.execution))
        because = f": {attempt.trust_reason}" if attempt.trust_reason else ""
        yield f"  checked   {_TRUST[attempt.trust]}{because}"
        yield from (f"  cases     {line}" for line in cases_lines(job, attempt))
    if with_content:
        yield from _content_lines(job, attempt)


def _content_lines(job: PromptJob, attempt: Attempt) -> Iterator[str]:
    if attempt.executable_code is not None:
        yield from _quoted("program", attempt.executable_code.code)
    if attempt.code_execution_result is not None and attempt.code_execution_result.output:
        yield from _quoted("output", attempt.code_execution_result.output)
    if attempt.execution is not None and attempt.execution.returned:
        yield from _quoted("returned", "\n".join(map(_returned, attempt.execution.returned)))
    for title, text in failed_case(job, attempt):
        yield from _quoted(title, text)
    if attempt.feedback is not None:
        yield from _quoted("told the model", attempt.feedback)


def _returned(answer: Returned) -> str:
    if answer.error is not None:
        return f"error: {answer.error}"
    return (
        dumps(answer.value)
        if answer.unfit is None
        else f"what JSON has no word for: {answer.unfit}"
    )


def _quoted(title: str, text: str) -> Iterator[str]:
    yield f"  {title}:"
    for line in text.rstrip("\n").split("\n"):
        yield f"    │ {line}"
