"""What a list of jobs says of each: so little that a long list is read without opening records."""

from typing import Annotated, Self

from pydantic import AwareDatetime, Field

from .identifiers import Identifier, RunId
from .models import Record, TaskId
from .usage import Usage
from .verdicts import Verdict
from .wire import Wire

_EXPLANATION_CHARACTERS = 300


class Summary(Wire):
    """A record in a few lines. It is made from the record and can be made again."""

    job_id: Identifier
    run_id: RunId | None
    task_id: TaskId | None
    sample: Annotated[int, Field(ge=0)]
    excluded: bool = False
    """Whether its row is left out of the score."""
    verdict: Verdict
    solved_at: int | None
    """The number of the accepted attempt, or None."""
    attempts: Annotated[int, Field(ge=0)]
    """How many there were."""
    simulated: bool
    explanation: str
    """The record's own line, cut to a bounded length."""
    started_at: AwareDatetime
    finished_at: AwareDatetime
    usage: Usage
    """Summed over the attempts."""

    @classmethod
    def of(cls, record: Record) -> Self:
        """The summary of a record: always the same one."""
        explanation = record.explanation
        if len(explanation) > _EXPLANATION_CHARACTERS:
            explanation = explanation[: _EXPLANATION_CHARACTERS - 1] + "…"
        return cls(
            job_id=record.job_id,
            run_id=record.job.run_id,
            task_id=record.job.task_id,
            sample=record.job.sample,
            excluded=record.job.excluded is not None,
            verdict=record.verdict,
            solved_at=record.solved_at,
            attempts=len(record.attempts),
            simulated=record.simulated,
            explanation=explanation,
            started_at=record.started_at,
            finished_at=record.finished_at,
            usage=record.usage,
        )

    @property
    def age_key(self) -> tuple[int, str]:
        """What the oldest has the least of: the microsecond it finished in, and among equals its id."""
        return (microseconds(self), self.job_id)


def microseconds(summary: Summary) -> int:
    """When the job finished, as a whole number that sorts: microseconds since 1970."""
    at = summary.finished_at
    return int(at.timestamp()) * 1_000_000 + at.microsecond
