"""What can go wrong with the sandbox itself. A program's failure is an `Execution`, never one of these."""

from jobs.errors import ExitCode, PromptmillError


class SandboxError(PromptmillError):
    """The sandbox failed, not the program. It uses no attempt."""

    kind = "sandbox-failed"
    exit_code = ExitCode.TRANSIENT
    retryable = True


class SandboxTooWeakError(SandboxError):
    """The isolation that was asked for cannot be had on this machine; nothing was run."""

    kind = "sandbox-too-weak"
    exit_code = ExitCode.USAGE
    retryable = False


class PackagesError(SandboxError):
    """The packages that programs are to have cannot be given to them; nothing was run."""

    kind = "sandbox-packages"
    exit_code = ExitCode.USAGE
    retryable = False


class UnusableTestsError(SandboxError):
    """These tests say nothing of any program. It is a fault of the check, and none of the program's or of ours."""

    kind = "tests-unusable"
    exit_code = ExitCode.USAGE
    retryable = False

    def __init__(self, why: str, *, what: str = "tests") -> None:
        """Say in one line what is wrong with them, or with what else there is of the check."""
        super().__init__(
            f"the job's {what} cannot be used: {why}",
            fixes=[f"mend the {what} and queue the task again, in a run of another name"],
        )


class FilesTooLargeError(SandboxError):
    """The files of a job do not fit into the directory that its programs run in. It is a fault of the job."""

    kind = "files-too-large"
    exit_code = ExitCode.USAGE
    retryable = False

    def __init__(self, n_bytes: int, scratch_mib: int) -> None:
        """Say how much room there is, and how much they need."""
        super().__init__(
            f"the job's files do not fit into the directory of its programs: with the program they take {n_bytes:,} "
            f"bytes of disk, and it holds {scratch_mib} MiB",
            fixes=[
                "give the task more: scratchMib in its limits, up to ceiling.scratch_mib of the worker",
                "or give it smaller files; and queue it again, in a run of another name",
            ],
        )


class InterpreterMissingError(SandboxError):
    """A language's interpreter is not on this machine; nothing was run."""

    kind = "interpreter-missing"
    exit_code = ExitCode.USAGE
    retryable = False
