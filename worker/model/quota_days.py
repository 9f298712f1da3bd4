"""The days by which the service counts: they end at midnight Pacific time."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jobs.clock import utcnow

_WINTER_TIME = timedelta(hours=-8)


def quota_day() -> str:
    """The day that it is there now."""
    return _there(utcnow()).date().isoformat()


def _there(at: datetime) -> datetime:
    """A time by the clocks there, without its zone."""
    try:
        return at.astimezone(ZoneInfo("America/Los_Angeles")).replace(tzinfo=None)
    except ZoneInfoNotFoundError:
        # A machine without tables of time zones. In summer its day is an hour late, at which nothing is lost but that.
        return (at + _WINTER_TIME).replace(tzinfo=None)
