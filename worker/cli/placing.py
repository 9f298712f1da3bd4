"""Where and when jobs are to wait, from what was typed."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from jobs.clock import utcnow
from jobs.errors import UsageError
from jobs.identifiers import DEFAULT_QUEUE, is_queue_name
from jobs.priorities import Priority

from .flags import LaneFlags, TimeFlags

_NOTHING = "nothing was queued"
_SPAN = re.compile(r"(\d+)([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_MOST_DIGITS = 6
_YEARS = range(1970, 3000)


@dataclass(frozen=True)
class Place:
    """Where jobs wait."""

    queue: str
    priority: Priority


def place_of(lane: LaneFlags) -> Place:
    """What was typed, once it is clear that there can be such a queue.

    Raises:
        UsageError: there cannot.
    """
    name = DEFAULT_QUEUE if lane.queue is None else lane.queue
    if not is_queue_name(name):
        raise UsageError(
            f"{name!r} cannot be the name of a queue",
            fixes=[
                "use up to 64 letters, digits, dots, hyphens and underscores, beginning with a letter or digit"
            ],
            note=_NOTHING,
        )
    return Place(name, lane.priority)


def time_of(times: TimeFlags) -> datetime | None:
    """When jobs are due; None is now.

    Raises:
        UsageError: it cannot be told from what was typed.
    """
    if times.at is not None and times.in_ is not None:
        raise UsageError("give either --at or --in, not both", note=_NOTHING)
    if times.in_ is not None:
        return utcnow() + span_of("--in", times.in_)
    return None if times.at is None else moment_of("--at", times.at)


def span_of(flag: str, text: str, *, note: str = _NOTHING) -> timedelta:
    """A length of time that was typed after this flag.

    Raises:
        UsageError: it is none.
    """
    match = _SPAN.fullmatch(text.strip())
    if match is not None and len(match[1]) > _MOST_DIGITS:
        raise UsageError(
            f"{flag} {text!r} is too long: a number has {_MOST_DIGITS} digits at most",
            note=note,
        )
    if match is None:
        raise UsageError(
            f"{flag} {text!r} is no length of time",
            fixes=["write a whole number and a unit: 90s, 10m, 2h or 1d"],
            note=note,
        )
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def moment_of(
    flag: str, text: str, *, note: str = _NOTHING, zone: ZoneInfo | None = None
) -> datetime:
    """A time that was typed after this flag; `zone` is the one that it is most likely meant in, unset the one here.

    Raises:
        UsageError: it is none, or in no time zone, or centuries away.
    """
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(
            f"{flag} {text!r} is no time",
            fixes=[f"write it as in  {flag} {_example(utcnow())}"],
            note=note,
        ) from None
    if at.year not in _YEARS:
        raise UsageError(
            f"{flag} {text!r} is too far away",
            fixes=[f"write a year from {_YEARS[0]} to {_YEARS[-1]}"],
            note=note,
        )
    if at.tzinfo is None:
        here = at.astimezone() if zone is None else at.replace(tzinfo=zone)
        place = "here" if zone is None else f"in {zone}"
        as_local = f"if it is meant as the time {place}:  {flag} {_example(here)}"
        as_utc = f"if it is meant as UTC:  {flag} {_example(at)}Z"
        raise UsageError(
            f"{flag} {text!r} is in no time zone",
            fixes=[as_utc] if str(zone) == "UTC" else [as_local, as_utc],
            note=note,
        )
    return at


def _example(at: datetime) -> str:
    return at.isoformat(timespec="minutes")
