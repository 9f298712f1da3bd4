"""What can go wrong between a command line and its work.

PromptmillError                 (jobs.errors)
├── UsageError                  (jobs.errors)
│   ├── WorkerMismatchError     exit 2: the workers that live ask several models, and none was named
│   └── MixedRunError           exit 2: a run, or a job, is there already under other conditions
├── BudgetReachedError          exit 6: a run has used up what it may use, and stands still
├── NobodyWorksError            exit 3: all workers have fallen silent; the jobs stay queued
├── NotReadyError               exit 3: the worker that was asked takes no jobs, or does not answer
├── OutputError                 exit 3: standard output does not take what we write
├── StoppedError                exit 130: somebody pressed Ctrl-C
└── DefectError                 exit 70: we failed in a way that nobody foresaw
"""

from typing import TYPE_CHECKING

from jobs.errors import ExitCode, PromptmillError, UsageError

if TYPE_CHECKING:
    from jobs.reports import Report


class WorkerMismatchError(UsageError):
    """The workers that live ask several models, and none was named."""

    kind = "worker-mismatch"


class MixedRunError(UsageError):
    """What is queued or recorded of a run was made under other conditions than the jobs that were to join it."""

    kind = "run-differs"


class NobodyWorksError(PromptmillError):
    """All workers have fallen silent; the jobs stay queued."""

    kind = "no-worker"
    exit_code = ExitCode.TRANSIENT
    retryable = True


class NotReadyError(PromptmillError):
    """The worker that was asked takes no jobs, or does not answer."""

    kind = "worker-not-ready"
    exit_code = ExitCode.TRANSIENT
    retryable = True


class BudgetReachedError(PromptmillError):
    """A run has used up what it may use, and stands still; its jobs stay queued."""

    kind = "budget-reached"
    exit_code = ExitCode.BUDGET_REACHED
    report: "Report | None" = None
    """What it came to until then."""


class OutputError(PromptmillError):
    """Standard output does not take what we write."""

    kind = "output-failed"
    exit_code = ExitCode.TRANSIENT


class StoppedError(PromptmillError):
    """Somebody pressed Ctrl-C."""

    kind = "stopped"
    exit_code = ExitCode.INTERRUPTED


class DefectError(PromptmillError):
    """We failed in a way that nobody foresaw."""

    kind = "bug"
    exit_code = ExitCode.BUG
