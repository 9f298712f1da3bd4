"""Whole workers on one queue: leases, hand-overs, and what is left in Redis when all is done."""

import asyncio
import re
from pathlib import Path

import pytest
from arq.constants import retry_key_prefix
from typing_extensions import override

from config.settings import RedisSettings, Settings, WorkerSettings
from jobs.checkers import Case, MatchesOutput
from jobs.dead_letters import find_letter, retry_letter
from jobs.errors import RecordNotFoundError
from jobs.models import ModelReply, PromptJob
from jobs.queue import JobQueue, JobStatus
from jobs.records.memory import MemoryRecordStore
from jobs.runs import get_run
from jobs.verdicts import Verdict
from tests.consuming import a_worker
from tests.programs import CRASH, GOOD
from tests.queueing import claim, finish
from tests.waiting import wait_until
from worker.errors import ModelClosedError, ModelKeyError, ModelQuotaError, ModelUnavailableError
from worker.model import ModelRequest
from worker.model.scripted import ScriptedModel
from worker.sandbox import Sandbox

# Longer than a busy machine keeps an event loop waiting, or a lease would end that nobody gave up.
LEASE_SECONDS = 2.0


def a_job(number: int = 0, **changes: object) -> PromptJob:
    job = PromptJob(
        prompt="Print 1.",
        job_id=f"j{number}",
        sample=number,
        checker=MatchesOutput(cases=(Case(expect="1"),)),
    )
    return job.model_copy(update=changes)


@pytest.fixture
def settings(redis_url: str) -> Settings:
    return Settings(
        redis=RedisSettings(url=redis_url),
        worker=WorkerSettings(max_deliveries=3, lease_seconds=LEASE_SECONDS),
    )


class PatientModel(ScriptedModel):
    """Answers when it is told to."""

    def __init__(self, *replies: str) -> None:
        super().__init__(*replies)
        self.may_answer = asyncio.Event()

    @override
    async def generate(self, request: ModelRequest) -> ModelReply:
        """The next reply, once it may be given."""
        reply = await super().generate(request)
        await self.may_answer.wait()
        return reply


async def test_two_workers_share_a_queue_and_make_one_record_of_each_job(
    queue: JobQueue, redis_url: str, sandbox: Sandbox
) -> None:
    """That is what workers on many machines are for."""
    one, other = ScriptedModel(GOOD), ScriptedModel(GOOD)
    async with (
        asyncio.timeout(50),
        a_worker(redis_url, queue.records, one, sandbox),
        a_worker(redis_url, queue.records, other, sandbox),
    ):
        handles = [await queue.submit(a_job(number)) for number in range(8)]
        records = [await handle.record() for handle in handles]
    assert [record.verdict for record in records] == [Verdict.ACCEPTED] * 8
    assert len(one.requests) + len(other.requests) == 8


async def test_a_job_that_lost_its_worker_goes_to_the_next_and_resumes(
    queue: JobQueue, redis_url: str, sandbox: Sandbox, settings: Settings
) -> None:
    """A worker that is stopped hands over what it has paid for."""
    first, second = PatientModel(CRASH, GOOD), ScriptedModel(GOOD)
    first.may_answer.set()
    async with asyncio.timeout(30):
        handle = await queue.submit(a_job())
        async with a_worker(redis_url, queue.records, first, sandbox, settings):
            await wait_until(lambda: len(first.requests) == 1, 10, "the first request")
            first.may_answer.clear()
            await wait_until(lambda: len(first.requests) == 2, 10, "the second request")
        async with a_worker(redis_url, queue.records, second, sandbox, settings):
            record = await handle.record()
    assert record.solved_at == 2
    assert record.deliveries == 1, "a hand-over is not a failed delivery"
    assert [request.attempt for request in second.requests] == [2]


async def test_a_model_that_comes_back_solves_the_job(
    queue: JobQueue, redis_url: str, sandbox: Sandbox, settings: Settings
) -> None:
    """From the outside, a bad minute of the service is only a delay."""
    model = ScriptedModel(ModelUnavailableError("503"), GOOD)
    async with asyncio.timeout(30), a_worker(redis_url, queue.records, model, sandbox, settings):
        record = await (await queue.submit(a_job())).record()
    assert (record.verdict, len(record.attempts), record.deliveries) == (Verdict.ACCEPTED, 1, 2)


REFUSALS = pytest.mark.parametrize(
    "refusal",
    [ModelKeyError("the key is not valid"), ModelQuotaError("no more today")],
    ids=["key", "quota of the day"],
)


@REFUSALS
async def test_a_closed_model_stops_the_worker_and_leaves_the_jobs_queued(
    queue: JobQueue,
    redis_url: str,
    sandbox: Sandbox,
    settings: Settings,
    refusal: ModelClosedError,
) -> None:
    """A person or the next day has to mend it; until then nothing may be lost, and no delivery used."""
    model = ScriptedModel(refusal)
    handles = [await queue.submit(a_job(number)) for number in range(3)]
    async with (
        asyncio.timeout(30),
        a_worker(redis_url, queue.records, model, sandbox, settings) as serving,
    ):
        await asyncio.wait([serving])
        assert serving.exception() is refusal
    assert {await handle.status() for handle in handles} <= {JobStatus.QUEUED, JobStatus.DEFERRED}


@REFUSALS
async def test_a_closed_model_uses_no_delivery(
    queue: JobQueue,
    redis_url: str,
    sandbox: Sandbox,
    settings: Settings,
    refusal: ModelClosedError,
) -> None:
    """A key that is wrong over night must not end the jobs that wait for the morning."""
    model = ScriptedModel(refusal)
    await queue.submit(a_job())
    async with a_worker(redis_url, queue.records, model, sandbox, settings) as serving:
        await asyncio.wait([serving], timeout=20)
        assert serving.done()
    assert await queue.redis.get(retry_key_prefix + "j0") == b"0"


@pytest.mark.parametrize("n_steps", range(25))
async def test_a_worker_that_is_told_to_stop_as_it_begins_stops(
    queue: JobQueue, redis_url: str, sandbox: Sandbox, n_steps: int
) -> None:
    """Whatever it was about to do as it began: one that went on would never end its command."""
    async with a_worker(redis_url, queue.records, ScriptedModel(), sandbox) as serving:
        for _ in range(n_steps):
            await asyncio.sleep(0)
        serving.cancel()
        _, pending = await asyncio.wait([serving], timeout=5)
        assert not pending


async def test_a_running_job_that_is_cancelled_ends_without_a_record(
    queue: JobQueue, redis_url: str, sandbox: Sandbox, settings: Settings
) -> None:
    """Whoever stops a job wants to stop paying for it."""
    model = PatientModel(CRASH, GOOD)
    async with asyncio.timeout(30), a_worker(redis_url, queue.records, model, sandbox, settings):
        handle = await queue.submit(a_job())
        await wait_until(lambda: len(model.requests) == 1, 10, "the request")
        assert await handle.cancel()
        model.may_answer.set()
        with pytest.raises(RecordNotFoundError):
            await handle.record()
        assert len(model.requests) == 1
        assert await handle.status() is JobStatus.NOT_FOUND


async def test_a_running_job_that_is_cancelled_after_a_retry_has_failed_as_before(
    queue: JobQueue, redis_url: str, sandbox: Sandbox, settings: Settings
) -> None:
    """Else nothing at all would say what became of it."""
    job = a_job(run_id="r")
    await queue.submit(job)
    await claim(queue, job.job_id)
    await finish(queue, job, Verdict.INTERNAL_ERROR, reason="the disk broke")
    await retry_letter(queue, await find_letter(queue, job.job_id))
    model = PatientModel(CRASH, GOOD)
    async with asyncio.timeout(30), a_worker(redis_url, queue.records, model, sandbox, settings):
        await wait_until(lambda: len(model.requests) == 1, 10, "the request")
        assert await queue.handle(job.job_id).cancel()
        model.may_answer.set()
        await wait_until(lambda: _is_empty(queue, queue.keys.lanes), 10, "an empty queue")
    assert (await queue.records.get(job.job_id)).error == "the disk broke"
    assert (await find_letter(queue, job.job_id)).reason == "the disk broke"
    run = await get_run(queue, "r")
    assert (run.verdicts, run.cancelled, run.open) == ({Verdict.INTERNAL_ERROR: 1}, 0, 0)


async def test_a_worker_is_seen_while_it_lives_and_not_afterwards(
    queue: JobQueue, redis_url: str, sandbox: Sandbox, settings: Settings
) -> None:
    """`promptmill submit --wait` says at once that nobody is there to do it."""
    assert await queue.live_workers() == []
    async with a_worker(redis_url, queue.records, ScriptedModel(), sandbox, settings):
        (seen,) = await queue.live_workers()
        assert (seen.worker_id, seen.model, seen.simulated) == ("test-worker", "scripted", True)
    assert await queue.live_workers() == []


async def test_what_is_left_in_redis_is_listed_and_expires(
    redis_url: str, sandbox: Sandbox, settings: Settings, repository: Path
) -> None:
    """A server that serves for a year must not fill up."""
    model = ScriptedModel(CRASH, ModelUnavailableError("503"), GOOD)
    async with (
        asyncio.timeout(40),
        JobQueue(redis_url, records=MemoryRecordStore()) as queue,
        a_worker(redis_url, queue.records, model, sandbox, settings),
    ):
        handles = [await queue.submit(a_job(number, run_id="r")) for number in range(3)]
        await handles[2].cancel()
        for handle in handles[:2]:
            await handle.record()
        await wait_until(lambda: _is_empty(queue, queue.keys.lanes), 10, "an empty queue")
        await _check_keys(queue, _listed_keys(repository))


async def _is_empty(queue: JobQueue, key: str) -> bool:
    return not await queue.redis.exists(key)


async def _check_keys(queue: JobQueue, listed: re.Pattern[str]) -> None:
    names = [name.decode() async for name in queue.redis.scan_iter()]
    assert names
    for name in names:
        assert listed.fullmatch(name), f"{name} is not in docs/reference/redis.md"
        assert not name.startswith("arq:"), f"{name} is left of a job that has ended"
        assert await queue.redis.ttl(name) > 0, f"{name} never expires"


def _listed_keys(repository: Path) -> re.Pattern[str]:
    text = (repository / "docs/reference/redis.md").read_text("utf-8")
    names = re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)
    return re.compile("|".join(re.sub(r"[A-Z_]+$", ".+", name) for name in names))
