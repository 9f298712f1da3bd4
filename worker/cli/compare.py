"""`promptmill compare`: whether runs differ by more than chance."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from config.escaping import escaped, escaped_block
from jobs.errors import ExitCode, UsageError

from .flags import NO_FLAGS, AsJson, SettingFlags, Switch, read_settings
from .output import counted, json_text, talk
from .reading import records_in
from .report import ReportFormat, form_of
from .writing import deliver

if TYPE_CHECKING:
    from config.settings import Settings
    from jobs.reports.comparing import Comparison, Flip, Results

_SHOWN_FLIPS = 20
Margin = Annotated[float | None, Parameter(validator=validators.Number(gte=0, lte=1))]


@Parameter(name="*")
@dataclass(frozen=True)
class GateFlags:
    """What a later run must not fall short of."""

    fail_if_worse: Annotated[
        Margin,
        Parameter(
            help="exit with 1 if a run is worse than the first by more than this (0 to 1): "
            "the whole interval says so"
        ),
    ] = None
    fail_unless_as_good: Annotated[
        Margin,
        Parameter(
            help="exit with 1 unless every run is as good as the first within this (0 to 1): "
            "the whole interval says so"
        ),
    ] = None


NO_GATES = GateFlags()


def compare(
    first: str,
    /,
    *others: str,
    allow_different: Switch = False,
    output: Annotated[
        Path | None,
        Parameter(help="a file; a page for a browser where it ends in .html, JSON in .json"),
    ] = None,
    json: AsJson = False,
    gates: GateFlags = NO_GATES,
    flags: SettingFlags = NO_FLAGS,
) -> int:
    """Whether runs differ from the first one by more than chance, task by task.

    Jobs that failed because of us are in no figure; with a gate that is passed, the exit code is 5 where there are any.

    Args:
        first: the run that the others are held against.
        others: one run or more.
        allow_different: compare runs whose dataset, policies or limits are not the same, too.
        json: as JSON.
    """
    from jobs.reports.comparing import compare as compared

    if not others or len({first, *others}) <= len(others):
        raise UsageError(
            "at least two runs are compared, each named once",
            fixes=[
                "name them:  promptmill compare RUN RUN",
                "see which there are: promptmill run list",
            ],
        )
    form = _form_of(output, as_json=json)
    runs = asyncio.run(_read(read_settings(flags), (first, *others)))
    if not allow_different:
        _refuse_different(runs)
    found = compared(runs)
    deliver(_written(found, form), output)
    return _gate(found, gates)


def _form_of(output: Path | None, *, as_json: bool) -> ReportFormat:
    form = form_of(None, output, as_json=as_json)
    if form in {ReportFormat.MARKDOWN, ReportFormat.JUNIT}:
        raise UsageError(
            f"a comparison is written as text, JSON or HTML, and not as {form}",
            fixes=["name a file that ends in .html, .json or .txt"],
        )
    return form


def _written(found: list[Comparison], form: ReportFormat) -> Iterator[str]:
    match form:
        case ReportFormat.HTML:
            from jobs.reports.html.comparison import comparison_page

            yield from map(escaped_block, comparison_page(found))
        case ReportFormat.JSON:
            yield json_text([each.model_dump(mode="json", by_alias=True) for each in found])
        case _:
            for each in found:
                yield from map(escaped, _lines(each, n_compared=len(found)))


async def _read(settings: Settings, run_ids: tuple[str, ...]) -> list[Results]:
    from jobs.reports.comparing import Results

    runs: list[Results] = []
    for run_id in run_ids:
        results = Results(run_id)
        async for record in records_in(settings, run_id):
            results.add(record)
        runs.append(results)
    return runs


def _refuse_different(runs: list[Results]) -> None:
    first, *others = runs
    facts = {
        f"{first.run_id} and {other.run_id}": "\n".join(differences)
        for other in others
        if (differences := first.differences(other))
    }
    if facts:
        raise UsageError(
            "the runs were not made under the same conditions, and their difference may come from that",
            facts=facts,
            fixes=["compare them all the same:  --allow-different"],
        )


def _lines(found: Comparison, *, n_compared: int) -> Iterator[str]:
    yield f"{found.second} beside {found.first}: {counted(found.n_tasks, 'task')}"
    yield from _flip_lines("gained", found.gained)
    yield from _flip_lines("lost", found.lost)
    yield f"same        {found.n_same}"
    yield from figure_lines(found, n_compared=n_compared)
    yield ""


def figure_lines(found: Comparison, *, n_compared: int = 1) -> Iterator[str]:
    """How far the two are apart, what that is worth, and what to beware of."""
    yield f"rates       {found.first}: {100 * found.first_rate:.1f} %   {found.second}: {100 * found.second_rate:.1f} %"
    interval = f"95 % interval {100 * found.low:+.1f} to {100 * found.high:+.1f}"
    yield f"difference  {100 * found.difference:+.1f} points, {interval}"
    adjusted = f", {found.p_adjusted:.3g} by Holm for {n_compared} runs" if n_compared > 1 else ""
    yield f"p           {found.p:.3g}{adjusted}   ({found.method})"
    yield f"so          {found.conclusion}"
    if found.n_left_out:
        tasks = counted(found.n_left_out, "task")
        yield f"left out    {tasks} that one of them has not judged, or leaves out of its score"
    if found.n_unscored:
        yield f"not judged  {counted(found.n_unscored, 'job')} that failed because of us, in no figure above"
    for difference in found.differences:
        yield f"beware      {difference}"


def _flip_lines(name: str, flips: tuple[Flip, ...]) -> Iterator[str]:
    yield f"{name:<12}{len(flips)}"
    for flip in flips[:_SHOWN_FLIPS]:
        yield f"  {flip.task_id}   {flip.first:.2g} -> {flip.second:.2g}"
    if len(flips) > _SHOWN_FLIPS:
        yield f"  … and {len(flips) - _SHOWN_FLIPS} more"


def _gate(found: list[Comparison], gates: GateFlags) -> ExitCode:
    worse, as_good = gates.fail_if_worse, gates.fail_unless_as_good
    failed = [
        *(
            f"{c.second} --fail-if-worse {worse}"
            for c in found
            if worse is not None and c.high < -worse
        ),
        *(
            f"{c.second} --fail-unless-as-good {as_good}"
            for c in found
            if as_good is not None and c.low < -as_good
        ),
    ]
    for each in failed:
        talk(escaped(f"gate     {each}: FAILED"))
    if failed:
        return ExitCode.GATE_FAILED
    has_gate = worse is not None or as_good is not None
    # As in eval: a gate passes no run of which some jobs were not judged.
    is_whole = not any(each.n_unscored for each in found)
    return ExitCode.OK if is_whole or not has_gate else ExitCode.INCOMPLETE
