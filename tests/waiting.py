"""Waiting for a condition with a deadline: what every test does instead of sleeping."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

_POLL_SECONDS = 0.005


async def wait_until(
    predicate: Callable[[], bool | Awaitable[bool]],
    deadline_seconds: float,
    description: str,
) -> None:
    """Return as soon as `predicate`, a plain or an asynchronous function, answers true.

    Raises:
        AssertionError: it did not within `deadline_seconds`; the message ends in `description`.
    """
    give_up_at = time.monotonic() + deadline_seconds
    while not await _answer(predicate):
        if time.monotonic() > give_up_at:
            raise AssertionError(f"waited {deadline_seconds} s in vain for: {description}")
        await asyncio.sleep(_POLL_SECONDS)


async def _answer(predicate: Callable[[], bool | Awaitable[bool]]) -> bool:
    answer = predicate()
    return await answer if inspect.isawaitable(answer) else answer
