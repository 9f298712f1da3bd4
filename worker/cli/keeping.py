"""Keeps the schedules that `promptmill.toml` declares, whichever way a worker is started."""

from collections.abc import Set as AbstractSet
from pathlib import Path

import structlog

from config.loading import load_settings
from config.settings import Settings
from config.sources import schedules_in
from jobs.errors import UsageError
from jobs.queue import JobQueue
from jobs.schedules.reading import list_schedules

from .declaring import planned_in

log = structlog.get_logger(__name__)


async def keep_schedules_of_file(queue: JobQueue, settings: Settings) -> None:
    """Keep what is declared in the file here, and name what is kept of a file and declared no more.

    Raises:
        UsageError: one of them cannot be kept like that; none of them was.
        RedisUnreachableError: Redis did not answer.
        StoreError: the jobs of one cannot be kept.
    """
    here = Path.cwd()
    tables = schedules_in(here)

    def settings_for(model: str | None) -> Settings:
        return settings if model is None else load_settings(here, overrides={"model.name": model})

    plans = planned_in(tables, settings_for)
    for each in plans:
        kept = await each.keep(queue)
        if kept.is_new:
            log.info("schedule kept", schedule=each.declared.name)
        elif kept.changes:
            log.info("schedule changed", schedule=each.declared.name, changed=kept.changes)
    await _name_orphans(queue, {each.declared.name for each in plans})


async def _name_orphans(queue: JobQueue, declared: AbstractSet[str]) -> None:
    try:
        states = await list_schedules(queue)
    except UsageError as error:
        # Of another version, whose workers see to it.
        log.warning("schedules not compared with the file", error=error.in_one_line)
        return
    for state in states:
        there = state.schedule
        if there.declared_in == "file" and there.name not in declared:
            log.warning(
                "a schedule is kept that no file here declares",
                schedule=there.name,
                fix=f"promptmill schedule remove {there.name}",
            )
