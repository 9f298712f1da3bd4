"""What can go wrong with us while a job is solved; the program's own failures are data and not here.

PromptmillError                 (jobs.errors)
├── ModelError                  no reply could be had from the model
│   ├── ModelUnavailableError   exit 3: 5xx, time-outs, no network; the job is delivered again
│   │   └── ModelBusyError          exit 3: 429, or a limit of ours; the job is delivered again, and none is counted
│   ├── RunHeldError            exit 3: the job's run stands still by now; the job is set aside with it
│   ├── ModelClosedError        exit 4: no job would be answered; runs are paused, the jobs stay queued
│   │   ├── ModelQuotaError         what the account may ask in a day is used up
│   │   ├── BatchesFailedError      no batch is made, or none comes to anything
│   │   └── ModelKeyError           the key is wrong or may not do this
│   │       ├── ModelKeyMissingError    there is no key, and Gemini was asked for by name
│   │       └── CredentialsError        Vertex AI takes the credentials of this machine no longer, or never did
│   ├── ModelRejectedError      exit 4: the request can never succeed (malformed, forbidden)
│   │   └── ModelNotFoundError      there is no such model, or no longer
│   └── NoRecordingError        exit 2: the replay model has no answer for this prompt and invents none
├── LeaseLostError              another worker has the job by now; this one leaves it alone
└── SandboxError                (worker.sandbox.errors) the sandbox failed, not the program
    ├── SandboxTooWeakError     exit 2: the isolation that was asked for cannot be had here
    ├── UnusableTestsError      exit 2: the tests of a job say nothing of any program
    ├── FilesTooLargeError      exit 2: the files of a job do not fit into the directory of its programs
    ├── PackagesError           exit 2: the packages that programs are to have cannot be given to them
    └── InterpreterMissingError exit 2: a language's interpreter is not on this machine
"""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue
from typing_extensions import override

from jobs.errors import ExitCode, PromptmillError

_WHEN_UNAVAILABLE = ("try again later, or look at the network, its proxy and model.base_url",)
_WHEN_BUSY = (
    "wait: jobs that are queued go on by themselves",
    "or send more at a time:  raise the quota of the key's project, and model.limits where they are set",
)


class ModelError(PromptmillError):
    """No reply could be had from the model. It uses no attempt."""

    kind = "model-failed"
    exit_code = ExitCode.TRANSIENT


class ModelUnavailableError(ModelError):
    """The model did not answer now but may later.

    `retry_after_seconds` is the service's own wish, or None where it gave none.
    """

    kind = "model-unavailable"
    retryable = True
    retry_after_seconds: float | None = None

    def __init__(
        self,
        message: str,
        *,
        facts: Mapping[str, str] | None = None,
        fixes: Sequence[str] = _WHEN_UNAVAILABLE,
    ) -> None:
        """Say what happened in one line; what to do is the same for all that may have come between."""
        super().__init__(message, facts=facts, fixes=fixes)


class ModelBusyError(ModelUnavailableError):
    """As much as may be asked is asked already, for longer than is worth waiting for. It says nothing about the job."""

    kind = "model-busy"

    def __init__(
        self, model: str, seconds: float, *, facts: Mapping[str, str] | None = None
    ) -> None:
        """Say when to come again."""
        message = f"{model!r} may not be asked for {seconds:.1f} s"
        super().__init__(message, facts=facts, fixes=_WHEN_BUSY)
        self.retry_after_seconds = seconds


class RunHeldError(ModelError):
    """The run that a request belongs to is paused or cancelled, or its budget has just been used up."""

    kind = "run-held"
    exit_code = ExitCode.TRANSIENT
    retryable = True

    def __init__(self, run_id: str) -> None:
        """Name the run."""
        super().__init__(f"run {run_id!r} stands still")


class ModelClosedError(ModelError):
    """The model answers nothing that is asked with this key. Every other job would fail the same way."""

    kind = "model-closed"
    exit_code = ExitCode.NEEDS_A_PERSON


class ModelQuotaError(ModelClosedError):
    """What may be asked in a day is used up, and no wait of seconds brings it back."""

    kind = "model-quota-used-up"


class BatchesFailedError(ModelClosedError):
    """No batch is made, or none comes to anything, and no live call was asked for in its place."""

    kind = "batches-failed"


class ModelKeyError(ModelClosedError):
    """The key is wrong, missing or not allowed."""

    kind = "model-key-invalid"


class ModelKeyMissingError(ModelKeyError):
    """There is no key, and Gemini was asked for by name."""

    kind = "model-key-missing"


class CredentialsError(ModelKeyError):
    """Vertex AI refused the credentials of this machine: there is no key that could be wrong."""

    kind = "model-credentials-refused"


class ModelRejectedError(ModelError):
    """The service will never accept this request."""

    kind = "model-rejected"
    exit_code = ExitCode.NEEDS_A_PERSON
    unusable_reply: dict[str, JsonValue] | None = None
    """What it answered, should that be what is wrong: for the record of the job, and for no log."""

    @property
    @override
    def in_one_line(self) -> str:
        """What happened, in the service's own words where there are some, and what to do."""
        said = self.facts.get("Gemini", "")
        message = self.message if said in self.message else f"{self.message}: {said}"
        return f"{message} ({'; '.join(self.fixes)})" if self.fixes else message


class ModelNotFoundError(ModelRejectedError):
    """The service has no such model, or has it no longer."""

    kind = "model-not-found"


class NoRecordingError(ModelError):
    """The replay model has no recorded answer for this prompt, and invents none."""

    kind = "no-recording"
    exit_code = ExitCode.USAGE


class LeaseLostError(PromptmillError):
    """This worker was silent for so long that another has taken the job; what it does now counts no more."""

    kind = "lease-lost"
    exit_code = ExitCode.TRANSIENT

    def __init__(self, job_id: str) -> None:
        """Name the job."""
        super().__init__(f"another worker has job {job_id!r} by now")
