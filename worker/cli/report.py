"""`promptmill report`: what a run came to, from its records."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from config.escaping import escaped, escaped_block
from config.redaction import redact_known_forms
from jobs.errors import ExitCode, UsageError

from .flags import NO_FLAGS, AsJson, SettingFlags, read_settings
from .output import counted, emit, emit_json
from .reading import outlines_in, records_in

if TYPE_CHECKING:
    from config.settings import Settings
    from jobs.reports import Report


class ReportFormat(StrEnum):
    """How a report is written."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"
    JUNIT = "junit"


def report(
    run_id: str,
    /,
    *,
    form: Annotated[
        ReportFormat, Parameter(name="--format", help="text, markdown, json or junit")
    ] = ReportFormat.TEXT,
    json: AsJson = False,
    flags: SettingFlags = NO_FLAGS,
) -> int:
    """What a run came to, from its records: rates with their intervals, what each attempt gained, times and cost.

    Jobs that failed because of us are counted, listed, and in no rate; then the exit code is 5.

    Args:
        run_id: its name.
        json: the same as --format json.
    """
    if json and form not in {ReportFormat.TEXT, ReportFormat.JSON}:
        raise UsageError(f"--json does not go with --format {form}", fixes=["give one of the two"])
    settings = read_settings(flags)
    wanted = ReportFormat.JSON if json else form
    if wanted is ReportFormat.JUNIT:
        document, n_unscored = asyncio.run(_junit(settings, run_id))
        emit(escaped_block(document))
        return ExitCode.INCOMPLETE if n_unscored else ExitCode.OK
    found = asyncio.run(report_of(settings, run_id))
    if wanted is ReportFormat.JSON:
        emit_json({"runId": run_id, **found.model_dump(mode="json", by_alias=True)})
    else:
        for line in _lines(settings, run_id, found, wanted):
            emit(escaped(line))
    return ExitCode.INCOMPLETE if found.unscored else ExitCode.OK


async def report_of(settings: Settings, run_id: str) -> Report:
    """The report of a run.

    Raises:
        RunNotFoundError: it has no records.
    """
    from jobs.reports import ReportBuilder

    builder = ReportBuilder()
    async for outline in outlines_in(settings, run_id):
        builder.add(outline)
    return builder.report()


async def _junit(settings: Settings, run_id: str) -> tuple[str, int]:
    from jobs.reports.junit import JUnitBuilder

    builder = JUnitBuilder(run_id)
    n_unscored = 0
    async for record in records_in(settings, run_id):
        builder.add(record)
        n_unscored += not record.verdict.is_scored
    return builder.document(), n_unscored


def _lines(settings: Settings, run_id: str, found: Report, form: ReportFormat) -> Iterator[str]:
    from jobs.reports.markdown import markdown_lines
    from jobs.reports.text import report_lines

    if form is ReportFormat.MARKDOWN:
        yield from markdown_lines(run_id, found)
        return
    place = redact_known_forms(str(settings.records_place))
    yield f"run {run_id}   {counted(found.n_jobs, 'record')} in {place}"
    yield ""
    yield from report_lines(found)
