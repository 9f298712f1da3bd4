"""Slots that are kept warm: how they are made, taken and given back."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from .errors import SandboxError
from .inside.protocol import Setup
from .slot import Ended, LayerRefused, Slot, SlotLostError

# A zygote does not grow, as everything it runs is a child; what the kernel keeps for it may.
_RUNS_PER_SLOT = 2000


@dataclass(frozen=True)
class SlotMaker:
    """How slots are made here."""

    interpreter: Path
    setup: Callable[[int], Setup]
    """For the size of the scratch directory, in MiB."""
    places: tuple[Path, ...]
    """Where slots have control groups, if anywhere."""

    async def make(self, scratch_mib: int) -> Slot:
        """A slot that waits for its first program.

        Raises:
            LayerRefused: it cannot be had.
            SandboxError: it failed.
        """
        slot = Slot(self.interpreter, self.setup(scratch_mib), self.places)
        try:
            await slot.ready()
        except BaseException:
            await slot.end()
            raise
        return slot


class Loan:
    """A slot that was lent for one run."""

    def __init__(self, slot: Slot) -> None:
        self.slot = slot
        self._end: asyncio.Future[Ended] | None = None

    def lasts_until(self, end: "asyncio.Future[Ended]") -> None:
        """Have nobody else use the slot before this end of its run, even where the borrower does not wait for it."""
        self._end = end

    @property
    def is_over(self) -> bool:
        """Whether nothing that outlives the borrower is still going on."""
        return self._end is None or self._end.done()

    async def over(self) -> None:
        """Wait until it is.

        Raises:
            SlotLostError: the slot is not to be used again.
            SandboxError: nor here.
        """
        if self._end is not None:
            await self._end

    async def break_off(self) -> None:
        """End the slot, and whatever is going on in it."""
        try:
            if self._end is not None:
                self._end.cancel()
                # Before its socket is closed: the number of it may soon be another's.
                await asyncio.gather(self._end, return_exceptions=True)
        finally:
            await self.slot.end()


class Slots:
    """The slots of one kind: one for each run that is going on at one time."""

    def __init__(self, maker: SlotMaker) -> None:
        self._maker = maker
        # First in, first out: the one that was used last may still be making its spare.
        self._idle: deque[Slot] = deque()
        self._ending: set[asyncio.Task[None]] = set()
        self._is_closed = False

    @asynccontextmanager
    async def lend(self, scratch_mib: int) -> AsyncIterator[Loan]:
        """A slot for one run, with a scratch directory of this size. It is not used again if the run raises.

        Raises:
            SandboxError: none could be made.
        """
        loan = Loan(await self._take(scratch_mib))
        try:
            yield loan
        except BaseException:
            await loan.break_off()
            raise
        if loan.is_over:
            await self._take_back(loan)
        else:
            task = asyncio.ensure_future(self._take_back(loan))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    def keep(self, slot: Slot) -> None:
        """Take over a slot that nobody uses."""
        self._idle.append(slot)

    async def aclose(self) -> None:
        """End every idle slot, and every run that nobody waits for; whoever borrowed one ends it by giving it back."""
        self._is_closed = True
        ending = tuple(self._ending)
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        while self._idle:
            await self._idle.popleft().end()

    async def _take_back(self, loan: Loan) -> None:
        try:
            await loan.over()
        except (SlotLostError, SandboxError):
            await loan.slot.end()
        except BaseException:
            await loan.break_off()
            raise
        else:
            await self._give_back(loan.slot)

    async def _give_back(self, slot: Slot) -> None:
        if self._is_closed or slot.n_runs >= _RUNS_PER_SLOT:
            await slot.end()
        else:
            self.keep(slot)

    async def _take(self, scratch_mib: int) -> Slot:
        for slot in self._idle:
            if slot.scratch_mib == scratch_mib:
                self._idle.remove(slot)
                return slot
        if self._idle:
            # Of another size: it makes room, or there would be slots for every size that was ever asked for.
            await self._idle.popleft().end()
        try:
            return await self._maker.make(scratch_mib)
        except LayerRefused as refused:
            raise SandboxError(
                "the sandbox lost a layer it had when it was opened",
                facts={"layer": refused.layer, "reason": refused.detail},
            ) from refused
