"""`promptmill worker`: take jobs from the queue until told to stop."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.errors import ExitCode, RedisUnreachableError

from .flags import NO_FLAGS, AsJson, SettingFlags, Switch, read_settings

if TYPE_CHECKING:
    from config.settings import Settings


def work(
    *,
    burst: Switch = False,
    check: Switch = False,
    json: AsJson = False,
    flags: SettingFlags = NO_FLAGS,
) -> int:
    """Take jobs from the queue until told to stop.

    SIGTERM and Ctrl-C: no job is taken any more, held ones are finished within `worker.drain_seconds` or handed back.

    Args:
        burst: stop when the queue holds nothing that this worker answers.
        check: only ask the worker that answers at worker.listen whether it takes jobs; exit with 0 if so, else 3.
        json: errors as JSON.
    """
    settings = read_settings(flags, quiet=check)
    if check:
        from .asking_workers import ask_whether_ready

        ask_whether_ready(settings.worker.listen)
        return ExitCode.OK
    try:
        asyncio.run(_work(settings, burst=burst))
    except RedisUnreachableError as error:
        error.facts["set in"] = settings.origin_of("redis.url")
        raise
    return ExitCode.OK


async def _work(settings: "Settings", *, burst: bool) -> None:
    import structlog

    from jobs.connection import shown_url
    from worker.main import open_engine, serve

    log = structlog.get_logger(__name__)
    async with open_engine(settings) as engine:
        await _keep_schedules(settings)

        def tell() -> None:
            log.info(
                "worker ready",
                worker=engine.presence.worker_id,
                model=engine.presence.model,
                simulated=engine.presence.simulated,
                languages=[language.value for language in engine.presence.languages],
                isolation=list(engine.sandbox.isolation.layers),
                missing=list(engine.sandbox.isolation.missing),
                redis=shown_url(settings.redis_url),
            )

        # Whoever waits for these words may stop it the moment after, and must find it listening.
        await serve(engine, settings, burst=burst, outlasts_refusals=not burst, on_ready=tell)
        log.info("worker stopped")


async def _keep_schedules(settings: "Settings") -> None:
    """Keep the schedules that `promptmill.toml` declares."""
    import structlog

    from config.loading import load_settings
    from config.sources import schedules_in
    from jobs.schedules.state import list_schedules

    from .declaring import planned_in
    from .opening import open_queue

    log = structlog.get_logger(__name__)
    here = Path.cwd()
    tables = schedules_in(here)

    def settings_for(model: str | None) -> "Settings":
        return settings if model is None else load_settings(here, overrides={"model.name": model})

    async with open_queue(settings) as queue:
        for each in planned_in(tables, settings_for):
            kept = await each.keep(queue)
            if kept.is_new:
                log.info("schedule kept", schedule=each.declared.name)
            elif kept.changes:
                log.info("schedule changed", schedule=each.declared.name, changed=kept.changes)
        declared = {str(table.values.get("name")) for table in tables}
        for state in await list_schedules(queue):
            there = state.schedule
            if there.declared_in == "file" and there.name not in declared:
                log.warning(
                    "a schedule is kept that no file here declares",
                    schedule=there.name,
                    fix=f"promptmill schedule remove {there.name}",
                )
