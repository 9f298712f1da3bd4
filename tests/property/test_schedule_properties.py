"""Schedules against somebody who looks at the clock each minute, on nights on which it is set, all over the world."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import takewhile
from zoneinfo import ZoneInfo

from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobs.schedules.times import Timetable

MINUTE = timedelta(minutes=1)
SPAN = timedelta(hours=60)
ZONES = (
    "Europe/Berlin",
    "America/New_York",
    # By half an hour.
    "Australia/Lord_Howe",
    # At midnight, so that days begin later, or twice, or end twice.
    "America/Havana",
    "America/Santiago",
    "Africa/Cairo",
    "Asia/Beirut",
    "Atlantic/Azores",
    # In the evening before.
    "America/Nuuk",
    # At a quarter to, by two hours, and back in the middle of the year.
    "Pacific/Chatham",
    "Antarctica/Troll",
    "Africa/Casablanca",
    # A minute past midnight, until 2011.
    "America/St_Johns",
)
_WEEKDAYS = {"MON": 0, "TUE": 1, "WED": 2, "THU": 3, "FRI": 4, "SAT": 5, "SUN": 6}


@cache
def nights(zone: str) -> tuple[datetime, ...]:
    """The moments at which the clock of a zone is set, to the hour."""
    clock, found = ZoneInfo(zone), []
    for year in (2010, 2027):
        at = datetime(year, 1, 1, tzinfo=UTC)
        while at.year == year:
            later = at + timedelta(hours=1)
            if at.astimezone(clock).utcoffset() != later.astimezone(clock).utcoffset():
                found.append(at)
            at = later
    return tuple(found)


def meant(field: str, highest: int) -> set[int]:
    """The numbers that a field of minutes or hours means."""
    numbers: set[int] = set()
    for term in field.split(","):
        base, _, step = term.partition("/")
        first, _, last = base.partition("-")
        begin = 0 if base == "*" else int(first)
        end = int(last) if last else highest if base == "*" or step else begin
        numbers |= set(range(begin, end + 1, int(step or 1)))
    return numbers


def looked_at(cron: str, zone: str, begin: datetime) -> list[datetime]:
    """What comes within the span after `begin`, by looking at the clock each minute, as the page says."""
    minute, hour, _, _, weekday = cron.split()
    clock, end = ZoneInfo(zone), begin + SPAN
    minutes, hours = meant(minute, 59), meant(hour, 23)

    def is_meant(shown: datetime) -> bool:
        is_its_day = weekday == "*" or shown.weekday() == _WEEKDAYS[weekday]
        return is_its_day and shown.minute in minutes and shown.hour in hours

    if minute.startswith("*") or hour.startswith("*"):
        return [at for at in each_minute(begin, end) if is_meant(at.astimezone(clock))]
    found: set[datetime] = set()
    first, last = (at.astimezone(clock).replace(tzinfo=None) for at in (begin, end))
    for shown in each_minute(first - timedelta(hours=4), last + timedelta(hours=4)):
        if is_meant(shown):
            there = shown.replace(tzinfo=clock)
            while not is_shown(there):
                there += MINUTE
            found.add(there.astimezone(UTC))
    return sorted(at for at in found if begin < at <= end)


def each_minute(begin: datetime, end: datetime) -> Iterator[datetime]:
    while begin < end:
        begin += MINUTE
        yield begin


def is_shown(local: datetime) -> bool:
    """Whether a clock ever shows this time."""
    back = local.astimezone(UTC).astimezone(local.tzinfo)
    return back.replace(tzinfo=None) == local.replace(tzinfo=None)


def fields(highest: int) -> st.SearchStrategy[str]:
    number = st.integers(0, highest)
    pair = st.tuples(number, number).map(sorted)
    return st.one_of(
        number.map(str),
        st.just("*"),
        st.integers(2, highest).map("*/{}".format),
        st.lists(number, min_size=2, max_size=4).map(lambda ns: ",".join(map(str, ns))),
        pair.map(lambda ns: f"{ns[0]}-{ns[1]}"),
        st.tuples(number, st.integers(2, 12)).map(lambda ns: f"{ns[0]}/{ns[1]}"),
    )


CRONS = st.tuples(
    fields(59),
    # Most clocks are set in the first hours of the day.
    st.one_of(fields(4), fields(23)),
    st.sampled_from(["*", *_WEEKDAYS]),
).map(lambda each: f"{each[0]} {each[1]} * * {each[2]}")


@given(
    cron=CRONS,
    zone=st.sampled_from(ZONES),
    number=st.integers(0, 7),
    before=st.integers(0, 40 * 60),
)
@example("15,45 2 * * *", "Europe/Berlin", 0, 600)
@example("0,30 2,3 * * *", "Europe/Berlin", 0, 600)
@example("*/30 0 * * SUN", "Asia/Beirut", 2, 2000)
@example("*/30 * * * SUN", "America/St_Johns", 1, 2000)
# Saturday ends a minute past midnight, and comes again.
@example("* * * * SAT", "America/St_Johns", 1, 0)
@example("*/7 22,23 * * SAT", "America/St_Johns", 1, 1000)
@settings(max_examples=150)
def test_instants_are_those_that_somebody_who_looks_each_minute_would_see(
    cron: str, zone: str, number: int, before: int
) -> None:
    """The library is old and the nights are many; a run that is missed or paid for twice is noticed by nobody."""
    found = nights(zone)
    begin = found[number % len(found)] - before * MINUTE
    end = begin + SPAN
    table = Timetable(cron, zone)
    assert list(takewhile(lambda at: at <= end, table.after(begin))) == looked_at(cron, zone, begin)


@given(cron=CRONS, zone=st.sampled_from(ZONES), number=st.integers(0, 7))
@settings(max_examples=50)
def test_it_is_all_the_same_where_one_begins_to_look(cron: str, zone: str, number: int) -> None:
    """Workers ask anew each second, and a command asks for years: instants have to be the same ones."""
    found = nights(zone)
    begin = found[number % len(found)] - SPAN / 2
    table = Timetable(cron, zone)
    at_once = list(takewhile(lambda at: at <= begin + SPAN, table.after(begin)))
    one_by_one, reached = [], begin
    while (coming := next(table.after(reached))) <= begin + SPAN:
        one_by_one.append(coming)
        reached = coming
    assert one_by_one == at_once
