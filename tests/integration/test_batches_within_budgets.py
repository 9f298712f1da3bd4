"""Budgets of runs in batches, over the real SDK, real HTTP and Redis: nothing is sent that the run cannot pay for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from jobs.budgets import Budget, Spent
from jobs.models import PromptJob
from jobs.queue import JobQueue
from jobs.run_control import set_budget
from jobs.runs import get_run
from tests.integration.asking_in_batches import ANSWERS, MODEL, Crowd, batched, of_task
from tests.making import NOON
from tests.queueing import answer_of
from tests.standin.running import Standin
from tests.standin.script import BatchPlan
from tests.waiting import wait_until
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


def wanted(own_id: str, keys: str) -> SentBatch:
    """A batch that is to be made, with a request for each letter."""
    return SentBatch(own_id=own_id, model=MODEL, keys=tuple(keys), sent_at=NOON)


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


async def test_whoever_waits_for_the_batch_before_hears_what_is_wrong(
    standin: Standin, sent: SentBatches, redis_url: str
) -> None:
    """A job whose turn never came would hold its place for ever, without a word."""
    standin.script(ANSWERS, batches=(BatchPlan(states=("RUNNING",)),))
    async with (
        within(redis_url, requests=1) as queue,
        aclosing(batched(standin, sent, Crowd(2))) as model,
    ):
        asking = [asyncio.create_task(model.generate(of_task(name))) for name in "ab"]
        await wait_until(lambda: bool(standin.batches), 10, "the first batch")
        await answer_of(queue.redis.hset(queue.keys.sent("r"), "r b", "no batch"))
        async with asyncio.timeout(20):
            [put_off], _ = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        assert isinstance(put_off.exception(), ValueError)
        for each in asking:
            each.cancel()
        await asyncio.wait(asking)


async def test_what_was_set_aside_for_a_batch_that_was_never_made_is_free_again(
    standin: Standin, sent: SentBatches, redis_url: str
) -> None:
    """A command that dies in between would keep its run from ever using the rest of its budget."""
    standin.script(ANSWERS)
    toll = Toll(MODEL, "r", 10, 100, 0.01, 1.0)
    async with within(redis_url, requests=2) as queue:
        never_made = wanted("r never-made", "xy")
        assert await sent.reserve(never_made, [toll, toll])
        await sent.forget(never_made)
        async with aclosing(batched(standin, sent)) as model:
            assert (await model.generate(of_task("a"))).text
        assert (await get_run(queue, "r")).spent.requests == 1


async def test_a_batch_that_is_under_way_keeps_what_it_may_use_whoever_asks(
    sent: SentBatches, redis_url: str
) -> None:
    """Started again, a command knows nothing of the batch before but what is written down."""
    toll = Toll(MODEL, "r", 10, 100, 0.01, 1.0)
    async with within(redis_url, requests=3):
        one = await sent.reserve(wanted("r one", "ab"), [toll, toll])
        assert one == wanted("r one", "ab").model_copy(update={"number": 1})
        two = await sent.reserve(wanted("r two", "cd"), [toll, toll])
        assert two == wanted("r two", "c").model_copy(update={"number": 2})
        assert await sent.all() == [one, two]
        assert await sent.reserve(wanted("r three", "d"), [toll]) is None
        await sent.count(one, Spent(requests=2, tokens=20), Spent(tokens=10))
        assert await sent.reserve(wanted("r three", "d"), [toll]) is None
        assert await sent.all() == [one, two]


async def test_commands_that_ask_at_one_time_reserve_no_more_than_there_is(
    sent: SentBatches, redis_url: str
) -> None:
    """Each would send what the other was about to write down, and the run would be over its budget."""
    toll = Toll(MODEL, "r", 10, 100, 0.01, 1.0)
    async with within(redis_url, requests=5):
        asking = [sent.reserve(wanted(f"r {n}", "ab"), [toll, toll]) for n in range(8)]
        made = [batch for batch in await asyncio.gather(*asking) if batch]
        assert sum(len(batch.keys) for batch in made) == 5
        assert await sent.all() == sorted(made, key=lambda batch: batch.number)


async def test_a_batch_whose_reserving_was_not_heard_of_is_reserved_once(
    sent: SentBatches, redis_url: str
) -> None:
    """The same step comes again where Redis broke off, and must find its own batch and not a stranger's."""
    toll = Toll(MODEL, "r", 10, 100, 0.01, 1.0)
    async with within(redis_url, requests=3):
        first = await sent.reserve(wanted("r one", "ab"), [toll, toll])
        assert await sent.reserve(wanted("r one", "ab"), [toll, toll]) == first
        assert await sent.all() == [first]
