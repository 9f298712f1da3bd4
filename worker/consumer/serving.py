"""Runs an arq worker to its end, and makes sure that there is one."""

import asyncio

import structlog
from arq.worker import Worker

from .cancelling import cancel_until_done

_log = structlog.get_logger(__name__)
_LOOP_PATIENCE_SECONDS = 0.2
_JOB_PATIENCE_SECONDS = 10.0


async def run_to_end(worker: Worker) -> None:
    """Work until the burst is over, a signal came or this call is cancelled; then no task of the worker is left.

    What ends arq's loop otherwise, such as a Redis that has gone, is raised.
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
        await worker.close()
    if not loop.cancelled():
        loop.result()


async def _end_jobs(worker: Worker) -> None:
    tasks = tuple(worker.tasks.values())
    await cancel_until_done(tasks, _JOB_PATIENCE_SECONDS)
    # Arq gathers them when it closes, and one that was cancelled late would end the closing halfway.
    worker.tasks.clear()
    for task in tasks:
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("arq could not finish a job; it will be delivered again", exc_info=error)
