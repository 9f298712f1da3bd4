"""Whose turn it is to run a program: as many at one time as there are slots, or one alone."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Slots that are taken one by one, or all at once by whoever must be alone; who came first goes first.

    So nobody waits for ever: whoever wants all of them gets them when those before are done, and those who came after
    wait for that one.
    """

    def __init__(self, n_slots: int) -> None:
        """So many programs run at one time."""
        self._n_slots = self._n_free = n_slots
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """A slot, beside others; it must not be held by whoever wants to be alone."""
        async with self._taken(1):
            yield

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Every slot."""
        async with self._taken(self._n_slots):
            yield

    @asynccontextmanager
    async def _taken(self, n: int) -> AsyncIterator[None]:
        if self._waiting or n > self._n_free:
            await self._turn(n)
        else:
            self._n_free -= n
        try:
            yield
        finally:
            self._give_back(n)

    async def _turn(self, n: int) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((n, turn))
        try:
            await turn
        except asyncio.CancelledError:
            # It may have come at the same moment; if not, those behind need not wait for this one any more.
            self._give_back(0 if turn.cancelled() else n)
            raise

    def _give_back(self, n: int) -> None:
        self._n_free += n
        while self._waiting:
            wanted, turn = self._waiting[0]
            if not turn.done():
                if wanted > self._n_free:
                    return
                self._n_free -= wanted
                turn.set_result(None)
            self._waiting.popleft()
