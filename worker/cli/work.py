"""`promptmill worker`: take jobs from the queue until told to stop."""

import asyncio
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

    from .keeping import keep_schedules_of_file

    log = structlog.get_logger(__name__)
    async with open_engine(settings) as engine:
        await keep_schedules_of_file(engine.ticker.queue, settings)

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
