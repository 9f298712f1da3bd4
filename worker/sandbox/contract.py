"""What a sandbox promises, whoever keeps it."""

from typing import Protocol

from jobs.limits import Limits
from jobs.models import ExecutableCode, Execution, Isolation


class Sandbox(Protocol):
    """Whoever runs programs."""

    @property
    def isolation(self) -> Isolation:
        """The layers that are in force while a program runs here."""

    async def run(
        self, code: ExecutableCode, limits: Limits, *, stdin: str = "", tests: str | None = None
    ) -> Execution:
        """Run a program, and `tests` after it in its own process and scope.

        It cannot raise because of what the program did. Cancelling it kills the program and everything it started.

        Raises:
            SandboxError: we failed, and nothing is known about the program.
        """
