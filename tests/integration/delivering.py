"""What tests of deliveries share: a consumer with what it works with, and ways for things to go wrong meanwhile."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from arq.connections import ArqRedis
from arq.constants import job_key_prefix, retry_key_prefix
from typing_extensions import override

from config.settings import RedisSettings, Settings, WorkerSettings
from jobs.checkers import Case, MatchesOutput
from jobs.events import JobEvent, follow
from jobs.keys import Keys
from jobs.lanes import lane_of
from jobs.limits import Limits
from jobs.models import ExecutableCode, Execution, Isolation, ModelReply, PromptJob
from jobs.payloads import payload_of
from jobs.records.files import FileRecordStore
from tests.consuming import consumer_of
from tests.making import NOON
from worker.consumer.claims import Claim, Claims
from worker.consumer.endings import Ending, Endings, PutBack
from worker.errors import (
    ModelUnavailableError,
)
from worker.model import ModelClient, ModelRequest
from worker.model.scripted import ScriptedModel
from worker.sandbox import NO_FILES, NO_HARNESS, Files, Harness, Sandbox
from worker.sandbox.contract import Verification

JOB = PromptJob(prompt="Print 1.", job_id="j", checker=MatchesOutput(cases=(Case(expect="1"),)))
SETTINGS = Settings(
    redis=RedisSettings(),
    limits=Limits(cpu_seconds=5, wall_seconds=10),
    worker=WorkerSettings(max_deliveries=3, lease_seconds=1),
)


def busy() -> ModelUnavailableError:
    return ModelUnavailableError("the model answers 503")


class Interrupted(ScriptedModel):
    """While it is asked, something else happens."""

    def __init__(self, meanwhile: Callable[[], Awaitable[object]], *replies: str) -> None:
        super().__init__(*replies)
        self._meanwhile = meanwhile

    @override
    async def generate(self, request: ModelRequest) -> ModelReply:
        await self._meanwhile()
        return await super().generate(request)


@dataclass
class Elsewhere:
    """The sandbox of a worker on a machine that grants less."""

    here: Sandbox
    isolation = Isolation(profile="rlimits", layers=("rlimits",), missing=("seccomp",))

    async def run(
        self,
        code: ExecutableCode,
        limits: Limits,
        *,
        stdin: str = "",
        harness: Harness = NO_HARNESS,
        files: Files = NO_FILES,
    ) -> Execution:
        return await self.here.run(code, limits, stdin=stdin, harness=harness, files=files)

    async def verify(
        self,
        code: ExecutableCode,
        tests: str,
        limits: Limits,
        *,
        stdin: str = "",
        files: Files = NO_FILES,
    ) -> Verification:
        return await self.here.verify(code, tests, limits, stdin=stdin, files=files)

    async def aclose(self) -> None:
        await self.here.aclose()


@dataclass
class Bench:
    """A consumer and what it works with."""

    redis: ArqRedis
    sandbox: Sandbox
    store: FileRecordStore
    keys: Keys

    async def deliver(
        self, model: ModelClient, number: int = 1, job: PromptJob = JOB, at: datetime = NOON
    ) -> Ending:
        """Hand the job over as a worker does, and let go of it as its delivery says."""
        claim = await self.claim(job, number)
        consumer = consumer_of(self.redis, self.store, model, self.sandbox, SETTINGS)
        ending = await consumer.take(claim, job.model_dump(mode="json", by_alias=True), at)
        assert await Endings(self.redis, self.keys, self.store, "test-worker").end(claim, ending)
        return ending

    async def claim(self, job: PromptJob = JOB, number: int = 1) -> Claim:
        """Take the job for the `number`th time, whether or not it was queued."""
        lane = lane_of(job)
        async with self.redis.pipeline() as pipe:
            pipe.set(job_key_prefix + job.job_id, payload_of(job, 0))
            pipe.set(retry_key_prefix + job.job_id, number - 1)
            pipe.zadd(lane.waiting(self.keys), {job.job_id: 0})
            pipe.zrem(lane.leased(self.keys), job.job_id)
            pipe.sadd(self.keys.lanes, lane.name)
            await pipe.execute()
        claims = Claims(
            self.redis, self.keys, "test-worker", [[lane]], SETTINGS.worker.lease_seconds
        )
        (claim,) = (await claims.take(1)).claims
        return claim

    async def events(self, stream: str = "j") -> list[JobEvent]:
        """What was told so far."""
        told: list[JobEvent] = []
        async for event in follow(self.redis, self.keys, stream):
            if event is None:
                break
            told.append(event)
        return told

    async def leftovers(self) -> set[str]:
        """Keys beside the events and what is kept of runs and dead letters."""
        kept = ("promptmill:events:", "promptmill:run:", "promptmill:dead")
        names = {key.decode() async for key in self.redis.scan_iter()}
        return {name for name in names if not name.startswith(kept)}


def seconds(ending: Ending) -> float:
    """How long the job is put back for."""
    assert isinstance(ending, PutBack)
    assert ending.wait_seconds is not None
    return ending.wait_seconds
