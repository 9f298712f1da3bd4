"""Slots that are kept warm: how they are made, taken and given back."""

from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from .errors import SandboxError
from .inside.protocol import Setup
from .slot import LayerRefused, Slot

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


class Slots:
    """The slots of one kind: one for each run that is going on at one time."""

    def __init__(self, maker: SlotMaker) -> None:
        self._maker = maker
        # First in, first out: the one that was used last may still be making its spare.
        self._idle: deque[Slot] = deque()

    @asynccontextmanager
    async def slot(self, scratch_mib: int) -> AsyncIterator[Slot]:
        """A slot for one run, with a scratch directory of this size. It is not used again if the run raises.

        Raises:
            SandboxError: none could be made.
        """
        slot = await self._take(scratch_mib)
        try:
            yield slot
        except BaseException:
            await slot.end()
            raise
        if slot.n_runs < _RUNS_PER_SLOT:
            self.keep(slot)
        else:
            await slot.end()

    def keep(self, slot: Slot) -> None:
        """Take over a slot that nobody uses."""
        self._idle.append(slot)

    async def aclose(self) -> None:
        """End every idle slot; whoever has one meanwhile ends it."""
        while self._idle:
            await self._idle.popleft().end()

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
