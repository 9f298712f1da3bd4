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


@dataclass
class Lease:
    """A slot for one run."""

    slot: Slot
    end: "asyncio.Future[Ended] | None" = None
    """The end of the run, where nobody waits for it any more: the slot is not used again before."""


class Slots:
    """The slots of one kind: one for each run that is going on at one time."""

    def __init__(self, maker: SlotMaker) -> None:
        self._maker = maker
        # First in, first out: the one that was used last may still be making its spare.
        self._idle: deque[Slot] = deque()
        self._ending: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def lease(self, scratch_mib: int) -> AsyncIterator[Lease]:
        """A slot for one run, with a scratch directory of this size. It is not used again if the run raises.

        Raises:
            SandboxError: none could be made.
        """
        lease = Lease(await self._take(scratch_mib))
        try:
            yield lease
        except BaseException:
            if lease.end is not None:
                lease.end.cancel()
            await lease.slot.end()
            raise
        if lease.end is None or lease.end.done():
            await self._give_back(lease.slot)
        else:
            task = asyncio.ensure_future(self._give_back_after(lease.slot, lease.end))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    def keep(self, slot: Slot) -> None:
        """Take over a slot that nobody uses."""
        self._idle.append(slot)

    async def aclose(self) -> None:
        """End every idle slot; whoever has one meanwhile ends it."""
        if self._ending:
            await asyncio.wait(self._ending)
        while self._idle:
            await self._idle.popleft().end()

    async def _give_back(self, slot: Slot) -> None:
        if slot.n_runs < _RUNS_PER_SLOT:
            self.keep(slot)
        else:
            await slot.end()

    async def _give_back_after(self, slot: Slot, end: "asyncio.Future[Ended]") -> None:
        try:
            await end
        except (SlotLostError, SandboxError):
            await slot.end()
        except BaseException:
            await slot.end()
            raise
        else:
            await self._give_back(slot)

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
