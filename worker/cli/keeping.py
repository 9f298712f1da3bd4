"""Keeps the schedules that `promptmill.toml` declares, whichever way a worker is started."""

from pathlib import Path

import structlog

from config.loading import load_settings
from config.settings import Settings
from config.sources import schedules_in
from jobs.schedules.state import list_schedules

from .declaring import planned_in
from .opening import open_queue

log = structlog.get_logger(__name__)


async def keep_schedules_of_file(settings: Settings) -> None:
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
    async with open_queue(settings) as queue:
        for each in plans:
            kept = await each.keep(queue)
            if kept.is_new:
                log.info("schedule kept", schedule=each.declared.name)
            elif kept.changes:
                log.info("schedule changed", schedule=each.declared.name, changed=kept.changes)
        declared = {each.declared.name for each in plans}
        for state in await list_schedules(queue):
            there = state.schedule
            if there.declared_in == "file" and there.name not in declared:
                log.warning(
                    "a schedule is kept that no file here declares",
                    schedule=there.name,
                    fix=f"promptmill schedule remove {there.name}",
                )
