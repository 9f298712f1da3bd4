"""Ends tasks that may not hear it the first time."""

import asyncio
from collections.abc import Iterable
from typing import Any


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
