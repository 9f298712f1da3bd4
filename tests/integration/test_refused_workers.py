"""Workers whose model refuses them: what becomes of runs, of other jobs, and of the worker."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime

import pytest
from typing_extensions import override

from jobs.events import JobDelayed, follow
from jobs.models import ModelReply, PromptJob
from jobs.queue import JobQueue, JobStatus
from jobs.run_control import (
    begin_run,
    hold_stopped_run,
    pause_run,
    resume_run,
    stop_run_short,
)
from jobs.runs import RunState, find_run, get_run
from jobs.verdicts import Verdict
from tests.consuming import a_worker
from tests.programs import GOOD
from tests.queueing import answer_of
from tests.waiting import wait_until
from worker.consumer.gate import ModelGate
from worker.errors import ModelClosedError, ModelKeyError, ModelQuotaError
from worker.model import ModelRequest
from worker.model.quota_days import renewal_of_quota
from worker.model.scripted import ScriptedModel
from worker.sandbox import Sandbox

REFUSED = ModelKeyError("the key is not valid")


class MoodyModel(ScriptedModel):
    """Refuses whatever it is asked for as long as it is told to."""

    def __init__(self) -> None:
        super().__init__(GOOD)
        self.refusal: ModelClosedError | None = REFUSED
        self.n_asked = 0

    @override
    async def check(self) -> None:
        if self.refusal is not None:
            raise self.refusal

    @override
    async def generate(self, request: ModelRequest) -> ModelReply:
        self.n_asked += 1
        if self.refusal is not None:
            raise self.refusal
        return await super().generate(request)


def a_job(number: int, run_id: str | None = None) -> PromptJob:
    return PromptJob(prompt="Print 1.", job_id=f"j{number}", sample=number, run_id=run_id)


async def _is_paused(queue: JobQueue) -> bool:
    run = await find_run(queue, "r")
    return run is not None and run.state is RunState.PAUSED and run.held > 0


async def test_a_refusal_pauses_the_run_with_the_reason_and_keeps_its_jobs(
    queue: JobQueue, redis_url: str, sandbox: Sandbox
) -> None:
    """Whoever looks in the morning reads why nothing moved, mends it, and loses nothing."""
    model = MoodyModel()
    async with asyncio.timeout(30):
        handle = await queue.submit(a_job(1, "r"))
        async with a_worker(
            redis_url, queue.records, model, sandbox, outlasts_refusals=True
        ) as serving:
            await wait_until(lambda: _is_paused(queue), 10, "a paused run")
            run = await find_run(queue, "r")
            assert run is not None
            assert (run.reason, run.cause) == (REFUSED.message, "model-key-invalid")
            assert (run.open, run.ended) == (1, 0)
            assert not serving.done()
            model.refusal = None
            assert await resume_run(queue, "r") == 1
            record = await handle.record()
    assert (record.verdict, record.deliveries) == (Verdict.ACCEPTED, 1)
    resumed = await find_run(queue, "r")
    assert resumed is not None
    assert (resumed.state, resumed.reason, resumed.cause) == (RunState.ACTIVE, "", "")


async def test_a_job_without_a_run_waits_until_the_model_answers_again(
    queue: JobQueue, redis_url: str, sandbox: Sandbox
) -> None:
    """Nobody has to start the worker again when the key is in force again."""
    model = MoodyModel()
    async with (
        asyncio.timeout(30),
        a_worker(redis_url, queue.records, model, sandbox, outlasts_refusals=True),
    ):
        handle = await queue.submit(a_job(1))
        await wait_until(lambda: model.n_asked > 0, 10, "a first question")
        assert await _first_delay(queue, "j1") == REFUSED.in_one_line
        await wait_until(lambda: _is_queued(queue, "j1"), 10, "the job in its place")
        model.refusal = None
        record = await handle.record()
    assert (record.verdict, record.deliveries) == (Verdict.ACCEPTED, 1)
    assert model.n_asked == 2, "a worker that is refused does not insist"


async def _first_delay(queue: JobQueue, stream: str) -> str:
    async with aclosing(follow(queue.redis, queue.keys, stream)) as events:
        async for event in events:
            if isinstance(event, JobDelayed):
                return event.reason
    raise AssertionError("unreachable")


async def _is_queued(queue: JobQueue, job_id: str) -> bool:
    return await queue.handle(job_id).status() is JobStatus.QUEUED


async def test_who_starts_a_run_again_lifts_what_a_refusal_paused(
    queue: JobQueue, redis_url: str, sandbox: Sandbox
) -> None:
    """The command that broke off is typed again when the key is mended, and nothing else."""
    model = MoodyModel()
    await queue.submit(a_job(1, "r"))
    async with asyncio.timeout(30), a_worker(redis_url, queue.records, model, sandbox) as serving:
        await asyncio.wait([serving])
        assert serving.exception() is REFUSED
    stopped = await find_run(queue, "r")
    assert stopped is not None
    assert (stopped.state, stopped.reason) == (RunState.PAUSED, REFUSED.message)
    await begin_run(queue, "r")
    run = await find_run(queue, "r")
    assert run is not None
    assert (run.state, run.held) == (RunState.ACTIVE, 0)


class LastReply(ScriptedModel):
    """Answers the first job after it has refused the second, and nothing any more."""

    def __init__(self, queue: JobQueue) -> None:
        super().__init__(GOOD)
        self._queue = queue

    @override
    async def generate(self, request: ModelRequest) -> ModelReply:
        if request.sample > 1:
            raise REFUSED
        await wait_until(lambda: _is_paused(self._queue), 10, "a paused run")
        return await super().generate(request)


async def test_a_reply_that_is_on_its_way_when_the_worker_is_refused_becomes_a_record(
    queue: JobQueue, redis_url: str, sandbox: Sandbox
) -> None:
    """It is paid for: a quota of the day ends in the middle of hundreds of calls."""
    await queue.submit_all([a_job(1, "r"), a_job(2, "r")])
    model = LastReply(queue)
    async with asyncio.timeout(30), a_worker(redis_url, queue.records, model, sandbox) as serving:
        await asyncio.wait([serving])
        assert serving.exception() is REFUSED
    record = await queue.records.get("j1")
    assert record.verdict is Verdict.ACCEPTED
    assert not await queue.records.has("j2")


async def test_what_a_person_paused_is_not_lifted(queue: JobQueue) -> None:
    """A refusal that comes on top of it says nothing about why the person did."""
    await queue.submit(a_job(1, "r"))
    await pause_run(queue, "r", "costs too much")
    await _stop_short(queue)
    await begin_run(queue, "r")
    assert await _why_paused(queue) == ("costs too much", "")


async def test_a_person_may_pause_what_a_refusal_had_paused(queue: JobQueue) -> None:
    """Whoever starts the run again when the key is mended must find that somebody wants it left alone."""
    await queue.submit(a_job(1, "r"))
    await _stop_short(queue)
    assert await _why_paused(queue) == (REFUSED.message, REFUSED.kind)
    await pause_run(queue, "r", "costs too much")
    await begin_run(queue, "r")
    assert await _why_paused(queue) == ("costs too much", "")


async def test_only_what_is_still_stopped_by_the_same_is_set_aside(queue: JobQueue) -> None:
    """Somebody may resume the run while its command still clears away, and its jobs would be held for good."""
    await queue.submit(a_job(1, "r"))
    await _stop_short(queue)
    await hold_stopped_run(queue, "r", cause="budget-reached")
    assert (await get_run(queue, "r")).held == 0
    await hold_stopped_run(queue, "r", cause=REFUSED.kind)
    assert (await get_run(queue, "r")).held == 1
    await resume_run(queue, "r")
    await hold_stopped_run(queue, "r", cause=REFUSED.kind)
    run = await get_run(queue, "r")
    assert (run.state, run.held) == (RunState.ACTIVE, 0)


async def test_beginning_again_goes_on_where_it_broke_off(queue: JobQueue) -> None:
    """A command that is killed between the two halves leaves a run that is not paused, and jobs that are held."""
    await queue.submit(a_job(1, "r"))
    await pause_run(queue, "r", "")
    await answer_of(queue.redis.hdel(queue.keys.run("r"), "state"))
    await begin_run(queue, "r")
    assert (await get_run(queue, "r")).held == 0


async def _stop_short(queue: JobQueue) -> None:
    await stop_run_short(queue.redis, queue.keys, "r", REFUSED.message, cause=REFUSED.kind)


async def _why_paused(queue: JobQueue) -> tuple[str, str]:
    run = await get_run(queue, "r")
    assert run.state is RunState.PAUSED
    return run.reason, run.cause


async def test_a_quota_of_the_day_is_waited_for_until_it_is_renewed() -> None:
    """The check passes all day long, and every question in between would be one in vain."""
    asked_for: list[datetime] = []
    checked = asyncio.Event()

    async def check() -> None:
        checked.set()

    def soon(now: datetime) -> datetime:
        asked_for.append(now)
        return now

    gate = ModelGate(check, soon)
    running = asyncio.create_task(gate.run())
    assert gate.obstacle() is None
    gate.shut(ModelQuotaError("no more today"))
    assert gate.obstacle() == "no more today"
    async with asyncio.timeout(10):
        await checked.wait()
        await wait_until(lambda: gate.obstacle() is None, 5, "an open gate")
    assert len(asked_for) == 1
    running.cancel()


@pytest.mark.parametrize(
    ("now", "renewed"),
    [
        pytest.param((2026, 11, 26, 15, 0), (2026, 11, 27, 8, 1), id="winter"),
        pytest.param((2026, 11, 26, 7, 0), (2026, 11, 26, 8, 1), id="before midnight there"),
        pytest.param((2026, 7, 1, 15, 0), (2026, 7, 2, 7, 1), id="summer"),
    ],
)
def test_the_quota_is_renewed_at_midnight_pacific_time(
    now: tuple[int, ...], renewed: tuple[int, ...]
) -> None:
    """An hour early costs a day of questions in vain; a day late costs a day."""
    at = datetime(*now, tzinfo=UTC)  # type: ignore[misc,arg-type]
    assert renewal_of_quota(at) == datetime(*renewed, tzinfo=UTC)  # type: ignore[misc,arg-type]
