"""Runs what a command has to wait for, so that Ctrl-C ends it in order, however often it is pressed."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

_Result = TypeVar("_Result")


def run_until_stopped(work: Coroutine[Any, Any, _Result]) -> _Result:
    """What `work` comes to; the first Ctrl-C cancels it, and later ones change nothing.

    `asyncio.run` by itself answers the second by an exception wherever the loop happens to be, in the middle of what
    it does to end the rest.

    Raises:
        KeyboardInterrupt: it was cancelled by Ctrl-C, and has ended.
    """

    async def until_stopped() -> _Result:
        task = asyncio.create_task(work)
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, _cancel_once, task)
        return await task

    try:
        return asyncio.run(until_stopped())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def _cancel_once(task: asyncio.Task[Any]) -> None:
    if not task.cancelling():
        task.cancel()
