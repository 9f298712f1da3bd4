"""`promptmill dataset`: look at a dataset before it is paid for."""

from __future__ import annotations

import asyncio
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from config.escaping import escaped
from jobs.errors import ExitCode, UsageError

from .flags import NO_FLAGS, AsJson, Format, SettingFlags, WholeNumber, read_settings
from .output import counted, emit, emit_json, talk

if TYPE_CHECKING:
    from config.settings import Settings
    from jobs.datasets import Task
    from jobs.datasets.findings import Findings, Found


def check_dataset(
    dataset: Path,
    /,
    *,
    form: Format = None,
    repeats: Annotated[
        WholeNumber,
        Parameter(
            validator=validators.Number(gte=1, lte=100),
            help="how often each reference is run, each time with another hash seed (1 to 100)",
        ),
    ] = 3,
    output: Annotated[
        Path | None, Parameter(help="a file for what was found, which eval --exclude takes")
    ] = None,
    json: AsJson = False,
    flags: SettingFlags = NO_FLAGS,
) -> int:
    """Find rows that say nothing of a model: no call of one is made, and nothing is queued.

    References have to pass, each time; broken references, empty programs and such as end at once must not. Exits with
    1 if some row is broken, flaky, slow, unfalsifiable, a duplicate, or needs packages that are not here.

    Args:
        dataset: a file of tasks, as eval takes it.
        json: what was found as JSON.
    """
    settings = read_settings(flags, quiet=True)
    found = asyncio.run(_findings(settings, dataset, form, repeats))
    if output is not None:
        try:
            output.write_text(f"{found.to_json(indent=2)}\n", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{output} cannot be written: {error.strerror or error}") from None
    if json:
        emit_json(found.model_dump(mode="json", by_alias=True))
    else:
        as_format = () if form is None else ("--format", form)
        _show(found, shlex.join(["promptmill", "eval", str(dataset), *as_format]), output)
    return ExitCode.GATE_FAILED if found.found else ExitCode.OK


def _show(found: Findings, how_to_run: str, output: Path | None) -> None:
    for each in found.found:
        emit(escaped(f"{each.fault.value:<16}{each.id}   {each.why}"))
    counts = ", ".join(f"{n} {fault.value}" for fault, n in sorted(found.counts.items()))
    references = f"{found.n_with_reference} with a reference"
    talk(f"{counted(found.n_rows, 'row')}, {references}: {counts or 'nothing wrong with any'}")
    if found.found and output is not None:
        command = f"{how_to_run} --exclude {shlex.quote(str(output))}"
        talk(escaped(f"leave them out of the score:  {command}"))
    elif found.found:
        talk(
            "leave them out of the score: write them to a file with --output, and give that to eval --exclude"
        )


async def _findings(settings: Settings, dataset: Path, form: str | None, repeats: int) -> Findings:
    """Everything that is wrong with any row.

    Raises:
        PromptmillError: the dataset cannot be read, or our sandbox failed.
    """
    from dataclasses import replace

    from jobs.datasets.findings import Findings, duplicates_in
    from jobs.datasets.named import place_of
    from jobs.datasets.readers import read_tasks
    from jobs.datasets.reading import reading_as

    tasks = read_tasks(place_of(dataset), replace(reading_as(form), takes_faulty=True))
    numbered: dict[int, Task] = dict(enumerate(tasks))
    duplicates = duplicates_in(task.id or "" for task in numbered.values())
    seen: set[str | None] = set()
    first = {}
    for number, task in numbered.items():
        if task.id not in seen:
            first[number] = task
        seen.add(task.id)
    rows = await _of_rows(settings, first, repeats)
    return Findings(
        dataset=str(dataset),
        n_rows=len(tasks),
        n_with_reference=sum(task.reference is not None for task in numbered.values()),
        n_repeats=repeats,
        found=(*duplicates, *rows),
    )


async def _of_rows(settings: Settings, tasks: dict[int, Task], repeats: int) -> list[Found]:
    from worker.sandbox import open_sandbox, packages_of
    from worker.solver.row_checks import RowChecks, lacking_packages, useless_rows

    python = settings.sandbox.python
    packages = packages_of(python.environment, python.preload)
    n_slots = settings.sandbox.slots or os.cpu_count() or 1
    checks = RowChecks(settings.limits, settings.ceiling, n_slots)
    async with await open_sandbox(settings.sandbox.require, packages) as sandbox:
        unusable = useless_rows(tasks) | await lacking_packages(tasks, sandbox)
        usable = {number: task for number, task in tasks.items() if number not in unusable}
        talk(f"{counted(len(usable), 'row')} to be tried")
        passing = await checks.look_for_what_passes(usable, sandbox)
    for number in range(repeats):
        # Programs of one sandbox share their hash seed.
        async with await open_sandbox(settings.sandbox.require, packages) as sandbox:
            await checks.run_references(usable, sandbox)
        talk(f"references were run {counted(number + 1, 'time')} of {repeats}")
    return [*unusable.values(), *passing, *checks.of_references(usable)]
