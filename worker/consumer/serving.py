"""Runs an arq worker to its end, and makes sure that there is one."""

import asyncio

import structlog
from arq.worker import Worker
from redis.exceptions import RedisError

from jobs.connection import expecting_answer

from .cancelling import cancel_until_done

_log = structlog.get_logger(__name__)
_LOOP_PATIENCE_SECONDS = 0.2
_JOB_PATIENCE_SECONDS = 10.0
_FINISHING_SECONDS = 0.5


async def run_to_end(worker: Worker) -> None:
    """Work until the burst is over, a signal came or this call is cancelled; then no task of the worker is left.

    Raises:
        RedisUnreachableError: Redis ended it; jobs without a record stay queued.
    """
    stopped = asyncio.Event()
    worker.on_stop = lambda _: stopped.set()
    loop = asyncio.create_task(worker.async_run())
    waiting = asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait({loop, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        await cancel_until_done([loop], _LOOP_PATIENCE_SECONDS)
        await _end_jobs(worker)
        await _close(worker)
    if not loop.cancelled():
        with expecting_answer(
            "the worker cannot go on without Redis", note="jobs without a record stay queued"
        ):
            loop.result()


async def _close(worker: Worker) -> None:
    try:
        await worker.close()
    except (RedisError, OSError) as error:
        # What it would have deleted expires, and why the worker ended must not be lost.
        _log.warning("arq's health key not taken back", error=str(error))


async def _end_jobs(worker: Worker) -> None:
    tasks = tuple(worker.tasks.values())
    if tasks:
        # A job whose record is there leaves the queue a moment later.
        await asyncio.wait(tasks, timeout=_FINISHING_SECONDS)
    await cancel_until_done(tasks, _JOB_PATIENCE_SECONDS)
    # Arq gathers them when it closes, and one that was cancelled late would end the closing halfway.
    worker.tasks.clear()
    for task in tasks:
        if task.cancelled() or (error := task.exception()) is None:
            continue
        # Of an outage, a traceback tells nothing that its words do not.
        is_outage = isinstance(error, RedisError | OSError)
        _log.error(
            "arq could not finish a job; it will be delivered again",
            error=str(error),
            exc_info=None if is_outage else error,
        )
