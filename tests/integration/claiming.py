"""What tests of claims and of a worker's loop share: jobs in lanes, put there by hand, and workers that take them."""

from dataclasses import dataclass, field
from datetime import datetime

from arq.connections import ArqRedis
from arq.constants import job_key_prefix
from pydantic import JsonValue

from jobs.events import JobFinished
from jobs.keys import Keys
from jobs.lanes import lane_of, lanes_served
from jobs.models import PromptJob
from jobs.payloads import payload_of
from jobs.records.memory import MemoryRecordStore
from jobs.verdicts import Verdict
from tests.waiting import wait_until
from worker.consumer.claims import Claim, Claims
from worker.consumer.endings import Ending, Endings, Recorded
from worker.consumer.worker import Handler, JobWorker, WorkerOptions

KEYS = Keys()


def a_job(job_id: str, **changes: object) -> PromptJob:
    return PromptJob(prompt="Print 1.", job_id=job_id).model_copy(update=changes)


def recorded(job: PromptJob) -> Recorded:
    event = JobFinished(job_id=job.job_id, verdict=Verdict.ACCEPTED, solved_at=1)
    return Recorded(job, event)


@dataclass(frozen=True)
class Floor:
    """One Redis, and the workers on it."""

    redis: ArqRedis

    async def put(self, *jobs: PromptJob, in_seconds: float = 0.0) -> None:
        """Queue these, the first of them first."""
        seconds, microseconds = await self.redis.time()
        now_ms = seconds * 1000 + microseconds / 1000
        for number, job in enumerate(jobs):
            lane = lane_of(job)
            async with self.redis.pipeline() as pipe:
                due_ms = now_ms + in_seconds * 1000 + number / 1e4
                pipe.set(job_key_prefix + job.job_id, payload_of(job, int(now_ms)))
                pipe.zadd(lane.waiting(KEYS), {job.job_id: due_ms})
                pipe.sadd(KEYS.lanes, lane.name)
                await pipe.execute()

    def claims(self, owner: str = "one", lease_seconds: float = 60.0, *queues: str) -> Claims:
        lanes = lanes_served(queues or ("default",), "gemini-3")
        return Claims(self.redis, KEYS, owner, lanes, lease_seconds)

    def endings(self, owner: str = "one") -> Endings:
        return Endings(self.redis, KEYS, MemoryRecordStore(), owner)

    def worker(
        self,
        handler: Handler,
        owner: str = "one",
        *,
        lease_seconds: float = 60.0,
        options: WorkerOptions | None = None,
    ) -> JobWorker:
        options = options or WorkerOptions(max_jobs=4, drain_seconds=10)
        return JobWorker(self.claims(owner, lease_seconds), self.endings(owner), handler, options)

    async def leases_to_end(self) -> None:
        """Wait until every lease of a plain job is over."""
        key = lane_of(a_job("any")).leased(KEYS)

        async def are_over() -> bool:
            seconds, microseconds = await self.redis.time()
            n: int = await self.redis.zcount(key, seconds * 1000 + microseconds / 1000, "+inf")
            return n == 0

        await wait_until(are_over, 5, "the end of the leases")

    async def left(self) -> set[str]:
        """The keys that are there, events apart."""
        names = {key.decode() async for key in self.redis.scan_iter()}
        return {name for name in names if not name.startswith("promptmill:events:")}


@dataclass
class Handled:
    """A handler that only keeps what it was given."""

    job_ids: list[str] = field(default_factory=list)
    deliveries: list[int] = field(default_factory=list)

    async def __call__(
        self, claim: Claim, payload: dict[str, JsonValue], queued_at: datetime
    ) -> Ending:
        self.job_ids.append(claim.job_id)
        self.deliveries.append(claim.delivery)
        return recorded(PromptJob.model_validate(payload))


def ids(claims: tuple[Claim, ...]) -> list[str]:
    return [claim.job_id for claim in claims]
