"""Jobs, attempts and records for tests that only care about one thing in them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from jobs.datasets.readers import Dataset
from jobs.extracted import Extracted
from jobs.limits import Limits
from jobs.models import (
    Attempt,
    CodeExecutionResult,
    ExecutableCode,
    Execution,
    Isolation,
    ModelReply,
    PromptJob,
    Record,
)
from jobs.usage import Usage
from jobs.verdicts import Verdict

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def parse_tasks(lines: Sequence[str], name: str) -> Dataset:
    """The tasks of these JSON lines, of a dataset that messages call so."""
    return Dataset(lambda: lines, name)


def an_execution(*, stdout: str = "1\n", stderr: str = "", exit_code: int = 0) -> Execution:
    """A program that ended by itself."""
    measured = {"cpu_seconds": 0.01, "wall_seconds": 0.02, "peak_memory_kib": 9000}
    unmeasured = Execution.unmeasured(exit_code=exit_code, stdout=stdout, stderr=stderr)
    return unmeasured.model_copy(update=measured)


def an_attempt(number: int = 1, verdict: Verdict = Verdict.ACCEPTED) -> Attempt:
    """An attempt that printed 1 and was judged so."""
    job = PromptJob(prompt="Print 1.")
    return Attempt(
        extraction=Extracted(policy="test/1", outcome="program", rule="fence"),
        number=number,
        reply=ModelReply(
            content={"role": "model", "parts": [{"text": "print(1)", "thoughtSignature": "c2ln"}]},
            text="print(1)",
            finish_reason="STOP",
            model_version="model-1",
            usage=Usage(prompt_token_count=3, total_token_count=5),
            latency_seconds=0.5,
        ),
        executable_code=ExecutableCode(language=job.language, code="print(1)"),
        code_execution_result=(
            None
            if verdict.outcome is None
            else CodeExecutionResult(outcome=verdict.outcome, output="1\n", execution_error=None)
        ),
        execution=an_execution(),
        verdict=verdict,
        explanation=f"it was {verdict}",
        started_at=NOON,
        finished_at=NOON + timedelta(seconds=1),
    )


def a_record(job: PromptJob, *verdicts: Verdict, error: str | None = None) -> Record:
    """The record of a job whose attempts were judged so; given an error, of one that failed because of us."""
    attempts = tuple(an_attempt(number, verdict) for number, verdict in enumerate(verdicts, 1))
    return Record(
        job=job,
        verdict=Verdict.INTERNAL_ERROR if error is not None else verdicts[-1],
        attempts=attempts,
        error=error,
        requested_model="model",
        served_model="model-1",
        simulated=False,
        limits=job.limits or Limits(),
        isolation=Isolation(profile="rlimits", layers=("rlimits",)),
        worker="w-1",
        versions={"python": "3.11"},
        deliveries=1,
        usage=sum((attempt.reply.usage for attempt in attempts), Usage()),
        queued_at=NOON,
        started_at=NOON,
        finished_at=NOON + timedelta(seconds=2),
    )
