"""Budgets of runs in batches, over the real SDK, real HTTP and Redis: nothing is sent that the run cannot pay for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from jobs.budgets import Budget, Spent
from jobs.clock import utcnow
from jobs.models import PromptJob
from jobs.queue import JobQueue
from jobs.run_control import set_budget
from jobs.runs import get_run
from tests.integration.asking_in_batches import ANSWERS, MODEL, Crowd, batched, of_task
from tests.standin.running import Standin
from worker.errors import RunHeldError
from worker.model.sent import SentBatch, SentBatches
from worker.model.throttle import Toll


@asynccontextmanager
async def within(redis_url: str, **budget: float) -> AsyncIterator[JobQueue]:
    """The run, which may use so much."""
    async with JobQueue(redis_url) as queue:
        await queue.submit(PromptJob(prompt="Print.", run_id="r", job_id="j"))
        await set_budget(queue, "r", Budget.model_validate(budget))
        yield queue


async def test_what_a_run_cannot_pay_for_waits_for_the_batch_before_and_stops_it(
    standin: Standin, sent: SentBatches, redis_url: str
) -> None:
    """A budget holds in batches, too: no request is sent that would go over it."""
    standin.script(ANSWERS)
    async with within(redis_url, requests=2) as queue:
        async with aclosing(batched(standin, sent, Crowd(3))) as model:
            asking = [model.generate(of_task(name)) for name in "abc"]
            came = await asyncio.gather(*asking, return_exceptions=True)
        run = await get_run(queue, "r")
    assert len(standin.batches) == 1
    assert [isinstance(each, RunHeldError) for each in came].count(True) == 1
    assert (run.state, run.cause, run.spent.requests) == ("paused", "budget-reached", 2)
    assert run.reason == "2 of --max-requests 2 are used"


@pytest.mark.parametrize(
    "budget", [{"usd": 0.000_001}, {"tokens": 1}], ids=lambda budget: next(iter(budget))
)
async def test_a_run_that_has_anything_left_sends_one_request_and_no_second(
    standin: Standin, sent: SentBatches, redis_url: str, budget: dict[str, float]
) -> None:
    """Nobody knows beforehand what an answer costs: it is reckoned by the longest until one has come."""
    standin.script(ANSWERS)
    async with within(redis_url, **budget) as queue:
        async with aclosing(batched(standin, sent, Crowd(3))) as model:
            asking = [model.generate(of_task(name)) for name in "abc"]
            came = await asyncio.gather(*asking, return_exceptions=True)
        run = await get_run(queue, "r")
        assert await queue.redis.zcard(queue.keys.spoken_for("r")) == 0
    assert [isinstance(each, RunHeldError) for each in came].count(True) == 2
    assert (run.state, run.spent.requests) == ("paused", 1)


async def test_what_was_set_aside_for_a_batch_that_was_never_made_is_free_again(
    standin: Standin, sent: SentBatches, redis_url: str
) -> None:
    """A command that dies in between would keep its run from ever using the rest of its budget."""
    standin.script(ANSWERS)
    toll = Toll(MODEL, "r", 10, 100, 0.01, 1.0)
    async with within(redis_url, requests=2) as queue:
        assert await sent.reserve("r never-written-down", [toll, toll]) == 2
        async with aclosing(batched(standin, sent)) as model:
            assert (await model.generate(of_task("a"))).text
        assert (await get_run(queue, "r")).spent.requests == 1


async def test_a_batch_that_is_under_way_keeps_what_it_may_use_whoever_asks(
    sent: SentBatches, redis_url: str
) -> None:
    """Started again, a command knows nothing of the batch before but what is written down."""
    toll = Toll(MODEL, "r", 10, 100, 0.01, 1.0)
    async with within(redis_url, requests=3):
        assert await sent.reserve("r one", [toll, toll]) == 2
        one = SentBatch(
            own_id="r one", number=1, model=MODEL, keys=("a", "b"), sent_at=utcnow(), name="b/1"
        )
        await sent.note(one)
        assert await sent.reserve("r two", [toll, toll]) == 1
        await sent.note(one.model_copy(update={"own_id": "r two", "number": 2}))
        assert await sent.reserve("r three", [toll]) == 0
        await sent.count(one, Spent(requests=2, tokens=20), Spent(tokens=10))
        assert await sent.reserve("r three", [toll]) == 0
