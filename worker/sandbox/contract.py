"""What a sandbox promises, whoever keeps it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Protocol

from jobs.checkers import CallInputs
from jobs.given_files import room_for
from jobs.limits import Limits
from jobs.models import CaseResult, ExecutableCode, Execution, Isolation
from jobs.verdicts import Verdict

from .errors import FilesTooLargeError

_NO_FILES: Mapping[str, bytes] = MappingProxyType({})


@dataclass(frozen=True)
class Files:
    """Files that go in beside a program, and how many that it made come out."""

    given: Mapping[str, bytes] = field(default_factory=lambda: _NO_FILES)
    """By path below the program's working directory."""
    most_collected: int = 0
    most_collected_kib: int = 0
    """Of all of them together."""

    def require_room(self, scratch_mib: int, beside: Iterable[bytes]) -> None:
        """Refuse those given where they, and what lies beside them, do not fit into a directory of this size.

        Raises:
            FilesTooLargeError: they do not.
        """
        n_bytes = room_for([*self.given.values(), *beside])
        if n_bytes > scratch_mib << 20:
            raise FilesTooLargeError(n_bytes, scratch_mib)


@dataclass(frozen=True)
class Harness:
    """What is attached to a program to check it from inside; at most one of the two."""

    tests: str | None = None
    """Source code that runs after the program, in its process and scope."""
    calls: CallInputs | None = None
    """A function of the program and what to call it with; what is expected never enters the sandbox."""


VerificationEnd = Literal[
    "finished",
    "untried",
    "failed",
    "program_ended",
    "out_of_time",
    "tests_over_limit",
    "cannot_cross",
]
"""How tests in a slot of their own ended: all passed; all passed, and the program was asked nothing; some did not; the
program was gone before their end, or was waited for too long; they went over a limit of their own; they need to share a
process with the program."""


@dataclass(frozen=True)
class Verification:
    """What came of a program and of its tests, each in a slot of its own."""

    execution: Execution
    """The program's: its CPU time, its output."""
    end: VerificationEnd
    why: str
    """One line: the first case that failed, or why there was no end; empty where all passed."""
    verdict: Verdict | None
    """Of the first case that failed, None where none did."""
    cases: tuple[CaseResult, ...]
    stopped_in: str | None = None
    """The case that was running when there was no going on; None where that is not known."""


NO_FILES = Files()
NO_HARNESS = Harness()


class Sandbox(Protocol):
    """Whoever runs programs."""

    @property
    def isolation(self) -> Isolation:
        """The layers that are in force while a program runs here."""

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

        It cannot raise because of what the program did. Cancelling it kills the program and everything it started.

        Raises:
            SandboxError: we failed, and nothing is known about the program.
        """

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

        It promises what `run` promises. The limits are the program's; the tests have their own.

        Raises:
            SandboxError: we failed, and nothing is known about the program.
            UnusableTestsError: the tests say nothing of any program.
        """

    async def aclose(self) -> None:
        """Let go of everything that was started; calling it twice changes nothing."""
