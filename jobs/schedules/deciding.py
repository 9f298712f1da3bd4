"""What is to become of the instants of a schedule that have come: pure, from its words and two times."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, takewhile

from .models import Fate, Schedule, run_id_of
from .policies import CatchUp
from .times import Timetable

GRACE = timedelta(seconds=60)
"""An instant is on time for so long: workers are started anew, and Redis is, without anything being missed."""
MOST_AT_ONCE = 1000
"""Instants that are decided on in one step; a schedule of every second may have missed a million."""
MOST_CAUGHT_UP = 100
"""Runs that are started late at one time."""
_LEFT_FOR_LATER = 200
"""The latest of very many instants, more than can be on time or caught up with: another step decides on them."""


@dataclass(frozen=True)
class Step:
    """One instant, and what is to become of it if nothing is in its way."""

    at: datetime
    fate: Fate
    reason: str = ""
    due: datetime | None = None
    """When its jobs are due; None is at once."""
    past_overlap: bool = False
    """It is started though an earlier run is not over."""


@dataclass(frozen=True)
class Plan:
    """The instants that are decided on now, and up to where that is."""

    steps: tuple[Step, ...]
    decided_to: datetime
    next_at: datetime | None
    """The next instant that is not decided on."""


def plan(schedule: Schedule, timetable: Timetable, decided_to: datetime, now: datetime) -> Plan:
    """Decide on the instants after `decided_to` and up to `now`, or on the first of them if they are very many.

    Where the clock was set back since, what is ahead of it now is still to come, whatever was decided on it.
    """
    if decided_to - now > GRACE:
        return Plan((), now, next(timetable.after(now), None))
    coming = timetable.after(decided_to)
    most = MOST_AT_ONCE + _LEFT_FOR_LATER
    due = list(islice(takewhile(lambda at: at <= now, coming), most))
    if len(due) == most:
        reason = f"no worker was there, for more than {MOST_AT_ONCE} instants"
        missed = tuple(Step(at, Fate.MISSED, reason) for at in due[:MOST_AT_ONCE])
        return Plan(missed, missed[-1].at, now)
    late = [at for at in due if now - at > GRACE]
    on_time = [at for at in due if now - at <= GRACE]
    steps = [*_late(schedule, late, now, stands_in=on_time[0] if on_time else None)]
    steps += [Step(at, Fate.FIRED, due=_due(schedule, at)) for at in on_time]
    reached = max(now, decided_to)
    return Plan(tuple(steps), reached, next(timetable.after(reached), None))


def _late(
    schedule: Schedule, late: list[datetime], now: datetime, *, stands_in: datetime | None
) -> Iterator[Step]:
    window = timedelta(seconds=schedule.catch_up_seconds)
    recent = [at for at in late if now - at <= window]
    caught: list[datetime] = []
    why = "no worker was there"
    match schedule.catch_up:
        case CatchUp.NONE:
            why += ", and the schedule catches up with none"
        case CatchUp.ONCE:
            caught = recent[-1:] if stands_in is None else []
            stand_in = next(iter(caught), stands_in)
            if stand_in is not None:
                why += f"; {run_id_of(schedule.name, stand_in)} stands for it"
        case CatchUp.ALL:
            caught = recent[-MOST_CAUGHT_UP:]
            why += f", and {MOST_CAUGHT_UP} later ones are caught up with"
    for at in late:
        if at in caught:
            yield _caught_up(schedule, at, now, n=len(recent))
        elif at not in recent and schedule.catch_up is not CatchUp.NONE:
            too_old = f"no worker was there, for more than {window.total_seconds() / 3600:g} h"
            yield Step(at, Fate.MISSED, too_old)
        else:
            yield Step(at, Fate.MISSED, why)


def _caught_up(schedule: Schedule, at: datetime, now: datetime, *, n: int) -> Step:
    is_each = schedule.catch_up is CatchUp.ALL
    stands_for = "" if is_each or n == 1 else f", and stands for {n} instants"
    reason = f"{_length(now - at)} late: no worker was there{stands_for}"
    # Of runs that catch up one by one, the first would be in the way of all others.
    return Step(at, Fate.CAUGHT_UP, reason, past_overlap=is_each)


def _length(span: timedelta) -> str:
    minutes = round(span.total_seconds() / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.0f} h"


def _due(schedule: Schedule, at: datetime) -> datetime | None:
    if not schedule.jitter_seconds:
        return None
    digest = hashlib.sha256(run_id_of(schedule.name, at).encode()).digest()
    return at + timedelta(seconds=int.from_bytes(digest[:4]) % (schedule.jitter_seconds + 1))
