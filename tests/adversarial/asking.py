"""The words between a test and the worker under attack, one JSON object a line."""

from jobs.checkers import CallInputs
from jobs.limits import Limits
from jobs.models import ExecutableCode, Execution, Isolation
from jobs.wire import Wire


class Asked(Wire):
    """One program to run."""

    code: ExecutableCode
    limits: Limits
    stdin: str = ""
    tests: str | None = None
    calls: CallInputs | None = None
    most_collected: int = 0
    most_collected_kib: int = 0


class Opened(Wire):
    """What the worker has, once."""

    isolation: Isolation | None
    refused: str | None = None
    """Why there is none."""


class Answered(Wire):
    """What came of one program."""

    execution: Execution | None
    failed: str | None = None
    """Our own failure, by its words."""
