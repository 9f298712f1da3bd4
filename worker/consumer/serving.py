"""Runs an arq worker to its end, and makes sure that there is one."""

import asyncio

from arq.worker import Worker

from .cancelling import cancel_until_done

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
        await cancel_until_done(worker.tasks.values(), _JOB_PATIENCE_SECONDS)
        # Arq gathers them when it closes, and one that was cancelled late would end the closing halfway.
        worker.tasks.clear()
        await worker.close()
    if not loop.cancelled():
        loop.result()
