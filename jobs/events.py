"""What happens to a job while it is solved, published in Redis for whoever wants to follow."""

from collections.abc import AsyncGenerator
from typing import Annotated, Literal

from arq.connections import ArqRedis
from pydantic import AwareDatetime, ConfigDict, Field, TypeAdapter

from .clock import utcnow
from .connection import expecting_answer
from .keys import EVENT_SECONDS, Keys
from .models import PromptJob
from .pipelining import Commands
from .verdicts import Verdict
from .wire import Wire

EVENTS_KEPT = 2_000
"""Events kept of one stream, about: a follower that falls further behind misses some, never the record."""

# For scripts: appends an event to the stream of this key, which expires some time after the last of them.
TELL = f"""
local function tell(stream, event)
    redis.call('XADD', stream, 'MAXLEN', '~', {EVENTS_KEPT}, '*', 'event', event)
    redis.call('EXPIRE', stream, {EVENT_SECONDS})
end
"""
_PUBLISH = f"{TELL}tell(KEYS[1], ARGV[1])"


class _Event(Wire):
    job_id: str
    at: AwareDatetime = Field(default_factory=utcnow)


class JobStarted(_Event):
    """A worker took the job; `delivery` counts such hand-overs from 1."""

    kind: Literal["started"] = "started"
    delivery: int


class AttemptFinished(_Event):
    """One attempt was judged."""

    kind: Literal["attempt"] = "attempt"
    number: int
    verdict: Verdict
    explanation: str


class JobDelayed(_Event):
    """We failed, not the program: the job will be delivered again. It used no attempt."""

    kind: Literal["delayed"] = "delayed"
    reason: str
    seconds: float


class JobFinished(_Event):
    """The record is stored."""

    kind: Literal["finished"] = "finished"
    verdict: Verdict
    solved_at: int | None


class JobCancelled(_Event):
    """The job was taken out on request; it has no record."""

    kind: Literal["cancelled"] = "cancelled"


JobEvent = Annotated[
    JobStarted | AttemptFinished | JobDelayed | JobFinished | JobCancelled,
    Field(discriminator="kind"),
]

_EVENTS: TypeAdapter[JobEvent] = TypeAdapter(JobEvent, config=ConfigDict(defer_build=True))


def stream_of(job: PromptJob) -> str:
    """The stream a job's events go to: its run's, so that a run is followed in one place, else its own."""
    return job.run_id or job.job_id


async def publish(redis: Commands, keys: Keys, stream: str, event: JobEvent) -> None:
    """Append an event to a stream, and let the stream expire an hour after its last event.

    Raises:
        RedisError, OSError: it could not be told.
    """
    await redis.execute_command("EVAL", _PUBLISH, 1, keys.events(stream), event.to_json())


async def last_of(redis: ArqRedis, keys: Keys, stream: str) -> str:
    """Where the stream ends now: `follow` can begin there.

    Raises:
        RedisUnreachableError: Redis did not answer.
    """
    with expecting_answer("the events cannot be followed"):
        entries = await redis.xrevrange(keys.events(stream), count=1)
    return entries[0][0].decode() if entries else "0"


async def follow(
    redis: ArqRedis, keys: Keys, stream: str, *, after: str = "0"
) -> AsyncGenerator[JobEvent | None]:
    """The stream's events from its first kept one on, or from `after`; None whenever a second passed without one.

    Raises:
        RedisUnreachableError: Redis stopped answering.
    """
    key, last = keys.events(stream), after
    while True:
        with expecting_answer("the events cannot be followed any further"):
            entries = await redis.xread({key: last}, block=1000, count=500)
        if not entries:
            yield None
        for entry_id, fields in entries[0][1] if entries else ():
            last = entry_id
            yield _EVENTS.validate_json(fields[b"event"])
