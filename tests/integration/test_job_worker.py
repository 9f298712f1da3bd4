"""The loop of a worker: jobs as slots come free, and an end that loses none of them."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

import pytest
import redis
from arq.constants import job_key_prefix
from pydantic import JsonValue
from typing_extensions import override

from jobs.connection import open_redis
from jobs.events import JobCancelled, JobFinished, follow
from jobs.lanes import lanes_served
from jobs.models import PromptJob
from tests.queueing import answer_of
from tests.waiting import wait_until
from worker.consumer.claims import Claim, Claims, Hold
from worker.consumer.endings import Ending
from worker.consumer.worker import JobWorker, WorkerOptions

from .claiming import KEYS, Floor, Handled, a_job, recorded

BURST = WorkerOptions(max_jobs=4, drain_seconds=10, burst=True)


@pytest.fixture
async def floor(redis_url: str) -> AsyncIterator[Floor]:
    async with open_redis(redis_url, KEYS) as redis:
        yield Floor(redis)


@dataclass
class Patient(Handled):
    """Goes on when it is told to."""

    may_end: asyncio.Event = field(default_factory=asyncio.Event)

    @override
    async def __call__(
        self, claim: Claim, payload: dict[str, JsonValue], queued_at: datetime
    ) -> Ending:
        self.job_ids.append(claim.job_id)
        await self.may_end.wait()
        return recorded(PromptJob.model_validate(payload))


@asynccontextmanager
async def running(worker: JobWorker) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.create_task(worker.run_to_end())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_burst_ends_when_the_queue_is_empty(floor: Floor) -> None:
    """More jobs than slots, and none is left."""
    await floor.put(*(a_job(f"j{n}") for n in range(30)))
    handled = Handled()
    await floor.worker(handled, options=BURST).run_to_end()
    assert sorted(handled.job_ids) == sorted(f"j{n}" for n in range(30))
    assert await floor.left() == set()


async def test_no_more_jobs_are_held_than_there_are_slots(floor: Floor) -> None:
    """Others may have room for the rest."""
    await floor.put(*(a_job(f"j{n}") for n in range(6)))
    patient, other = Patient(), Handled()
    async with running(floor.worker(patient)):
        await wait_until(lambda: len(patient.job_ids) == 4, 5, "four jobs")
        async with running(floor.worker(other, "two")):
            await wait_until(lambda: len(other.job_ids) == 2, 5, "the rest")
        patient.may_end.set()
        await wait_until(lambda: _is_left(floor, set()), 5, "their end")
    assert len(patient.job_ids) == 4


async def _is_left(floor: Floor, names: set[str]) -> bool:
    return await floor.left() == names


@dataclass
class Blocking(Handled):
    """Lets nothing else in its process go on until its lease is over, and then takes a while."""

    floor: Floor | None = None

    @override
    async def __call__(
        self, claim: Claim, payload: dict[str, JsonValue], queued_at: datetime
    ) -> Ending:
        self.job_ids.append(claim.job_id)
        if claim.job_id == "j":
            assert self.floor is not None
            time.sleep(0.5)  # noqa: ASYNC251  (that is what it is for)
            await self.floor.put(a_job("next"))
            await wait_until(lambda: len(self.job_ids) > 1, 5, "another look at the queue")
        return recorded(PromptJob.model_validate(payload))


async def test_a_worker_that_stood_still_keeps_what_nobody_else_has_taken(floor: Floor) -> None:
    """A laptop sleeps, or a machine is overloaded: its own jobs, taken anew, would be asked and paid for again."""
    await floor.put(a_job("j"))
    blocking = Blocking(floor=floor)
    async with running(floor.worker(blocking, lease_seconds=0.3)):
        await wait_until(lambda: _is_left(floor, set()), 5, "their end")
    assert blocking.job_ids == ["j", "next"]


async def test_a_worker_wakes_when_it_is_called(floor: Floor) -> None:
    """It looks by itself once a second: two hundred jobs, one after the other, would take minutes."""
    handled = Handled()
    async with asyncio.timeout(30), running(floor.worker(handled)):
        for number in range(200):
            await floor.put(a_job(f"j{number}"))
            await floor.redis.publish(KEYS.wake, "due")
            await wait_until(lambda n=number: len(handled.job_ids) > n, 5, "the job")  # type: ignore[misc]
    assert handled.job_ids == [f"j{number}" for number in range(200)]


async def test_a_worker_that_is_told_to_stop_finishes_what_it_holds(floor: Floor) -> None:
    """And takes nothing new."""
    await floor.put(*(a_job(f"j{n}") for n in range(6)))
    patient = Patient()
    worker = floor.worker(patient)
    async with running(worker) as task:
        await wait_until(lambda: len(patient.job_ids) == 4, 5, "four jobs")
        worker.handle_sig_wait_for_completion(signal.SIGTERM)
        patient.may_end.set()
        await asyncio.wait([task], timeout=5)
        assert task.done()
    assert len(patient.job_ids) == 4
    assert await floor.redis.get(job_key_prefix + "j0") is None
    assert await floor.redis.get(job_key_prefix + "j4") is not None


@pytest.mark.parametrize("n_steps", range(12))
async def test_a_job_that_comes_while_the_worker_stops_is_handed_back(
    floor: Floor, n_steps: int
) -> None:
    """It may be claimed and not begun with: it would wait for a lease to end, and one delivery would be gone."""
    await floor.put(a_job("j"))
    handled = Handled()
    worker = floor.worker(handled)
    task = asyncio.create_task(worker.run_to_end())
    for _ in range(n_steps):
        await asyncio.sleep(0.0005)
    worker.handle_sig(signal.SIGTERM)
    await asyncio.wait([task], timeout=5)
    assert task.done()
    claims = (await floor.claims("two").take(1)).claims
    assert [claim.delivery for claim in claims] == ([] if handled.job_ids else [1])


@pytest.mark.parametrize("n_signals", [1, 2])
async def test_what_is_not_finished_in_time_is_handed_back(floor: Floor, n_signals: int) -> None:
    """One signal gives it the time it may have; the second, none."""
    await floor.put(a_job("a"), a_job("b"))
    patient, other = Patient(), Handled()
    options = WorkerOptions(max_jobs=4, drain_seconds=1 if n_signals == 1 else 3600)
    worker = floor.worker(patient, options=options)
    async with running(worker) as task:
        await wait_until(lambda: len(patient.job_ids) == 2, 5, "two jobs")
        for _ in range(n_signals):
            worker.handle_sig_wait_for_completion(signal.SIGTERM)
        await asyncio.wait([task], timeout=10)
        assert task.done()
    await floor.worker(other, "two", options=BURST).run_to_end()
    assert (other.job_ids, other.deliveries) == (["a", "b"], [1, 1])


async def test_a_job_is_stopped_while_it_runs_when_somebody_calls_for_it(floor: Floor) -> None:
    """Whoever stops a job wants to stop paying for it."""
    await floor.put(a_job("j"))
    patient = Patient()
    async with running(floor.worker(patient)):
        await wait_until(lambda: patient.job_ids == ["j"], 5, "the job")
        await floor.redis.set(KEYS.cancelled("j"), "1")
        await floor.redis.publish(KEYS.wake, "stop:j")
        await wait_until(lambda: _is_left(floor, set()), 5, "its end")
        event = await anext(aiter(follow(floor.redis, KEYS, "j")))
    assert isinstance(event, JobCancelled)


async def test_a_wish_that_comes_after_the_record_changes_nothing(floor: Floor) -> None:
    """The job would count as cancelled, and have a record."""
    await floor.put(a_job("j"))

    async def handler(claim: Claim, payload: dict[str, JsonValue], _: datetime) -> Ending:
        # Heard when the handler has returned, and before arq knows that it has.
        asyncio.get_running_loop().call_soon(worker.stop_job, claim.job_id)
        return recorded(PromptJob.model_validate(payload))

    worker = floor.worker(handler, options=BURST)
    await worker.run_to_end()
    event = await anext(aiter(follow(floor.redis, KEYS, "j")))
    assert isinstance(event, JobFinished)


class _Forgetful(Claims):
    """Has a defect."""

    @override
    async def renew(self, claims: Sequence[Claim]) -> list[Hold]:
        raise ValueError("a defect")


async def test_a_worker_that_can_renew_no_lease_ends_loudly(floor: Floor) -> None:
    """It would go on with jobs that others have by then."""
    lanes = lanes_served(["default"], "gemini-3")
    claims = _Forgetful(floor.redis, KEYS, "one", lanes, lease_seconds=0.3)
    options = WorkerOptions(max_jobs=4, drain_seconds=10)
    worker = JobWorker(claims, floor.endings(), Handled(), options)
    async with asyncio.timeout(10):
        with pytest.raises(ValueError, match="a defect"):
            await worker.run_to_end()


async def test_leases_are_kept_for_as_long_as_a_job_takes(floor: Floor) -> None:
    """A lease is short so that a dead worker is noticed, not so that a slow job is done twice."""
    await floor.put(a_job("j"))
    patient, other = Patient(), Handled()
    async with (
        running(floor.worker(patient, lease_seconds=1.5)),
        running(floor.worker(other, "two", lease_seconds=1.5)),
    ):
        await wait_until(lambda: bool(patient.job_ids or other.job_ids), 5, "the job")
        first = await floor.redis.zscore("promptmill:leased:default:any:normal", "j")

        async def is_renewed_past_its_length() -> bool:
            till = await floor.redis.zscore("promptmill:leased:default:any:normal", "j")
            return till is None or till > first + 2000

        if patient.job_ids:
            await wait_until(is_renewed_past_its_length, 10, "more than one length of the lease")
        patient.may_end.set()
        await wait_until(lambda: _is_left(floor, set()), 5, "its end")
    assert len(patient.job_ids) + len(other.job_ids) == 1


async def test_a_job_that_arq_cannot_read_is_kept_and_no_worker_dies_of_it(floor: Floor) -> None:
    """Another program wrote it; a person should see it."""
    await floor.put(a_job("bad"), a_job("good"))
    await floor.redis.set(job_key_prefix + "bad", b"\x80\x04not JSON")
    handled = Handled()
    await floor.worker(handled, options=BURST).run_to_end()
    assert handled.job_ids == ["good"]
    reason = await answer_of(floor.redis.hget(KEYS.dead_letter("bad"), "reason"))
    assert "unable to deserialize job" in str(reason)


async def test_a_handler_that_raises_hands_the_job_back(floor: Floor) -> None:
    """Arq would drop it."""
    await floor.put(a_job("j"))
    n_calls = 0

    async def handler(claim: Claim, payload: dict[str, JsonValue], queued_at: datetime) -> Ending:
        nonlocal n_calls
        n_calls += 1
        if n_calls == 1:
            raise KeyError("oops")
        return recorded(PromptJob.model_validate(payload))

    await floor.worker(handler, options=BURST).run_to_end()
    assert n_calls == 2
    assert await floor.left() == set()


async def test_an_obstacle_keeps_jobs_where_they_are_until_it_is_gone(floor: Floor) -> None:
    """A disk that is nearly full would be filled by the next records."""
    await floor.put(a_job("j"))
    handled, obstacle = Handled(), ["no room"]
    looks: list[str] = []
    worker = floor.worker(handled)
    worker.obstacles.append(lambda: looks.append("a look") or (obstacle[0] if obstacle else None))  # type: ignore[func-returns-value]
    async with running(worker):
        await wait_until(lambda: len(looks) > 1, 5, "two looks at the obstacle")
        assert (handled.job_ids, worker.obstacle) == ([], "no room")
        obstacle.clear()
        await wait_until(lambda: handled.job_ids == ["j"], 5, "the job")


def n_refused(server: redis.Redis) -> int:
    stats = cast("dict[str, int]", server.info("stats"))
    return stats["rejected_connections"]


async def test_a_server_that_is_started_anew_finds_its_workers_at_work(
    own_redis: redis.Redis, own_redis_url: str
) -> None:
    """Arq's own loop ends with the first error of Redis, and the jobs it had finished are done again."""
    async with open_redis(own_redis_url, KEYS) as client:
        floor, patient = Floor(client), Patient()
        await floor.put(a_job("a"))
        async with running(floor.worker(patient)) as task:
            await wait_until(lambda: patient.job_ids == ["a"], 5, "the job")
            own_redis.client_kill_filter(_type="normal", skipme=True)
            own_redis.client_kill_filter(_type="pubsub", skipme=True)
            own_redis.config_set("maxclients", "1")
            patient.may_end.set()
            await wait_until(lambda: n_refused(own_redis) > 0, 5, "a refusal")
            own_redis.config_set("maxclients", "1000")
            await wait_until(lambda: _is_left(floor, set()), 10, "the end of the job")
            await floor.put(a_job("b"))
            await wait_until(lambda: patient.job_ids == ["a", "b"], 10, "the next job")
            assert not task.done()


async def test_a_full_server_stops_no_worker_and_loses_no_ending(
    own_redis: redis.Redis, own_redis_url: str
) -> None:
    """Whoever runs it makes room; until then nothing may be forgotten."""
    async with open_redis(own_redis_url, KEYS) as client:
        floor, patient = Floor(client), Patient()
        await floor.put(a_job("a"), a_job("b"))
        async with running(floor.worker(patient)) as task:
            await wait_until(lambda: len(patient.job_ids) == 2, 5, "the jobs")
            own_redis.config_set("maxmemory", "1")
            patient.may_end.set()
            await wait_until(lambda: _is_left(floor, set()), 10, "the end of the jobs")
            own_redis.config_set("maxmemory", "0")
            await floor.put(a_job("c"))
            await wait_until(lambda: patient.job_ids == ["a", "b", "c"], 10, "the next job")
            assert not task.done()
