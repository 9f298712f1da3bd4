"""The sandbox: a run in a warm slot, and tests of a program in two."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import TracebackType
from typing import Self, TypeVar

from jobs.limits import Limits
from jobs.models import ExecutableCode, Execution, Isolation

from .building import Workshop, without_room
from .carrying import carry_out
from .contract import NO_FILES, NO_HARNESS, Files, Harness, Verification
from .errors import SandboxError
from .interpreters import find_tool
from .languages import ROWS
from .plan import Plan, plan_of
from .slot import SlotLostError
from .slots import Slots
from .verifying import TESTS_SCRATCH_MIB, plans_of, verified

_T = TypeVar("_T")
# A zygote can be killed by somebody else; a program that kills it three times is no accident.
_TRIES = 3


class ZygoteSandbox:
    """A `Sandbox` that keeps a warm slot for each program that runs at one time.

    Runs may be concurrent; how many is the caller's business. Get one from `open_sandbox`, which has proven that
    the layers of `isolation` can be had. It has processes of its own until it is closed.
    """

    def __init__(
        self, isolation: Isolation, programs: Slots, tests: Slots, *, for_everybody: bool
    ) -> None:
        """`programs` are the slots for programs, `tests` those for tests that have a slot of their own.

        `for_everybody` passes over interpreters that only their owner can reach.
        """
        self._isolation = isolation
        self._for_everybody = for_everybody
        self._programs = programs
        self._tests = tests
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
            FilesTooLargeError: the files do not fit into the directory of the run, beside what was made of the program.
        """
        for_everybody = self._for_everybody
        if ROWS[code.language].tool.trial is not None:
            # It may start the tool, and everybody else's job would wait for that.
            await asyncio.to_thread(find_tool, code.language, for_everybody=for_everybody)
        if ROWS[code.language].compiling is not None:
            made = await self._workshop.made_of(code, harness, limits, for_everybody=for_everybody)
            if isinstance(made, Execution):
                return made
            is_sized = "sized-scratch" in self._isolation.layers
            if is_sized and (refused := without_room(files, made, limits.scratch_mib)):
                return refused
            files = replace(files, given={**files.given, **made.given})
        plan = plan_of(code, limits, stdin, (harness, files), for_everybody=for_everybody)
        return await self._see_through(plan)

    async def _see_through(self, plan: Plan) -> Execution:
        async def once() -> Execution:
            async with self._programs.lend(plan.limits.scratch_mib) as loan:
                return await carry_out(plan, loan.slot)

        return await _insist(once)

    async def verify(
        self,
        code: ExecutableCode,
        tests: str,
        limits: Limits,
        *,
        stdin: str = "",
        files: Files = NO_FILES,
    ) -> Verification:
        """Run a Python program in one slot and its tests in another, where they call it by message.

        The limits are the program's; the tests have their own, and a copy of the files. As for `run`, nothing that the
        program does makes it raise.

        Raises:
            SandboxError: we failed, and nothing is known about the program.
            UnusableTestsError: the tests say nothing of any program.
        """
        plans = plans_of(code, tests, limits, stdin, files)

        async def once() -> Verification:
            async with (
                self._programs.lend(limits.scratch_mib) as program,
                self._tests.lend(TESTS_SCRATCH_MIB) as tester,
            ):
                return await verified(plans, program, tester)

        return await _insist(once)

    async def aclose(self) -> None:
        """End every idle slot; whoever runs a program meanwhile ends its own when it is done."""
        await self._programs.aclose()
        await self._tests.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()


async def _insist(once: Callable[[], Awaitable[_T]]) -> _T:
    """Do it again where a slot was lost meanwhile.

    Raises:
        SandboxError: one was lost each time.
    """
    lost: SlotLostError | None = None
    for _ in range(_TRIES):
        try:
            return await once()
        except SlotLostError as error:
            lost = error
    raise SandboxError(
        f"the sandbox's zygote died {_TRIES} times under one program",
        facts={"reason": str(lost)},
    )
