"""Runs what a command has to wait for, so that Ctrl-C ends it in order, however often it is pressed."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any, TypeVar

_Result = TypeVar("_Result")
_Handler = Callable[[int, FrameType | None], object]


def run_until_stopped(work: Coroutine[Any, Any, _Result]) -> _Result:
    """What `work` comes to; the first Ctrl-C cancels it, and later ones change nothing.

    `asyncio.run` by itself answers the second by an exception wherever the loop happens to be, in the middle of what
    it does to end the rest.

    Raises:
        KeyboardInterrupt: it was cancelled by Ctrl-C, and has ended.
    """

    async def until_stopped() -> _Result:
        task, loop = asyncio.create_task(work), asyncio.get_running_loop()
        is_stopping = False

        def cancel(_: int, __: FrameType | None) -> None:
            nonlocal is_stopping
            if not is_stopping and not loop.is_closed():
                # Called between two steps of the loop, or while it waits for something to happen.
                loop.call_soon_threadsafe(task.cancel)
            is_stopping = True

        signal.signal(signal.SIGINT, cancel)
        return await task

    afterwards: signal.Handlers | _Handler = signal.default_int_handler
    try:
        return asyncio.run(until_stopped())
    except asyncio.CancelledError:
        # What is left is to say so and to leave.
        afterwards = signal.SIG_IGN
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGINT, afterwards)
