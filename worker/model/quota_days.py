"""The days by which the service counts: they end at midnight Pacific time."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jobs.clock import utcnow

_QUOTA_ZONE = "America/Los_Angeles"
# There in winter; an hour late in summer, on a machine that knows no time zones.
_LATEST_RENEWAL_HOUR = 8
# The service's clock is not ours.
_MARGIN = timedelta(minutes=1)


def quota_day() -> str:
    """The day that it is there now."""
    return (renewal_of_quota(utcnow()) - timedelta(days=1)).date().isoformat()


def renewal_of_quota(now: datetime) -> datetime:
    """When Google next renews what may be asked in a day, after `now`: at midnight Pacific time, and a minute more."""
    try:
        zone = ZoneInfo(_QUOTA_ZONE)
    except ZoneInfoNotFoundError:
        renewed = now.astimezone(UTC).replace(
            hour=_LATEST_RENEWAL_HOUR, minute=0, second=0, microsecond=0
        )
        return (renewed if renewed > now else renewed + timedelta(days=1)) + _MARGIN
    tomorrow = now.astimezone(zone).date() + timedelta(days=1)
    midnight = datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=zone)
    return midnight.astimezone(UTC) + _MARGIN
