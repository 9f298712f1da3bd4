"""`promptmill schedule`: when runs start by the clock, and what became of each instant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Annotated, TypeAlias

from cyclopts import Parameter, validators

from config.escaping import escaped
from jobs.clock import utcnow
from jobs.errors import ExitCode

from .asking import with_queue
from .flags import NO_FLAGS, AsJson, SettingFlags, WholeNumber
from .output import emit, emit_json, talk

if TYPE_CHECKING:
    from jobs.queue import JobQueue
    from jobs.schedules.models import Instant, ScheduleState
    from jobs.schedules.times import Timetable

Zone = Annotated[str, Parameter(name="--tz", help="time zone of the IANA list")]
Number = Annotated[
    WholeNumber, Parameter(name=["--number", "-n"], validator=validators.Number(gte=1, lte=1000))
]
Stopped: TypeAlias = dict[str, str]
"""Runs that stand still, each with the reason."""
_SHOWN = 5


def list_schedules(*, json: AsJson = False, flags: SettingFlags = NO_FLAGS) -> int:
    """All schedules, and when each comes next.

    Args:
        json: as JSON.
    """
    states, stopped = with_queue(flags, _look_at_all)
    if json:
        emit_json([_as_data(state, stopped) for state in states])
        return ExitCode.OK
    if not states:
        talk('there are no schedules; add one:  promptmill schedule add NAME "30 2 * * *" --eval F')
    for state in states:
        said = state.schedule
        coming = _first(state)
        when = "paused" if state.paused is not None else _shown(coming, _timetable(state))
        emit(escaped(f"{said.name:<24}  {said.cron:<16}  {said.zone:<18}  {when}  {said.runs}"))
        for line in _stopped_lines(state, stopped):
            emit(escaped(f"  {line}"))
    return ExitCode.OK


def show_schedule(name: str, /, *, json: AsJson = False, flags: SettingFlags = NO_FLAGS) -> int:
    """What a schedule runs, how it stands, when it comes next, and what became of its last instants.

    Args:
        name: its name.
        json: as JSON.
    """
    state, stopped, past = with_queue(flags, lambda queue: _look(queue, name, _SHOWN))
    if json:
        rows = [each.model_dump(mode="json", by_alias=True) for each in past]
        emit_json({**_as_data(state, stopped), "history": rows})
        return ExitCode.OK
    for line in _lines(state, stopped, past):
        emit(escaped(line))
    return ExitCode.OK


def next_instants(
    name: str, /, *, number: Number = 10, json: AsJson = False, flags: SettingFlags = NO_FLAGS
) -> int:
    """When a schedule comes next; nights on which the clock is set are told in words.

    Args:
        name: its name.
        number: instants at most.
        json: as JSON.
    """
    state, _, _ = with_queue(flags, lambda queue: _look(queue, name, 1))
    if state.paused is not None:
        talk(escaped(f"schedule {name} is paused, and starts nothing: {state.paused}"))
    _tell_instants(_timetable(state), utcnow(), number, as_json=json)
    return ExitCode.OK


def preview(
    cron: str,
    /,
    *,
    tz: Zone = "UTC",
    from_: Annotated[
        str | None, Parameter(name="--from", help="a time such as 2027-01-31T22:00Z; unset is now")
    ] = None,
    number: Number = 10,
    json: AsJson = False,
) -> int:
    """When a cron expression comes; nothing is kept, and no Redis is asked.

    Args:
        cron: five fields in quotes, six with seconds in front, or @daily and its like.
        number: instants at most.
        json: as JSON.
    """
    from jobs.schedules.times import Timetable

    from .placing import moment_of

    timetable = Timetable(cron, tz)
    begin = utcnow()
    if from_ is not None:
        begin = moment_of("--from", from_, note="", zone=timetable.zone)
    if not json:
        emit(escaped(f"{timetable.words}, {tz}"))
    _tell_instants(timetable, begin, number, as_json=json)
    return ExitCode.OK


def show_history(
    name: str,
    /,
    *,
    limit: Annotated[WholeNumber, Parameter(validator=validators.Number(gte=1, lte=1000))] = 50,
    json: AsJson = False,
    flags: SettingFlags = NO_FLAGS,
) -> int:
    """What became of the instants of a schedule, and why; the latest first.

    Args:
        name: its name.
        limit: instants at most.
        json: as JSON.
    """
    state, stopped, past = with_queue(flags, lambda queue: _look(queue, name, limit))
    if json:
        emit_json([each.model_dump(mode="json", by_alias=True) for each in past])
        return ExitCode.OK
    if not past:
        talk(escaped(f"no instant of {name} has come yet"))
    for line in _past_lines(state, past):
        emit(escaped(line))
    for line in _stopped_lines(state, stopped):
        talk(escaped(line))
    return ExitCode.OK


async def _look(
    queue: JobQueue, name: str, limit: int
) -> tuple[ScheduleState, Stopped, list[Instant]]:
    from jobs.schedules.reading import get_schedule, history_of

    state = (await get_schedule(queue, name)).state
    return state, await _stopped_of(queue, [state]), await history_of(queue, name, limit)


async def _look_at_all(queue: JobQueue) -> tuple[list[ScheduleState], Stopped]:
    from jobs.schedules.reading import list_schedules as schedules_in

    states = await schedules_in(queue)
    return states, await _stopped_of(queue, states)


async def _stopped_of(queue: JobQueue, states: Iterable[ScheduleState]) -> Stopped:
    """Why those of the runs that are not over stand still that do."""
    from jobs.runs import RunState, find_run

    runs = [await find_run(queue, run_id) for state in states for run_id in state.running]
    return {run.run_id: run.reason for run in runs if run and run.state is RunState.PAUSED}


def _timetable(state: ScheduleState) -> Timetable:
    from jobs.schedules.times import Timetable

    return Timetable(state.schedule.cron, state.schedule.zone)


def _first(state: ScheduleState) -> datetime | None:
    return next(_timetable(state).after(utcnow()), None)


def _as_data(state: ScheduleState, stopped: Stopped) -> dict[str, object]:
    coming = None if state.paused is not None else _first(state)
    data: dict[str, object] = state.model_dump(mode="json", by_alias=True)
    still = {run_id: stopped[run_id] for run_id in state.running if run_id in stopped}
    return {**data, "next": None if coming is None else coming.isoformat(), "stopped": still}


def _tell_instants(timetable: Timetable, begin: datetime, number: int, *, as_json: bool) -> None:
    coming = list(islice(timetable.after(begin), number))
    if as_json:
        emit_json(
            [
                {
                    "at": at.isoformat(),
                    "local": timetable.local(at).isoformat(),
                    "night": timetable.night(at),
                    "leftOutBefore": [
                        {"night": each.night.isoformat(), "words": each.words}
                        for each in timetable.left_out(before, at)
                    ],
                }
                for before, at in pairwise([begin, *coming])
            ]
        )
        return
    for line in _coming_lines(timetable, begin, coming):
        emit(escaped(line))
    if len(coming) < number:
        talk("there are no more: it comes too rarely before the calendar ends, with the year 9999")


def _coming_lines(
    timetable: Timetable, begin: datetime, coming: Iterable[datetime]
) -> Iterator[str]:
    for before, at in pairwise([begin, *coming]):
        for each in timetable.left_out(before, at):
            yield f"{each.night:%a %Y-%m-%d}   -   {each.words}"
        night = timetable.night(at)
        columns = (_shown(at, timetable), _in_utc(at, timetable), night)
        yield "   ".join(column for column in columns if column)


def _in_utc(at: datetime, timetable: Timetable) -> str:
    """The same in UTC, with the date where it is another one; nothing where the clock shows UTC."""
    if str(timetable.zone) == "UTC":
        return ""
    is_same_day = timetable.local(at).date() == at.date()
    return f"{at:%H:%M:%S}Z" if is_same_day else f"{at:%Y-%m-%d %H:%M:%S}Z"


def _shown(at: datetime | None, timetable: Timetable) -> str:
    return "never" if at is None else f"{timetable.local(at):%a %Y-%m-%d %H:%M:%S %Z}"


def _stopped_lines(state: ScheduleState, stopped: Stopped) -> Iterator[str]:
    """Runs that are not over and will not be by themselves, and what that keeps from being started."""
    from jobs.schedules.policies import Overlap

    waits = state.schedule.overlap in {Overlap.SKIP, Overlap.QUEUE_ONE}
    until = ", and nothing more is started until it is over" if waits else ""
    for run_id in state.running:
        if run_id in stopped:
            why = f": {stopped[run_id]}" if stopped[run_id] else ""
            go_on = f"promptmill run resume {run_id}"
            yield f"run {run_id} stands still{why}{until}; let it go on:  {go_on}"


def _lines(state: ScheduleState, stopped: Stopped, past: list[Instant]) -> Iterator[str]:
    said, timetable = state.schedule, _timetable(state)
    yield f"schedule   {said.name}   {said.cron}   {said.zone}   {timetable.words}"
    yield f"runs       {said.runs}, in lane {said.template.lane}"
    late = f"{said.catch_up} within {said.catch_up_seconds / 3600:g} h"
    jitter = f", up to {said.jitter_seconds} s later" if said.jitter_seconds else ""
    yield f"policy     overlap {said.overlap}, catch-up {late}{jitter}"
    if said.budget.is_set:
        limits = said.budget.model_dump(exclude_none=True, by_alias=True)
        yield f"budget     {', '.join(f'{value:g} {name}' for name, value in limits.items())} a run"
    if said.pause_on_failure:
        yield "           is paused when a run fails because of us"
    if state.paused is not None:
        go_on = f"promptmill schedule resume {said.name}"
        yield f"paused     {state.paused}; let it go on:  {go_on}"
    for run_id in state.running:
        yield f"running    {run_id}   promptmill run show {run_id}"
    yield from (f"stopped    {line}" for line in _stopped_lines(state, stopped))
    if state.waiting is not None:
        yield f"waiting    {_shown(state.waiting, timetable)}"
    yield "next"
    now = utcnow()
    coming = islice(timetable.after(now), _SHOWN)
    yield from (f"  {line}" for line in _coming_lines(timetable, now, coming))
    if past:
        yield "history"
        yield from (f"  {line}" for line in _past_lines(state, past))


def _past_lines(state: ScheduleState, past: Iterable[Instant]) -> Iterator[str]:
    timetable = _timetable(state)
    for each in past:
        run = each.run_id or "-"
        line = f"{_shown(each.at, timetable)}   {each.fate:<9}  {run:<40}  {each.reason}"
        yield line.rstrip()
