"""What `schedule preview` prints, without a process of its own."""

import contextlib

import pytest

from jobs.errors import ExitCode
from worker.cli import app
from worker.cli.schedule import preview


def test_the_date_in_utc_is_shown_where_it_is_another_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Between 23:00Z and 01:00 of the next day lies a mistake of a day."""
    preview("30 1 * * *", tz="Europe/Berlin", from_="2027-06-01T00:00Z", number=1)
    assert "Wed 2027-06-02 01:30:00 CEST   2027-06-01 23:30:00Z\n" in capsys.readouterr().out


def test_a_schedule_in_utc_says_its_times_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The same time twice in a line makes readers look for the difference."""
    preview("30 1 * * *", from_="2027-06-01T00:00Z", number=1)
    assert capsys.readouterr().out.splitlines()[1:] == ["Tue 2027-06-01 01:30:00 UTC"]


def test_fewer_instants_than_were_asked_for_say_why(capsys: pytest.CaptureFixture[str]) -> None:
    """A 29th of February that is a Sunday comes every 28 years, and the calendar ends."""
    assert preview("0 0 29 2 */7", from_="2900-01-01T00:00Z", number=1000) == ExitCode.OK
    told = capsys.readouterr()
    assert len(told.out.splitlines()) < 500
    assert "with the year 9999" in told.err


def test_the_help_of_a_backfill_tells_how_much_it_starts_at_most(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whoever fills in a month of minutes learns it before typing, and not by an error."""
    with contextlib.suppress(SystemExit):
        app(["schedule", "backfill", "--help"])
    assert "1000 instants at most" in " ".join(capsys.readouterr().out.split())
