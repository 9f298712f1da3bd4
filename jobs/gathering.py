"""Many who ask at one time, and one round trip for all: whatever comes while one is under way goes with the next."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

_MOST_AT_ONCE = 500
_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")


class Gathering(Generic[_Item, _Answer]):
    """Passes items on together, in the order in which they came, and gives each its own answer."""

    def __init__(self, send: Callable[[Sequence[_Item]], Awaitable[Sequence[_Answer]]]) -> None:
        """Pass them to `send`, which answers each of them in the same order and raises nothing."""
        self._send = send
        self._waiting: list[tuple[_Item, asyncio.Future[_Answer]]] = []
        self._sending: asyncio.Task[None] | None = None

    async def ask(self, item: _Item) -> _Answer:
        """What `send` answers to this one."""
        answered: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answered))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_all())
        return await answered

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                batch = self._waiting[:_MOST_AT_ONCE]
                del self._waiting[: len(batch)]
                answers = await self._send([item for item, _ in batch])
                for (_, answered), answer in zip(batch, answers, strict=True):
                    # Whoever was cancelled meanwhile wants none.
                    if not answered.done():
                        answered.set_result(answer)
        finally:
            self._sending = None
