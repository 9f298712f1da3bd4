"""`promptmill job`: look at finished jobs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import aclosing
from json import dumps
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from config.escaping import escaped, escaped_block, escaped_json
from jobs.errors import ExitCode, RecordNotFoundError, UsageError

from .cases import cases_lines, failed_case
from .execution import execution_lines
from .flags import NO_FLAGS, AsJson, SettingFlags, Switch, WholeNumber, read_settings
from .output import counted, emit, emit_json, talk

if TYPE_CHECKING:
    from config.settings import Settings
    from jobs.handed_back import Returned
    from jobs.models import Attempt, PromptJob, Record, Trust
    from jobs.summaries import Summary

_TRUST: dict[Trust, str] = {
    "separate_process": "outside the program's process",
    "reported_by_gemini": "against what Gemini says that it printed",
    "same_process": "by tests in the program's own process, which it could cheat",
}


def list_jobs(
    *,
    run: str | None = None,
    limit: Annotated[WholeNumber, Parameter(validator=validators.Number(gte=1))] = 50,
    json: AsJson = False,
    flags: SettingFlags = NO_FLAGS,
) -> int:
    """Finished jobs, the latest to finish first.

    Args:
        run: only the jobs of this run.
        limit: jobs at most.
        json: as JSON.
    """
    # One more than is shown, to know whether there are more.
    found = asyncio.run(_summaries(read_settings(flags), run, limit + 1))
    shown = found[:limit]
    if json:
        emit_json([summary.model_dump(mode="json", by_alias=True) for summary in shown])
    else:
        _list(shown, run)
    if len(found) > limit:
        talk(f"there are more; see them with --limit {limit * 10}")
    return ExitCode.OK


def _list(shown: list[Summary], run: str | None) -> None:
    if not shown:
        talk(
            "there are no finished jobs here yet; start with: promptmill demo"
            if run is None
            else f"run {run!r} has no finished jobs here; see all with: promptmill job list"
        )
    for job in shown:
        mark = "  recording" if job.simulated else ""
        counts = f"{job.verdict:<22}x{job.attempts:<3}"
        place = f"{job.run_id or '-'}  {job.task_id or '-'}"
        emit(escaped(f"{job.job_id}  {counts} {place}  {job.explanation}{mark}"))


def show_job(
    job_id: str,
    /,
    *,
    attempt: Annotated[WholeNumber | None, Parameter(validator=validators.Number(gte=1))] = None,
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
    record = asyncio.run(_found(read_settings(flags), job_id))
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


async def _summaries(settings: Settings, run_id: str | None, limit: int) -> list[Summary]:
    from jobs.records.opening import open_store

    async with aclosing(open_store(settings.records_place, prefix=settings.redis.prefix)) as store:
        return [summary async for summary in store.summaries(run_id=run_id, limit=limit)]


async def _found(settings: Settings, job_id: str) -> Record:
    try:
        return await _find_one(settings, job_id)
    except RecordNotFoundError as error:
        from .unfinished import explained

        raise await explained(settings, job_id, error) from None


async def _find_one(settings: Settings, beginning: str) -> Record:
    from jobs.records.opening import open_store

    if not beginning:
        raise UsageError("the id is empty", fixes=["see what there is: promptmill job list"])
    async with aclosing(open_store(settings.records_place, prefix=settings.redis.prefix)) as store:
        if await store.has(beginning):
            return await store.get(beginning)
        found = [job.job_id async for job in store.summaries(beginning=beginning, limit=2)]
        if len(found) > 1:
            raise UsageError(
                f"several jobs begin with {beginning!r}",
                fixes=[f"give more of it, as in {found[0]}"],
            )
        return await store.get(found[0] if found else beginning)


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
    isolation = record.isolation
    words = (
        f"{isolation.profile}: {' '.join(isolation.layers)}" if isolation else "nothing ran here"
    )
    yield f"sandbox    {words}"
    if not with_content:
        yield "           prompt, programs and output are left out; add --content to see them"


def _attempt_lines(job: PromptJob, attempt: Attempt, *, with_content: bool) -> Iterator[str]:
    yield f"attempt {attempt.number}  {attempt.verdict}  {attempt.explanation}"
    yield from (f"  {note}" for note in _notes(attempt))
    if attempt.execution is not None:
        yield from (f"  {line}" for line in execution_lines(attempt.execution))
        because = f": {attempt.trust_reason}" if attempt.trust_reason else ""
        yield f"  checked   {_TRUST[attempt.trust]}{because}"
        yield from (f"  cases     {line}" for line in cases_lines(job, attempt))
    if with_content:
        yield from _content_lines(job, attempt)


def _notes(attempt: Attempt) -> Iterator[str]:
    from jobs.conversations import END_IN_WORDS

    if attempt.conversation > 1:
        yield f"asked anew: conversation {attempt.conversation}"
    if attempt.executed_by == "gemini":
        yield "run by Gemini, and not here: nobody can say more of it than its result"
    if attempt.reply.cached:
        yield "its reply came out of the cache, and was paid for earlier"
    for rerun in attempt.reruns:
        ended = "over its time again" if rerun.is_over_again else "in time"
        load = rerun.load.load_average
        busy = "" if load is None else f", load {load:g} on {rerun.load.cores} cores"
        yield f"over its time ({rerun.first.limit_hit or 'its tests'}{busy}) and run again alone: {ended}"
    for leak in attempt.leaks:
        yield f"WARNING: the {leak.place} holds what is hidden of its check ({leak.case})"
    if attempt.end in END_IN_WORDS:
        yield END_IN_WORDS[attempt.end]


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
