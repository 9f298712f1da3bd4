"""The jobs that every run of a schedule has: kept in the record store once, and dropped with their last user."""

import hashlib
from collections.abc import Callable, Iterator

from arq.connections import ArqRedis

from jobs.feeding import is_still_read, keep_batches
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


async def drop_if_unused(redis: ArqRedis, keys: Keys, records: RecordStore, template: str) -> None:
    """Remove a template that neither its schedule nor a run that is still to be fed needs.

    Whoever stops using it asks for this afterwards, so that the last one finds nobody. Done again, it changes nothing.

    Raises:
        RedisError, OSError: Redis did not answer.
        StoreError: it cannot be removed.
    """
    async with redis.pipeline(transaction=False) as pipe:
        pipe.hget(keys.schedule(template.rpartition("@")[0]), "definition")
        [definition] = await pipe.execute()
    if definition and Schedule.model_validate_json(definition).template.name == template:
        return
    if not await is_still_read(redis, keys, template):
        await records.drop_batches(template)
