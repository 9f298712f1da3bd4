"""The jobs that every run of a schedule has: kept in the record store once, and dropped with their last user."""

import hashlib
from collections.abc import Callable, Iterator

from arq.connections import ArqRedis

from jobs.feeding import end_feeding, is_still_read, keep_batches
from jobs.keys import Keys
from jobs.models import PromptJob
from jobs.records import RecordStore

from .models import Schedule, Template

TEMPLATE_RUN = "template"
"""The run that jobs of a template are said to belong to; each run of the schedule puts its own name in its place."""
_DIGITS = 16


def template_name(schedule: str, jobs: Iterator[PromptJob]) -> str:
    """Where these jobs lie: the same ones in the same place."""
    digest = hashlib.sha256()
    for job in jobs:
        digest.update(job.to_json().encode())
    return f"{schedule}@{int(digest.hexdigest()[:_DIGITS], 16)}"


async def keep_template(
    records: RecordStore, schedule: str, jobs: Callable[[], Iterator[PromptJob]]
) -> Template:
    """Write the jobs of a schedule into the record store; the same ones again change nothing.

    Raises:
        StoreError: they cannot be kept.
    """
    name = template_name(schedule, jobs())
    kept = await keep_batches(records, name, jobs())
    return Template(name=name, n_batches=kept.n_batches, n_jobs=kept.n_jobs, lane=kept.lane)


async def drop_if_unused(redis: ArqRedis, keys: Keys, records: RecordStore, place: str) -> None:
    """Remove jobs that neither a schedule, as its template, nor a run that is still to be fed needs.

    Whoever stops using them asks for this afterwards, so that the last finds nobody. Done again, it changes nothing.

    Raises:
        RedisError, OSError: Redis did not answer.
        StoreError: they cannot be removed.
    """
    async with redis.pipeline(transaction=False) as pipe:
        pipe.hget(keys.schedule(place.rpartition("@")[0]), "definition")
        [definition] = await pipe.execute()
    if definition and Schedule.model_validate_json(definition).template.name == place:
        return
    if not await is_still_read(redis, keys, place):
        await records.drop_batches(place)


async def forget_feeding(
    redis: ArqRedis, keys: Keys, records: RecordStore, run_id: str, place: str
) -> None:
    """Remove what a run was fed with, unless others need it, and then forget that it was.

    In this order: whoever is killed in between leaves the rest to a worker. Of a run that is fed from another place by
    now, nothing is touched.

    Raises:
        RedisError, OSError: Redis did not answer.
        StoreError: the jobs cannot be removed.
    """
    if place:
        await drop_if_unused(redis, keys, records, place)
    await end_feeding(redis, keys, run_id, place)
