"""Ends tasks that may not hear it the first time."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

_Result = TypeVar("_Result")


async def cancel_until_done(tasks: Iterable[asyncio.Task[Any]], patience_seconds: float) -> None:
    """Cancel the tasks and wait for their end, again whenever so much time has passed; none of their errors is raised.

    redis-py looks for data under `asyncio.timeout(0)`, which can take a cancellation of the same moment for its own. A
    task that is cancelled once may then go on for ever.
    """
    pending = set(tasks)
    for task in pending:
        if not task.cancelling():
            task.cancel()
    while pending:
        _, pending = await asyncio.wait(pending, timeout=patience_seconds)
        for task in pending:
            task.cancel()


async def to_its_end(step: Coroutine[Any, Any, _Result]) -> _Result:
    """The result of a short step that must not be left halfway: a cancellation that comes meanwhile comes too late."""
    task = asyncio.create_task(step)
    while True:
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise
