"""How a command that was stopped tells so to a program."""

from jobs.errors import ExitCode, PromptmillError


class StoppedError(PromptmillError):
    """Somebody pressed Ctrl-C."""

    kind = "stopped"
    exit_code = ExitCode.INTERRUPTED
