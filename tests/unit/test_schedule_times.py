"""When schedules come, on ordinary days and on the nights on which the clock is set."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, takewhile

import pytest

from jobs.errors import UsageError
from jobs.schedules.expressions import ALIASES
from jobs.schedules.times import Timetable

# Two days about each night, in UTC, and what the clock leaves out or shows twice.
NIGHTS = [
    pytest.param("Europe/Berlin", "2026-03-28T12:00Z", id="Berlin-forward"),
    pytest.param("Europe/Berlin", "2026-10-24T12:00Z", id="Berlin-back"),
    pytest.param("America/New_York", "2026-03-07T12:00Z", id="New-York-forward"),
    pytest.param("America/New_York", "2026-10-31T12:00Z", id="New-York-back"),
    pytest.param("Australia/Lord_Howe", "2026-10-03T02:00Z", id="Lord-Howe-forward"),
    pytest.param("Australia/Lord_Howe", "2026-04-04T02:00Z", id="Lord-Howe-back"),
]


def walked(cron: str, zone: str, begin: str, *, hours: int = 48) -> list[datetime]:
    """What a simulated clock that asks every ten minutes, and remembers only how far it got, sees come."""
    table, clock = Timetable(cron, zone), datetime.fromisoformat(begin)
    seen: list[datetime] = []
    end, reached = clock + timedelta(hours=hours), clock
    while clock < end:
        clock += timedelta(minutes=10)
        seen += takewhile(lambda at, now=clock: at <= now, table.after(reached))  # type: ignore[misc]
        reached = clock
    return seen


@pytest.mark.parametrize(("zone", "begin"), NIGHTS)
def test_a_time_of_the_day_comes_once_on_each_day(zone: str, begin: str) -> None:
    """A nightly run that comes twice is paid for twice, and one that is left out is missed in the morning."""
    seen = walked("30 2 * * *", zone, begin)
    days = Counter(Timetable("* * * * *", zone).local(at).date() for at in seen)
    assert len(days) == 2
    assert set(days.values()) == {1}


@pytest.mark.parametrize(("zone", "begin"), NIGHTS)
def test_every_half_hour_is_every_real_half_hour(zone: str, begin: str) -> None:
    """Whoever watches something has no use for a clock that stands still for an hour."""
    seen = walked("*/30 * * * *", zone, begin)
    assert {later - earlier for earlier, later in pairwise(seen)} == {timedelta(minutes=30)}
    assert len(seen) == 96


@pytest.mark.parametrize(("zone", "begin"), NIGHTS)
def test_every_hour_comes_with_each_full_hour_of_the_clock(zone: str, begin: str) -> None:
    """Half an hour's shift moves full hours against real time; each one that the clock shows is meant."""
    seen = walked("0 * * * *", zone, begin)
    table = Timetable("* * * * *", zone)
    assert {table.local(at).minute for at in seen} == {0}
    shown, at = [], datetime.fromisoformat(begin)
    while at < datetime.fromisoformat(begin) + timedelta(hours=48):
        at += timedelta(minutes=1)
        if table.local(at).minute == 0:
            shown.append(at)
    assert seen == shown


@pytest.mark.parametrize(
    ("cron", "zone", "begin", "at", "words"),
    [
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00Z", "2026-03-29T01:00Z",
         "02:30 does not exist on this night; the clock goes on at 03:00"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00Z", "2026-10-25T00:30Z",
         "02:30 comes twice on this night, and only the first one counts"),
        ("30 2 * * *", "America/New_York", "2026-03-07T12:00Z", "2026-03-08T07:00Z",
         "02:30 does not exist on this night; the clock goes on at 03:00"),
        ("30 1 * * *", "America/New_York", "2026-10-31T12:00Z", "2026-11-01T05:30Z",
         "01:30 comes twice on this night, and only the first one counts"),
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T02:00Z", "2026-10-03T15:30Z",
         "02:15 does not exist on this night; the clock goes on at 02:30"),
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T02:00Z", "2026-04-04T14:45Z",
         "01:45 comes twice on this night, and only the first one counts"),
        ("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:45Z", "2026-03-29T01:00Z",
         "on this night the clock goes from 02:00 to 03:00"),
        ("0 * * * *", "Europe/Berlin", "2026-10-25T00:45Z", "2026-10-25T01:00Z",
         "02:00 comes twice on this night; this is the second one"),
        ("30 2 * * *", "Europe/Berlin", "2026-06-01T00:00Z", "2026-06-01T00:30Z", ""),
    ],
)  # fmt: skip
def test_the_nights_are_told_in_words(
    cron: str, zone: str, begin: str, at: str, words: str
) -> None:
    """Nobody who sees 03:00 in a list of 02:30s should have to look up when the clock was set."""
    table = Timetable(cron, zone)
    first = next(table.after(datetime.fromisoformat(begin)))
    assert first == datetime.fromisoformat(at)
    assert table.night(first) == words


@pytest.mark.parametrize(
    ("cron", "zone", "begin", "night", "words"),
    [
        ("*/30 2 * * *", "Europe/Berlin", "2027-03-28T00:00Z", "2027-03-28",
         "02:00 and 02:30 do not exist on this night; nothing is started"),
        ("* 2 * * *", "Europe/Berlin", "2027-03-27T12:00Z", "2027-03-28",
         "60 times from 02:00 to 02:59 do not exist on this night; nothing is started"),
        ("15 30 2 * * *", "Europe/Berlin", "2027-03-27T12:00Z", "2027-03-28",
         "02:30:15 does not exist on this night; nothing is started"),
        ("0 * * * *", "Australia/Lord_Howe", "2026-10-03T15:15Z", "2026-10-04",
         "02:00 does not exist on this night; nothing is started"),
        ("*/30 2 28 3 *", "Europe/Berlin", "2026-03-29T12:00Z", "2027-03-28",
         "02:00 and 02:30 do not exist on this night; nothing is started"),
    ],
)  # fmt: skip
def test_a_night_for_which_nothing_is_started_is_told_in_words(
    cron: str, zone: str, begin: str, night: str, words: str
) -> None:
    """A night that is missing from a list without a word is found by the one who waited for its run."""
    table, moment = Timetable(cron, zone), datetime.fromisoformat(begin)
    first = next(table.after(moment))
    assert [(str(each.night), each.words) for each in table.left_out(moment, first)] == [
        (night, words)
    ]


@pytest.mark.parametrize(("zone", "begin"), NIGHTS)
@pytest.mark.parametrize("cron", ["30 2 * * *", "*/30 * * * *"])
def test_nothing_is_left_out_where_an_instant_takes_its_place(
    cron: str, zone: str, begin: str
) -> None:
    """Told that nothing is started, somebody starts by hand what has been started."""
    moment = datetime.fromisoformat(begin)
    assert list(Timetable(cron, zone).left_out(moment, moment + timedelta(days=2))) == []


@pytest.mark.parametrize(("zone", "begin"), NIGHTS)
@pytest.mark.parametrize(
    "cron",
    ["*/30 2 * * *", "*/30 3 * * *", "0 */6 * * *", "45 * * * *", "15 * * * *", "0 0 3 * * *"],
)
def test_what_goes_by_real_time_comes_as_often_as_the_clock_shows_it(
    cron: str, zone: str, begin: str
) -> None:
    """The page has rows for it; a clock that is set by half an hour must not lead past a whole one."""
    table, at = Timetable(cron, zone), datetime.fromisoformat(begin)
    *_, minute, hour = cron.split()[:-3]
    minutes = {"*/30": {0, 30}}.get(minute) or {int(minute)}
    hours = {"*": set(range(24)), "*/6": {0, 6, 12, 18}}.get(hour) or {int(hour)}
    shown = []
    while at < datetime.fromisoformat(begin) + timedelta(hours=48):
        at += timedelta(minutes=1)
        local = table.local(at)
        if local.minute in minutes and local.hour in hours:
            shown.append(at)
    assert walked(cron, zone, begin) == shown


@pytest.mark.parametrize(("name", "expression"), ALIASES.items())
def test_short_names_mean_their_expressions(name: str, expression: str) -> None:
    """Everybody writes @daily."""
    begin = datetime(2026, 1, 1, 12, tzinfo=UTC)
    named, written = (list(islice(Timetable(c, "UTC").after(begin), 5)) for c in (name, expression))
    assert named == written


@pytest.mark.parametrize(
    ("cron", "zone", "says", "types"),
    [
        ("61 * * * *", "UTC", "its minute cannot be used", "minute (0-59)"),
        (
            "0 0 1 1 * * 2027",
            "UTC",
            "it has 7, and it needs five fields, or six with seconds",
            "30 2 * * *",
        ),
        ("60 * * * *", "UTC", "its minute cannot be used: 60 is not within 0-59", "minute (0-59)"),
        (
            "*/0 * * * *",
            "UTC",
            "the step of '*/0' has to be a whole number above 0",
            "minute (0-59)",
        ),
        ("0 5,24 * * *", "UTC", "its hour cannot be used: 24 is not within 0-23", "hour (0-23)"),
        ("0 17-9 * * *", "UTC", "its hour cannot be used: '17-9' goes backwards", "hour (0-23)"),
        ("0 0 * * 8", "UTC", "its day-of-week cannot be used: 8 is not within 0-7", "SUN-SAT"),
        (
            "0 0 ? * MON",
            "UTC",
            "its day-of-month cannot be used: '?' is not known there",
            "write * where ?",
        ),
        ("0 0 31 2", "UTC", "it has 4, and it needs five fields", "30 2 * * *"),
        (
            "0 0 * * *",
            "Europe",
            "no time zone 'Europe'",
            "Europe is an area: write a place in it, such as Europe/",
        ),
        ("0 0 * * FOO", "UTC", "its day-of-week cannot be used", "SUN-SAT"),
        ("* * *", "UTC", "it needs five fields", "30 2 * * *"),
        ("", "UTC", "it needs five fields", "30 2 * * *"),
        ("9" * 5000 + " * * * *", "UTC", "500 characters at most, and this one 5008", "*/5"),
        ("@reboot", "UTC", "is no cron expression", "@daily"),
        ("0 0 31 2 *", "UTC", "never comes", "0 0 L 2 *"),
        ("0 0 31 4,6 *", "UTC", "never comes", "0 0 28 2 *"),
        ("0 0 * * *", "Berlin", "no time zone 'Berlin'", "did you mean Europe/Berlin?"),
        ("0 0 * * *", "Europe/Berln", "no time zone", "did you mean Europe/Berlin?"),
        ("0 0 * * *", "", "no time zone", "Europe/Berlin"),
        ("0 0 * * *", "../../etc/passwd", "no time zone", "IANA"),
    ],
)
def test_what_cannot_be_used_says_what_to_type(cron: str, zone: str, says: str, types: str) -> None:
    """An expression is typed once a year, and always wrong the first time."""
    with pytest.raises(UsageError) as raised:
        Timetable(cron, zone)
    assert says in raised.value.message
    assert types in " ".join(raised.value.fixes)


def test_the_29th_of_february_comes_every_four_years() -> None:
    """It is rare, not impossible."""
    first = next(Timetable("0 0 29 2 *", "UTC").after(datetime(2026, 1, 1, tzinfo=UTC)))
    assert first == datetime(2028, 2, 29, tzinfo=UTC)


def test_instants_end_with_the_calendar() -> None:
    """Whoever asks for too much gets what there is, and no traceback."""
    table = Timetable("0 0 1 1 *", "Europe/Berlin")
    assert list(table.after(datetime(9998, 6, 1, tzinfo=UTC))) == [
        datetime(9998, 12, 31, 23, tzinfo=UTC)
    ]


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("30 2 29 2 1", "At 02:30 on the 29th day of month or on Monday in February"),
        ("30 2 1,15 * MON", "At 02:30 on the first and the 15th day of month or on Monday"),
        ("30 2 */7 * 1", "At 02:30 on every seventh day of month if it's on Monday"),
    ],
)
def test_days_of_which_one_is_enough_are_said_with_or(cron: str, words: str) -> None:
    """Who reads "and" waits for a Monday that is the 29th, and gets five runs instead."""
    assert Timetable(cron, "UTC").words == words
