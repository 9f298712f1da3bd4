"""The errors a person is told about, and the tree they form.

    PromptmillError             something a person can act on; the command line shows it without a traceback
    ├── UsageError              exit 2: what was typed or written cannot be used as it is
    │   ├── DatasetError        a file of prompts has bad lines
    │   ├── RunCancelledError   somebody cancelled the run while jobs were submitted to it
    │   ├── RunNotFoundError    nobody knows of a run of that name
    │   ├── RecordNotFoundError no record under that id
    │   └── ScheduleNotFoundError  there is no schedule of that name
    ├── RedisUnreachableError   exit 3: no answer, try again later
    ├── ServerStartError        exit 3: the embedded server would not start
    └── StoreError              exit 3: a record could not be read or written
        └── RecordDamagedError  exit 4: what stands in its place is no record

`config.errors`, `worker.errors`, `worker.sandbox.errors` and `worker.cli.errors` add their own branches under
the same root. What a submitted program does is never an exception: it is data, an `Execution`.
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import ClassVar

from typing_extensions import override


class ExitCode(IntEnum):
    """What `promptmill` ends with; `docs/reference/exit-codes.md` says which may be tried again."""

    OK = 0
    GATE_FAILED = 1
    USAGE = 2
    TRANSIENT = 3
    NEEDS_A_PERSON = 4
    INCOMPLETE = 5
    BUDGET_REACHED = 6
    BUG = 70
    INTERRUPTED = 130


class PromptmillError(Exception):
    """Something went wrong that a person can act on.

    `kind` is stable and machine-readable; `facts` are labelled lines (what was tried, where a value was set);
    `fixes` say what to type; `note` says what state things were left in. None of them may hold a secret.
    """

    kind: ClassVar[str] = "error"
    exit_code: ClassVar[ExitCode] = ExitCode.BUG
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        facts: Mapping[str, str] | None = None,
        fixes: Sequence[str] = (),
        note: str = "",
    ) -> None:
        """Say what happened in one line, without a full stop at the end."""
        super().__init__(message)
        self.message = message
        self.facts = dict(facts or {})
        self.fixes = tuple(fixes)
        self.note = note

    @override
    def __str__(self) -> str:
        return self.message

    @property
    def in_one_line(self) -> str:
        """What happened and what to do, for a log or a record."""
        return f"{self.message} ({'; '.join(self.fixes)})" if self.fixes else self.message


class UsageError(PromptmillError):
    """What was typed or written cannot be used as it is."""

    kind = "usage"
    exit_code = ExitCode.USAGE


class DatasetError(UsageError):
    """A file of prompts has bad lines; nothing was queued from it."""

    kind = "dataset-invalid"


class RunCancelledError(UsageError):
    """Somebody cancelled the run that jobs were submitted to."""

    kind = "run-cancelled"


class RunNotFoundError(UsageError):
    """Neither Redis nor the record store knows of a run of that name."""

    kind = "run-not-found"


class RecordNotFoundError(UsageError):
    """There is no record under that id in the store that was asked."""

    kind = "record-not-found"


class ScheduleNotFoundError(UsageError):
    """There is no schedule of that name."""

    kind = "schedule-not-found"


class RedisUnreachableError(PromptmillError):
    """Redis did not answer, or refused us."""

    kind = "redis-unreachable"
    exit_code = ExitCode.TRANSIENT
    retryable = True


class ServerStartError(PromptmillError):
    """The embedded server could not be started or found."""

    kind = "no-redis"
    exit_code = ExitCode.TRANSIENT


class StoreError(PromptmillError):
    """The record store could not be read or written."""

    kind = "store-failed"
    exit_code = ExitCode.TRANSIENT
    retryable = True


class RecordDamagedError(StoreError):
    """What stands in the place of a record is none. Reading it again mends nothing."""

    kind = "record-damaged"
    exit_code = ExitCode.NEEDS_A_PERSON
    retryable = False
