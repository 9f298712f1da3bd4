"""The sandbox: slots that are kept warm, and a run in one of them."""

import asyncio
import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from jobs.limits import Limits
from jobs.models import ExecutableCode, Execution, Isolation

from .building import Workshop
from .contract import NO_FILES, NO_HARNESS, Files, Harness
from .errors import SandboxError
from .inside.protocol import Setup
from .interpreters import find_tool
from .languages import ROWS
from .pipes import Plumbing
from .plan import Plan, plan_of
from .reading import execution_of
from .slot import Ended, LayerRefused, Slot, SlotLostError

_KIB = 1024
# What a zygote may take beyond the program's wall time, to bury a large tree.
_GRACE_SECONDS = 10.0
# A zygote can be killed by somebody else; a program that kills it three times is no accident.
_TRIES = 3
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


class ZygoteSandbox:
    """A `Sandbox` that keeps a warm slot for each program that runs at one time.

    Runs may be concurrent; how many is the caller's business. Get one from `open_sandbox`, which has proven that
    the layers of `isolation` can be had. It has processes of its own until it is closed.
    """

    def __init__(self, isolation: Isolation, maker: SlotMaker) -> None:
        self._isolation = isolation
        self._maker = maker
        # First in, first out: the one that was used last may still be making its spare.
        self._idle: deque[Slot] = deque()
        self._workshop = Workshop(self._see_through)

    @property
    def isolation(self) -> Isolation:
        """The layers that are in force while a program runs here."""
        return self._isolation

    async def run(
        self,
        code: ExecutableCode,
        limits: Limits,
        *,
        stdin: str = "",
        harness: Harness = NO_HARNESS,
        files: Files = NO_FILES,
    ) -> Execution:
        """Run a program, and its harness after it.

        It cannot raise because of what the program did. Cancelling it kills the program and everything it started,
        and returns when they are dead. Should a slot be lost, the program is run again in another.

        Raises:
            SandboxError: we failed, and nothing is known about the program.
            InterpreterMissingError: nothing here runs this language.
        """
        for_everybody = self._isolation.profile != "strict" and os.geteuid() == 0
        if ROWS[code.language].tool.trial is not None:
            # It may start the tool, and everybody else's job would wait for that.
            await asyncio.to_thread(find_tool, code.language, for_everybody=for_everybody)
        if ROWS[code.language].compiling is not None:
            made = await self._workshop.made_of(code, harness, limits, for_everybody=for_everybody)
            if isinstance(made, Execution):
                return made
            files = replace(files, given={**files.given, **made})
        plan = plan_of(code, limits, stdin, (harness, files), for_everybody=for_everybody)
        return await self._see_through(plan)

    async def _see_through(self, plan: Plan) -> Execution:
        limits = plan.limits
        lost: SlotLostError | None = None
        for _ in range(_TRIES):
            slot = await self._take(limits.scratch_mib)
            try:
                execution = await _carry_out(plan, slot)
            except SlotLostError as error:
                lost = error
                await slot.end()
            except BaseException:
                await slot.end()
                raise
            else:
                await self._give_back(slot)
                return execution
        raise SandboxError(
            f"the sandbox's zygote died {_TRIES} times under one program",
            facts={"reason": str(lost)},
        )

    def keep(self, slot: Slot) -> None:
        """Take over a slot that nobody uses."""
        self._idle.append(slot)

    async def aclose(self) -> None:
        """End every idle slot; whoever runs a program meanwhile ends its own."""
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

    async def _give_back(self, slot: Slot) -> None:
        if slot.n_runs < _RUNS_PER_SLOT:
            self.keep(slot)
        else:
            await slot.end()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()


async def _carry_out(plan: Plan, slot: Slot) -> Execution:
    """Run it in this slot.

    Raises:
        SlotLostError: the slot is not to be used again, and the program may be.
        SandboxError: neither is.
    """
    plumbing = Plumbing(plan.stdin, plan.question, plan.limits.output_kib * _KIB)
    try:
        _start(plan, slot, plumbing)
        ended = await _end_of(plan, slot)
        plumbing.read_what_is_left()
    finally:
        plumbing.close()
    return execution_of(plan, plumbing, ended)


def _start(plan: Plan, slot: Slot, plumbing: Plumbing) -> None:
    ends = plumbing.ends_for_the_program
    if slot.uid >= 0:
        # Or opening /dev/stdout would be refused to the program.
        for descriptor in ends:
            os.fchown(descriptor, slot.uid, slot.uid)
    contents = plan.write_contents()
    try:
        slot.start(plan.request, (*ends, contents))
    finally:
        os.close(contents)
    plumbing.start(slot.stop)


async def _end_of(plan: Plan, slot: Slot) -> Ended:
    try:
        async with asyncio.timeout(plan.limits.wall_seconds + _GRACE_SECONDS):
            return await slot.report()
    except TimeoutError as error:
        raise SlotLostError(
            f"no report within {plan.limits.wall_seconds + _GRACE_SECONDS:g} s"
        ) from error
