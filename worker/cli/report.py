"""`promptmill report`: what a run came to, from its records."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from config.escaping import escaped, escaped_block
from config.redaction import redact_known_forms
from jobs.errors import ExitCode, UsageError

from .flags import NO_FLAGS, AsJson, SettingFlags, read_settings
from .missing import missing_of
from .output import counted, is_piped, json_text
from .reading import outlines_in, records_in
from .writing import deliver

if TYPE_CHECKING:
    from config.settings import Settings
    from jobs.reports import Report, Unfinished
    from jobs.reports.html import HtmlBuilder


class ReportFormat(StrEnum):
    """How a report is written."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"
    JUNIT = "junit"
    HTML = "html"


_BY_SUFFIX = {
    ".md": ReportFormat.MARKDOWN,
    ".json": ReportFormat.JSON,
    ".xml": ReportFormat.JUNIT,
    ".html": ReportFormat.HTML,
    ".htm": ReportFormat.HTML,
}


def report(
    run_id: str,
    /,
    *,
    form: Annotated[
        ReportFormat | None,
        Parameter(
            name="--format",
            help="text, markdown, json, junit or html; unset: as the file of --output is called, else text",
        ),
    ] = None,
    output: Annotated[Path | None, Parameter(help="a file; unset: standard output")] = None,
    json: AsJson = False,
    flags: SettingFlags = NO_FLAGS,
) -> int:
    """What a run came to, from its records: rates with their intervals, what each attempt gained, times and cost.

    HTML is one file that opens from disk, with plots, a table of all jobs, and the attempts of each with what changed
    between them. Jobs that failed because of us are counted, listed, and in no rate; then the exit code is 5, as it is
    where jobs of the run are still open or were cancelled.

    Args:
        run_id: its name.
        json: the same as --format json.
    """
    wanted = form_of(form, output, as_json=json)
    if wanted is ReportFormat.HTML and output is None and not is_piped():
        raise UsageError(
            "HTML goes into a file, for a browser to open",
            fixes=[f"name it:  promptmill report {run_id} --output {run_id}.html"],
        )
    settings = read_settings(flags)
    match wanted:
        case ReportFormat.HTML:
            is_whole = _deliver_html(settings, run_id, output)
        case ReportFormat.JUNIT:
            document, is_whole = asyncio.run(_junit(settings, run_id))
            deliver([escaped_block(document)], output)
        case _:
            found = asyncio.run(report_of(settings, run_id))
            deliver(_lines(settings, run_id, found, wanted), output)
            is_whole = not found.unscored and found.unfinished is None
    return ExitCode.OK if is_whole else ExitCode.INCOMPLETE


def form_of(form: ReportFormat | None, output: Path | None, *, as_json: bool) -> ReportFormat:
    """The form that is wanted: what was asked for, else what the file is called by.

    Raises:
        UsageError: two were asked for.
    """
    if as_json and form not in {None, ReportFormat.TEXT, ReportFormat.JSON}:
        raise UsageError(f"--json does not go with --format {form}", fixes=["give one of the two"])
    if as_json:
        return ReportFormat.JSON
    if form is not None:
        return form
    suffix = "" if output is None else output.suffix.lower()
    return _BY_SUFFIX.get(suffix, ReportFormat.TEXT)


async def report_of(settings: Settings, run_id: str) -> Report:
    """The report of a run.

    Raises:
        RunNotFoundError: it has no records.
    """
    from jobs.reports import ReportBuilder

    builder, n_records = ReportBuilder(), 0
    async for outline in outlines_in(settings, run_id):
        builder.add(outline)
        n_records += 1
    return builder.report(await missing_of(settings, run_id, n_records))


async def _junit(settings: Settings, run_id: str) -> tuple[str, bool]:
    from jobs.reports.junit import JUnitBuilder

    builder = JUnitBuilder(run_id)
    async for record in records_in(settings, run_id):
        builder.add(record)
    missing = await missing_of(settings, run_id, builder.n_records)
    return builder.document(missing), not builder.n_unscored and missing is None


def _deliver_html(settings: Settings, run_id: str, output: Path | None) -> bool:
    from jobs.reports.html import HtmlBuilder

    with closing(HtmlBuilder(run_id)) as builder:
        missing = asyncio.run(_take_in(settings, run_id, builder))
        deliver(map(escaped_block, builder.document(missing)), output)
        return not builder.n_unscored and missing is None


async def _take_in(settings: Settings, run_id: str, builder: HtmlBuilder) -> Unfinished | None:
    async for record in records_in(settings, run_id):
        builder.add(record)
    return await missing_of(settings, run_id, builder.n_records)


def _lines(settings: Settings, run_id: str, found: Report, form: ReportFormat) -> Iterator[str]:
    from jobs.reports.markdown import markdown_lines
    from jobs.reports.text import report_lines

    if form is ReportFormat.JSON:
        yield json_text({"runId": run_id, **found.model_dump(mode="json", by_alias=True)})
        return
    if form is ReportFormat.MARKDOWN:
        yield from map(escaped, markdown_lines(run_id, found))
        return
    place = redact_known_forms(str(settings.records_place))
    yield escaped(f"run {run_id}   {counted(found.n_jobs, 'record')} in {place}")
    yield ""
    yield from map(escaped, report_lines(found))
