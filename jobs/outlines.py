"""A record as far as reports count it: read in a fraction of the time that the whole of it takes."""

from typing import Annotated, Self

from pydantic import AwareDatetime, ConfigDict, Field

from .conversations import End
from .costs import Cost
from .feedback import Feedback
from .leaks import Leak
from .models import Isolation, Record, Rerun
from .parts import Part
from .usage import Usage
from .verdicts import Verdict
from .wire import Wire


class Partial(Wire):
    """The base of what is read in part: what else there is, is passed over and not looked at."""

    model_config = ConfigDict(extra="ignore", from_attributes=True)


class OutlinedConversation(Partial):
    """Of a conversation, what was told in it."""

    feedback: Feedback = "public"


class OutlinedChecker(Partial):
    """Of a check, of which kind it is."""

    kind: str


class OutlinedJob(Partial):
    """Of a job, its place in its run and what was asked for."""

    job_id: str
    task_id: str | None
    cluster: str | None = None
    sample: int
    checker: OutlinedChecker
    max_attempts: int
    as_recorded: bool = False
    code_execution: bool = False
    excluded: str | None = None
    conversation: OutlinedConversation = OutlinedConversation()
    part: Part | None = None


class OutlinedReply(Partial):
    """Of a reply, what it took."""

    usage: Usage
    cost: Cost | None = None
    latency_seconds: float
    batch: str | None = None
    simulated: bool = False
    cached: bool = False
    stands_in: bool = False
    replay_exhausted: bool = False


class OutlinedExecution(Partial):
    """Of an execution, what it took."""

    cpu_seconds: float
    wall_seconds: float


class OutlinedAttempt(Partial):
    """Of an attempt, what it took and what came of it."""

    number: Annotated[int, Field(ge=1)]
    reply: OutlinedReply
    execution: OutlinedExecution | None
    verdict: Verdict
    explanation: str
    end: End | None = None
    reruns: tuple[Rerun, ...] = ()
    leaks: tuple[Leak, ...] = ()


class Outline(Partial):
    """A record without its texts. Its fields are those of the record, by the same names."""

    job: OutlinedJob
    verdict: Verdict
    attempts: tuple[OutlinedAttempt, ...]
    error: str | None = None
    requested_model: str
    served_model: str | None
    simulated: bool
    isolation: Isolation | None
    imported_from: str | None = None
    usage: Usage
    cost_usd: float | None = None
    started_at: AwareDatetime
    finished_at: AwareDatetime

    @classmethod
    def of(cls, record: Record) -> Self:
        """The outline of a record: the one that is read from what is stored of it."""
        return cls.model_validate(record)

    @property
    def job_id(self) -> str:
        """As `Record.job_id`."""
        return self.job.job_id

    @property
    def solved_at(self) -> int | None:
        """As `Record.solved_at`."""
        if self.verdict is not Verdict.ACCEPTED:
            return None
        failed = (each.number for each in self.attempts if each.verdict is not Verdict.ACCEPTED)
        return max(failed, default=0) + 1

    @property
    def explanation(self) -> str:
        """As `Record.explanation`."""
        last = self.attempts[-1].explanation if self.attempts else ""
        return self.error or last
