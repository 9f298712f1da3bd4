"""`promptmill schedule`: add, change, hold and start runs by the clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from config.escaping import escaped
from jobs.clock import utcnow
from jobs.errors import ExitCode, UsageError
from jobs.languages import Language
from jobs.schedules.policies import CatchUp, Overlap

from .asking import Reason, with_queue
from .budget_flags import NO_BUDGET, BudgetFlags
from .flags import (
    NO_FLAGS,
    NO_LANE_FLAGS,
    AsJson,
    Attempts,
    CodeExecution,
    FeedbackFlag,
    Format,
    LaneFlags,
    SettingFlags,
    Switch,
    WholeNumber,
    read_settings,
)
from .output import counted, emit, emit_json, talk
from .part_flags import ALL_OF_IT, PartFlags
from .schedule import Zone

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.queue import JobQueue
    from jobs.schedules.models import Fate
    from jobs.schedules.state import Kept

    from .declaring import Declared

_MOST_BACKFILLED = 1000
_A_MOMENT = timedelta(microseconds=1)
_UNCHANGED = "nothing was started"


@Parameter(name="*")
@dataclass(frozen=True)
class WorkFlags:
    """What each run of a schedule is."""

    prompt: Annotated[
        str | None, Parameter(allow_leading_hyphen=True, help="one prompt, or @FILE")
    ] = None
    jsonl: Annotated[Path | None, Parameter(help="a file of jobs, as submit takes it")] = None
    eval: Annotated[Path | None, Parameter(help="a dataset, as eval takes it")] = None
    language: Annotated[Language | None, Parameter(help="of the prompt's program (python)")] = None
    expect: Annotated[
        str | None, Parameter(allow_leading_hyphen=True, help="text that its program must print")
    ] = None
    tests: Annotated[Path | None, Parameter(help="file of tests that it must pass")] = None
    max_attempts: Annotated[
        Attempts, Parameter(help="generations for each job, the first one counted (1 to 20)")
    ] = None
    samples: Annotated[
        WholeNumber,
        Parameter(
            validator=validators.Number(gte=1, lte=1000), help="jobs for each task of an eval"
        ),
    ] = 1
    form: Format = None
    exclude: Annotated[
        Path | None,
        Parameter(help="what dataset check found: these rows of an eval are left out of its score"),
    ] = None
    cache: Annotated[
        bool | None, Parameter(help="take replies of an eval that were paid for before")
    ] = None
    code_execution: CodeExecution = False
    feedback: FeedbackFlag = None


@Parameter(name="*")
@dataclass(frozen=True)
class PolicyFlags:
    """What becomes of instants that something is in the way of."""

    overlap: Annotated[
        Overlap,
        Parameter(help="while an earlier run is not over: skip, queue-one, allow, cancel-old"),
    ] = Overlap.SKIP
    catch_up: Annotated[
        CatchUp, Parameter(help="what no worker was there for: once, none or all")
    ] = CatchUp.ONCE
    catch_up_window: Annotated[
        str, Parameter(help="how late a run may be started, such as 90s, 10m, 24h or 7d")
    ] = "24h"
    jitter: Annotated[
        str,
        Parameter(
            help="runs begin up to so much later, such as 5m (24h at most); always as much for one"
        ),
    ] = "0s"
    pause_on_failure: Annotated[
        bool, Parameter(negative=(), help="pause it when a run fails because of us")
    ] = False


NO_WORK = WorkFlags()
DEFAULT_POLICY = PolicyFlags()


def add_schedule(  # noqa: PLR0913  (groups of flags)
    name: str,
    cron: str,
    /,
    *,
    tz: Zone = "UTC",
    json: AsJson = False,
    work: WorkFlags = NO_WORK,
    part: PartFlags = ALL_OF_IT,
    policy: PolicyFlags = DEFAULT_POLICY,
    lane: LaneFlags = NO_LANE_FLAGS,
    budget: BudgetFlags = NO_BUDGET,
    flags: SettingFlags = NO_FLAGS,
) -> int:
    """Run a prompt, a file of prompts or an eval by the clock; an earlier schedule of that name is replaced.

    Args:
        name: what it is called; its runs are called NAME@INSTANT.
        cron: five fields in quotes, six with seconds in front, or @daily and its like.
        json: as JSON.
    """
    from dataclasses import asdict

    from .declaring import Declared, planned

    settings = read_settings(flags, quiet=True)
    words = {"name": name, "cron": cron, "tz": tz, "priority": lane.priority}
    for group in (work, part, policy, budget):
        words |= asdict(group)
    words["format"] = words.pop("form")
    if lane.queue is not None:
        words["queue"] = lane.queue
    said = _declared(words, Declared)

    async def keep(queue: JobQueue) -> Kept:
        workers = await queue.live_workers()
        return await planned(said, settings, workers, "command").keep(queue)

    kept = with_queue(flags, keep)
    if json:
        emit_json({"schedule": name, "changed": kept.is_changed, "changes": kept.changes})
    else:
        what = "is there already, and the same"
        if kept.is_changed:
            what = "is kept" if kept.is_new else f"is changed: {', '.join(kept.changes)}"
        talk(escaped(f"schedule {name} {what}; see:  promptmill schedule show {name}"))
        if kept.was_of_file:
            _note_file()
    return ExitCode.OK


def _declared(words: Mapping[str, object], kind: type[Declared]) -> Declared:
    from pydantic import ValidationError

    try:
        return kind.model_validate(words)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        told = f"{fault['loc'][0]} cannot be used: {fault['msg']}"
        fixes: list[str] = []
        if fault["loc"] == ("name",):
            told = f"{words['name']!r} cannot be the name of a schedule"
            fixes = ["write up to 100 letters, digits, dots, hyphens and underscores"]
        raise UsageError(told, fixes=fixes, note="no schedule was changed") from None


def run_now(name: str, /, *, json: AsJson = False, flags: SettingFlags = NO_FLAGS) -> int:
    """Start a run of a schedule now, whether it is paused or not; its clock goes on as before.

    Args:
        name: its name.
        json: as JSON.
    """
    from jobs.schedules.state import start_by_hand

    at = utcnow().replace(microsecond=0)
    reason = "somebody started it by hand"
    fates = with_queue(flags, lambda queue: start_by_hand(queue, name, [at], reason))
    _tell_started(fates, as_json=json)
    return ExitCode.OK


def backfill(
    name: str,
    /,
    *,
    from_: Annotated[str, Parameter(name="--from", help="from this time on, as 2027-01-31T22:00Z")],
    to: Annotated[str, Parameter(help=f"up to this time; {_MOST_BACKFILLED} instants at most")],
    dry_run: Switch = False,
    json: AsJson = False,
    flags: SettingFlags = NO_FLAGS,
) -> int:
    """Start the runs of instants that have passed; one that has its run already gets no other.

    Args:
        name: its name.
        dry_run: only say which these are.
        json: as JSON.
    """
    from jobs.schedules.models import run_id_of
    from jobs.schedules.reading import get_schedule
    from jobs.schedules.state import start_by_hand
    from jobs.schedules.times import Timetable

    from .placing import moment_of

    async def start(queue: JobQueue) -> dict[str, Fate | None]:
        schedule = (await get_schedule(queue, name)).state.schedule
        timetable = Timetable(schedule.cron, schedule.zone)
        begin, end = (
            moment_of(flag, text, note=_UNCHANGED, zone=timetable.zone)
            for flag, text in (("--from", from_), ("--to", to))
        )
        if end > utcnow() or end <= begin:
            raise UsageError(
                "--to has to lie after --from, and in the past",
                fixes=[f"see what is still to come:  promptmill schedule next {name}"],
                note=_UNCHANGED,
            )
        coming = takewhile(lambda at: at <= end, timetable.after(begin - _A_MOMENT))
        instants = list(islice(coming, _MOST_BACKFILLED + 1))
        if len(instants) > _MOST_BACKFILLED:
            raise UsageError(
                f"these are more than {_MOST_BACKFILLED} instants",
                fixes=["take a shorter time"],
                note=_UNCHANGED,
            )
        if dry_run:
            return dict.fromkeys((run_id_of(name, at) for at in instants), None)
        return await start_by_hand(queue, name, instants, "somebody filled it in by hand")

    fates = with_queue(flags, start)
    if dry_run and not json:
        for run_id in fates:
            emit(escaped(run_id))
        talk(f"{counted(len(fates), 'run')} would be started, but for those that are there already")
    else:
        _tell_started(fates, as_json=json)
    return ExitCode.OK


def _tell_started(fates: Mapping[str, Fate | None], *, as_json: bool) -> None:
    started = [run_id for run_id, fate in fates.items() if fate is not None]
    if as_json:
        emit_json([{"runId": run_id, "started": run_id in started} for run_id in fates])
        return
    for run_id in started:
        emit(escaped(run_id))
    if not fates:
        talk("no instant lies in that time; nothing was started")
    n_there = len(fates) - len(started)
    if n_there:
        talk(f"{counted(n_there, 'run')} were there already, and were not started again")


def pause_schedule(
    name: str,
    /,
    *,
    reason: Reason = "",
    json: AsJson = False,
    flags: SettingFlags = NO_FLAGS,
) -> int:
    """Start nothing for the instants of a schedule; runs that are under way go on.

    Args:
        name: its name.
        json: as JSON.
    """
    from jobs.schedules.state import pause_schedule as pause

    with_queue(flags, lambda queue: pause(queue, name, reason))
    go_on = f"let it go on with:  promptmill schedule resume {name}"
    _tell(name, "paused", f"is paused; {go_on}", as_json=json)
    return ExitCode.OK


def resume_schedule(name: str, /, *, json: AsJson = False, flags: SettingFlags = NO_FLAGS) -> int:
    """Let a paused schedule go on; instants that came meanwhile stay as they are.

    Args:
        name: its name.
        json: as JSON.
    """
    from jobs.schedules.state import resume_schedule as resume

    with_queue(flags, lambda queue: resume(queue, name))
    _tell(name, "active", "goes on", as_json=json)
    return ExitCode.OK


def remove_schedule(name: str, /, *, json: AsJson = False, flags: SettingFlags = NO_FLAGS) -> int:
    """Forget a schedule and its history; runs that are under way go on, and records stay.

    Args:
        name: its name.
        json: as JSON.
    """
    from jobs.schedules.state import remove_schedule as remove

    schedule = with_queue(flags, lambda queue: remove(queue, name))
    _tell(name, "removed", "is removed", as_json=json)
    if schedule.declared_in == "file" and not json:
        _note_file()
    return ExitCode.OK


def _note_file() -> None:
    from config.sources import TOML_FILE

    talk(
        f"note: it was declared in a {TOML_FILE}; while it is, the next worker that starts beside that file "
        "keeps it as it stands there"
    )


def _tell(name: str, state: str, words: str, *, as_json: bool) -> None:
    if as_json:
        emit_json({"schedule": name, "state": state})
    else:
        talk(escaped(f"schedule {name} {words}"))
