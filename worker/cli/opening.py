"""Opens what commands work with."""

from config.settings import Settings
from jobs.queue import JobQueue


def open_queue(settings: Settings) -> JobQueue:
    """The queue that these settings mean."""
    return JobQueue(
        settings.redis_url, records=settings.records_place, prefix=settings.redis.prefix
    )
