"""From a cron expression and a time zone to instants, and words for the two nights a year that are special."""

import contextlib
import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim
from typing_extensions import override

from jobs.errors import UsageError

from .expressions import expression_in, never

_MINUTE, _HOUR = -5, -4
_LONGEST_SHIFT = timedelta(hours=3)
_STRIDE = timedelta(days=7)
"""No clock is set forward and back again within so short a time."""
_MOST_TOLD = 3
_HOUR_SECONDS = 3600


@dataclass(frozen=True)
class LeftOut:
    """Local times that an expression means, that the clock leaves out, and for which nothing is started."""

    night: date
    words: str


class _Clock(CronSim):
    """The library's clock in steps of its own: whole hours lead past times where the clock is set by half of one.

    It also begins days by midnight, which is left out, or comes twice, where the clock is set at that time; and it
    leaves a day for good, which comes again where the clock is set back past midnight.
    """

    @override
    def advance_month(self) -> None:
        before = self.dt
        super().advance_month()
        self._land(before)

    @override
    def advance_day(self) -> bool:
        before = self.dt
        is_moved = super().advance_day()
        self._land(before)
        return is_moved

    def _land(self, before: datetime) -> None:
        """Go on from a time that the clock shows, and that lies ahead."""
        if self.dt is before or self.dt.tzinfo in {None, UTC}:
            return
        yesterday = _shown_again_after(before)
        if yesterday is not None and yesterday.month in self.months:
            self.dt = yesterday
            return
        if self.dt.astimezone(UTC) <= before.astimezone(UTC):
            self.dt = self.dt.replace(fold=1)
        self.dt = self.dt.astimezone(UTC).astimezone(self.dt.tzinfo)

    @override
    def advance_hour(self) -> bool:
        if self.dt.hour in self.hours:
            return False
        while self.dt.hour not in self.hours:
            self.tick(_HOUR_SECONDS - 60 * self.dt.minute - self.dt.second)
            if self.dt.hour == 0:
                # Another day: whether it is one of those that are meant is to be looked at first.
                break
        return True

    @override
    def advance_minute(self) -> bool:
        if self.dt.minute in self.minutes:
            return False
        while self.dt.minute not in self.minutes:
            self.tick(60 - self.dt.second)
            if self.dt.minute == 0:
                break
        return True


class Timetable:
    """The instants of a cron expression in a time zone.

    Times of the day, such as `30 2 * * *`, come once on each day: one that the clock leaves out comes when the clock
    goes on, and one that it shows twice comes the first time. What has a `*` in minute or hour goes by real time.
    """

    def __init__(self, cron: str, zone: str) -> None:
        """Read an expression of five fields, of six with seconds in front, or one of `ALIASES`.

        Raises:
            UsageError: it is none, comes never, or there is no such zone.
        """
        self.cron = cron
        self.zone = _zone_named(zone)
        self._expression = expression_in(cron)
        fields = self._expression.split()
        self._is_by_the_clock = len(fields) == len("mhdMw") and not any(
            fields[place].startswith("*") for place in (_MINUTE, _HOUR)
        )
        if next(self.after(datetime(2024, 1, 1, tzinfo=UTC)), None) is None:
            raise never(cron)

    @property
    def words(self) -> str:
        """When that is, in words."""
        simulated = CronSim(self._expression, datetime(2024, 1, 1, tzinfo=UTC))
        # The library says "and" of days of which one is enough.
        return simulated.explain().replace(" and on ", " or on ")

    def after(self, moment: datetime) -> Iterator[datetime]:
        """The instants after this moment, in UTC, for as long as somebody asks and the calendar has days."""
        simulated = _Clock(self._expression, moment.astimezone(self.zone))
        # Beyond the last day of the calendar there is no date, and no instant.
        with contextlib.suppress(OverflowError):
            for local in simulated:
                instant = local.astimezone(UTC)
                # Of a time that the clock shows twice the first one counts, which may be over.
                if instant > moment:
                    yield instant

    def local(self, instant: datetime) -> datetime:
        """What the clock of the zone shows then."""
        return instant.astimezone(self.zone)

    def night(self, instant: datetime) -> str:
        """What is special about an instant, because the clock is set on that night; empty on all other days."""
        local = self.local(instant)
        if local.utcoffset() != local.replace(fold=1 - local.fold).utcoffset():
            which = "second" if local.fold else "first"
            if self._is_by_the_clock:
                return f"{local:%H:%M} comes twice on this night, and only the first one counts"
            return f"{local:%H:%M} comes twice on this night; this is the {which} one"
        gap = self._gap_before(instant)
        if gap is None:
            return ""
        begin, end = gap
        if self._is_by_the_clock and (meant := self._meant_in(begin, end)):
            return f"{_do_not_exist(meant)}; the clock goes on at {local:%H:%M}"
        return f"on this night the clock goes from {begin:%H:%M} to {end:%H:%M}"

    def left_out(self, after: datetime, to: datetime) -> Iterator[LeftOut]:
        """The nights between two moments on which times are left out that no instant stands for.

        Those whose place an instant takes are told by `night`.
        """
        while after < to:
            step = min(after + _STRIDE, to)
            if _offset(self.local(step)) > _offset(self.local(after)):
                yield from self._left_out_at(_set_between(self.local(after), self.local(step)))
            after = step

    def _left_out_at(self, instant: datetime) -> Iterator[LeftOut]:
        gap = self._gap_before(instant)
        if gap is None or next(self.after(instant - timedelta(seconds=1)), None) == instant:
            return
        if meant := self._meant_in(*gap):
            yield LeftOut(gap[0].date(), f"{_do_not_exist(meant)}; nothing is started")

    def _meant_in(self, begin: datetime, end: datetime) -> list[datetime]:
        """What the expression means of local times without a zone."""
        coming = CronSim(self._expression, begin - timedelta(seconds=1))
        return list(takewhile(lambda local: local < end, coming))

    def _gap_before(self, instant: datetime) -> tuple[datetime, datetime] | None:
        """The local times, without a zone, that the clock leaves out and that end with this instant."""
        local, before = self.local(instant), self.local(instant - timedelta(seconds=1))
        shift = _offset(local) - _offset(before)
        if not timedelta() < shift <= _LONGEST_SHIFT:
            return None
        end = local.replace(tzinfo=None)
        return end - shift, end


def _shown_again_after(local: datetime) -> datetime | None:
    """The time of the day before that the clock is soon set back to; None on nearly all days."""
    instant = local.astimezone(UTC)
    later = (instant + _LONGEST_SHIFT).astimezone(local.tzinfo)
    if _offset(later) >= _offset(local):
        return None
    back = _set_between(instant.astimezone(local.tzinfo), later).astimezone(local.tzinfo)
    return back if back.date() < local.date() else None


def _set_between(before: datetime, after: datetime) -> datetime:
    """The instant at which a clock is set, which it is once between the two times that it shows."""
    old, zone = _offset(before), before.tzinfo
    first, last = (each.astimezone(UTC).replace(microsecond=0) for each in (before, after))
    while last - first > timedelta(seconds=1):
        middle = first + timedelta(seconds=(last - first) // timedelta(seconds=2))
        if _offset(middle.astimezone(zone)) == old:
            first = middle
        else:
            last = middle
    return last


def _offset(local: datetime) -> timedelta:
    return local.utcoffset() or timedelta()


def _do_not_exist(times: list[datetime]) -> str:
    shown = [f"{at:%H:%M:%S}".removesuffix(":00") for at in times]
    if len(shown) == 1:
        return f"{shown[0]} does not exist on this night"
    if len(shown) > _MOST_TOLD:
        return f"{len(shown)} times from {shown[0]} to {shown[-1]} do not exist on this night"
    return f"{', '.join(shown[:-1])} and {shown[-1]} do not exist on this night"


def _zone_named(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        known = available_timezones()
        meant = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        if not meant:
            cities = {zone.rpartition("/")[2].lower(): zone for zone in sorted(known)}
            close = difflib.get_close_matches(name.lower().rpartition("/")[2], cities, n=1)
            meant = [cities[city] for city in close]
        hints = [f"did you mean {meant[0]}?"] if meant else []
        within = sorted(zone for zone in known if zone.lower().startswith(f"{name.lower()}/"))
        if name and within:
            hints = [f"{name} is an area: write a place in it, such as {within[0]}"]
        if not known:
            hints = ["this machine has no list of zones: install the package tzdata"]
        raise UsageError(
            f"there is no time zone {name!r}",
            fixes=[*hints, "write a name of the IANA list, such as Europe/Berlin, or UTC"],
        ) from None
