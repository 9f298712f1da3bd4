"""What a worker counts of the jobs that end in it."""

from datetime import datetime

from pydantic import JsonValue

from jobs.events import JobFinished
from jobs.lanes import Lane
from jobs.models import Attempt, PromptJob
from jobs.queue_status import Backlog
from jobs.verdicts import Verdict
from tests.making import NOON, an_attempt
from worker.consumer.claims import Claim
from worker.consumer.endings import Ending, Recorded
from worker.consumer.metrics import Metrics

NOTHING = Backlog(lanes=(), dead=0, workers=())
CLAIM = Claim("a", "token", Lane.named("default:gemini:normal"), 0.0, None, 1, is_suspect=False)


async def told_after(*attempts: Attempt, already_counted: bool = False) -> str:
    """What is told once a job with these attempts has ended."""
    job = PromptJob(prompt="Print 1.", job_id="a")
    event = JobFinished(job_id="a", verdict=Verdict.ACCEPTED, solved_at=2)

    async def handler(_: Claim, __: dict[str, JsonValue], ___: datetime) -> Ending:
        return Recorded(job, event, already_counted=already_counted, attempts=attempts)

    metrics = Metrics({})
    await metrics.counting(handler)(CLAIM, {}, NOON)
    return metrics.text(NOTHING).decode()


async def test_attempts_tokens_and_seconds_of_the_model_are_counted() -> None:
    """Whoever pays for tokens wants to see on a dashboard when they are used."""
    text = await told_after(an_attempt(1, Verdict.RUNTIME_ERROR), an_attempt(2))
    assert 'promptmill_attempts_total{verdict="runtime_error"} 1.0' in text
    assert 'promptmill_attempts_total{verdict="accepted"} 1.0' in text
    assert 'promptmill_model_tokens_total{kind="prompt"} 6.0' in text
    assert "promptmill_model_seconds_total 1.0" in text


async def test_what_nobody_paid_for_counts_as_no_tokens() -> None:
    """Recordings and replies out of the cache cost nothing, and would hide what does."""
    attempt = an_attempt()
    reply = attempt.reply.model_copy(update={"cached": True})
    text = await told_after(attempt.model_copy(update={"reply": reply}))
    assert 'promptmill_attempts_total{verdict="accepted"} 1.0' in text
    assert "promptmill_model_tokens_total{" not in text
    assert "promptmill_model_seconds_total 0.0" in text


async def test_a_job_that_ended_before_is_not_counted_twice() -> None:
    """A delivery that only tidies up asks no model."""
    text = await told_after(an_attempt(), already_counted=True)
    assert "promptmill_attempts_total{" not in text


async def test_what_the_worker_has_counted_is_told_without_the_queues() -> None:
    """While Redis is away a dashboard is looked at most, and must not show gaps where there are numbers."""
    text = Metrics({}).text(None).decode()
    assert "promptmill_jobs_in_flight 0.0" in text
    assert "promptmill_workers" not in text
