"""The budget of a run, asked before each request and settled after it, through a real Redis."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobs.budgets import Budget
from jobs.connection import open_redis
from jobs.costs import Cost
from jobs.errors import UsageError
from jobs.model_use import models_in_use
from jobs.models import ModelReply, PromptJob
from jobs.queue import JobQueue
from jobs.queue_status import status_of
from jobs.run_control import pause_run, resume_run, set_budget
from jobs.runs import Run, RunState, get_run
from jobs.usage import Usage
from tests.cutting import Cutter, cutting
from tests.queueing import answer_of, field_of
from tests.waiting import wait_until
from worker.errors import ModelBusyError, RunHeldError
from worker.model.scripted import spoken
from worker.model.shared_throttle import ModelLimits, SharedThrottle
from worker.model.throttle import Toll

_RUN = "r"
_MODEL = "gemini-3.8-flash"


@pytest.fixture
async def throttle(queue: JobQueue) -> SharedThrottle:
    """A worker's, with a run of three jobs in the queue."""
    jobs = [PromptJob(prompt="x", job_id=f"j{n}", run_id=_RUN) for n in range(3)]
    await queue.submit_all(jobs)
    return SharedThrottle(queue.redis, queue.keys, "a", ModelLimits())


def toll(most_tokens: int = 1000, most_usd: float | None = 0.01, seconds: float = 60) -> Toll:
    return Toll(_MODEL, _RUN, 10, most_tokens, most_usd, seconds)


def reply(tokens: int = 100, usd: float | None = 0.001) -> ModelReply:
    day = datetime(2026, 1, 2, tzinfo=UTC).date()
    cost = None if usd is None else Cost(usd=usd, prices_of=day, price_list="x")
    usage = Usage(prompt_token_count=tokens, total_token_count=tokens)
    return spoken("x").model_copy(update={"usage": usage, "cost": cost})


async def send(
    throttle: SharedThrottle, came: ModelReply | None, price: Toll | None = None
) -> None:
    async with throttle.passing(price or toll()) as passage:
        passage.reply = came


async def the_run(queue: JobQueue) -> Run:
    return await get_run(queue, _RUN)


async def test_what_a_run_uses_is_counted_without_any_budget(
    queue: JobQueue, throttle: SharedThrottle
) -> None:
    """Somebody who wants to set one has to know what runs like it have used."""
    await send(throttle, reply(100, 0.25))
    await send(throttle, reply(50, None))
    await send(throttle, None)
    spent = (await the_run(queue)).spent
    assert (spent.requests, spent.tokens, spent.usd, spent.unpriced) == (3, 150, 0.25, 1)


@pytest.mark.parametrize(
    ("budget", "reason"),
    [
        (Budget(requests=2), "2 of --max-requests 2 are used"),
        (Budget(tokens=150), "200 of --max-tokens-total 150 are used"),
        (Budget(usd=0.0015), "$0.002 of --max-usd 0.0015 are used"),
    ],
    ids=["requests", "tokens", "dollars"],
)
async def test_a_run_that_has_used_its_budget_stands_still_before_it_asks_again(
    queue: JobQueue, throttle: SharedThrottle, budget: Budget, reason: str
) -> None:
    """What the request would bring was not granted; and a run that is done by then has no need to stand still."""
    await set_budget(queue, _RUN, budget)
    await send(throttle, reply())
    await send(throttle, reply())
    assert (await the_run(queue)).state is RunState.ACTIVE
    with pytest.raises(RunHeldError):
        await send(throttle, reply())
    run = await the_run(queue)
    assert (run.state, run.reason, run.cause) == (RunState.PAUSED, reason, "budget-reached")
    assert run.is_over_budget


async def test_time_counts_from_the_first_request_and_not_while_the_run_is_paused(
    queue: JobQueue, throttle: SharedThrottle
) -> None:
    """A run that is paused for the night has not worked, and would have no time left in the morning."""
    await set_budget(queue, _RUN, Budget(seconds=0.05))
    await send(throttle, reply())
    await pause_run(queue, _RUN, "")
    before = (await the_run(queue)).spent.seconds
    assert before > 0
    assert (await the_run(queue)).spent.seconds == before
    await resume_run(queue, _RUN)
    await queue.redis.hset(queue.keys.run(_RUN), "ranMs", "51")  # type: ignore[misc]  # may be awaited
    with pytest.raises(RunHeldError):
        await send(throttle, reply())
    assert "--max-duration" in (await the_run(queue)).reason


async def test_requests_under_way_are_reckoned_with(
    queue: JobQueue, throttle: SharedThrottle
) -> None:
    """A hundred requests begun with the last cent would cost a hundred times that."""
    await set_budget(queue, _RUN, Budget(usd=0.015))
    async with throttle.passing(toll(most_usd=0.01)) as passage:
        with pytest.raises(ModelBusyError):
            await send(throttle, reply())
        passage.reply = reply(usd=0.002)
    # By now it is known that the longest answer is not what comes.
    async with throttle.passing(toll(most_usd=0.01)):
        await send(throttle, reply())
    assert (await the_run(queue)).state is RunState.ACTIVE


async def test_a_budget_smaller_than_the_longest_answer_lets_one_request_through_at_a_time(
    queue: JobQueue, throttle: SharedThrottle
) -> None:
    """It would stand still from the start otherwise, with all of it left."""
    await set_budget(queue, _RUN, Budget(tokens=150))
    await send(throttle, reply(tokens=100), toll(most_tokens=70_000))
    await send(throttle, reply(tokens=100), toll(most_tokens=70_000))
    with pytest.raises(RunHeldError):
        await send(throttle, reply())


async def test_a_request_whose_worker_died_is_not_reckoned_with_for_ever(
    queue: JobQueue, throttle: SharedThrottle
) -> None:
    """Its part of the budget would be lost, and a run could wait for it without end."""
    await set_budget(queue, _RUN, Budget(usd=0.015))
    lost = throttle.passing(toll(seconds=-29.9))
    await lost.__aenter__()

    async def is_admitted() -> bool:
        with suppress(ModelBusyError):
            await send(throttle, reply())
            return True
        return False

    await wait_until(is_admitted, 10, "the end of the lost request")
    await lost.__aexit__(None, None, None)
    run = await the_run(queue)
    assert (run.state, run.spent.requests) == (RunState.ACTIVE, 2)


async def test_a_reply_that_is_told_after_the_place_of_its_request_has_ended_is_counted(
    queue: JobQueue, throttle: SharedThrottle
) -> None:
    """A worker that could not reach Redis for minutes has paid for its replies all the same."""
    place = queue.keys.under_way("a", _MODEL)

    async def is_over() -> bool:
        # Whoever asks clears away what has ended.
        await send(throttle, None)
        return bool(await answer_of(queue.redis.zcard(place)) == 0)

    async with throttle.passing(toll(seconds=-29.9)) as passage:
        await wait_until(is_over, 10, "the end of the place")
        passage.reply = reply(tokens=100, usd=0.25)
    spent = (await the_run(queue)).spent
    assert (spent.tokens, spent.usd) == (100, 0.25)


async def test_what_is_told_twice_is_counted_once(
    queue: JobQueue, throttle: SharedThrottle, redis_url: str, tmp_path: Path
) -> None:
    """A connection that breaks under the answer must not use up a budget that nobody has spent."""
    cutter = Cutter(b"reckonedTokens", n_times=0, is_heard=True)
    async with (
        cutting(redis_url, cutter, tmp_path) as cut_url,
        open_redis(cut_url, queue.keys) as redis,
    ):
        cut_off = SharedThrottle(redis, queue.keys, "a", ModelLimits())
        await send(cut_off, reply(tokens=100))
        cutter.n_times = 1
        await send(cut_off, reply(tokens=50))
    assert cutter.n_cut == 1
    assert (await the_run(queue)).spent.tokens == 150


async def test_a_run_of_unknown_price_is_not_begun_under_a_budget_of_money(
    queue: JobQueue, throttle: SharedThrottle
) -> None:
    """Nobody could say when it is used up."""
    await set_budget(queue, _RUN, Budget(usd=1))
    with pytest.raises(RunHeldError):
        await send(throttle, reply(), toll(most_usd=None))
    run = await the_run(queue)
    assert "the price of gemini-3.8-flash is unknown" in run.reason
    assert (run.cause, run.is_stopped_by_price) == ("price-unknown", True)


async def test_a_budget_is_raised_one_limit_at_a_time(
    queue: JobQueue, throttle: SharedThrottle
) -> None:
    """Whoever grants more requests has said nothing about the money."""
    await set_budget(queue, _RUN, Budget(requests=1, usd=5))
    await send(throttle, reply())
    with pytest.raises(RunHeldError):
        await send(throttle, reply())
    await set_budget(queue, _RUN, Budget(requests=2))
    await resume_run(queue, _RUN)
    await send(throttle, reply())
    run = await the_run(queue)
    assert run.budget == Budget(requests=2, usd=5)
    assert (run.cause, run.spent.requests) == ("", 2)


async def test_a_paused_run_asks_nothing_more(queue: JobQueue, throttle: SharedThrottle) -> None:
    """A job that waits for its turn to ask was started before, and must not spend what was to be saved."""
    await pause_run(queue, _RUN, "too dear")
    with pytest.raises(RunHeldError):
        await send(throttle, reply())
    assert (await the_run(queue)).reason == "too dear"


async def test_an_empty_budget_is_refused(queue: JobQueue) -> None:
    """Whoever sets one means something by it."""
    with pytest.raises(UsageError):
        await set_budget(queue, _RUN, Budget())


async def test_the_status_of_the_queues_tells_what_models_are_asked(
    queue: JobQueue, throttle: SharedThrottle
) -> None:
    """A fleet that stands still after a 429 looks like one that hangs."""
    await send(throttle, reply())
    async with throttle.passing(toll()):
        [use] = (await status_of(queue)).models
    assert (use.account, use.model, use.requests, use.under_way) == ("a", _MODEL, 2, 1)
    assert use.paused_seconds == 0
    with pytest.raises(ModelBusyError):
        await throttle.pause(_MODEL, 40.0)
    [use] = (await status_of(queue)).models
    assert use.paused_seconds == pytest.approx(40, abs=2)
    assert await answer_of(queue.redis.ttl(queue.keys.asked("a", _MODEL, use.day))) > 0
    assert await field_of(queue, _RUN, "used:requests") == "2"


async def test_what_models_are_asked_is_told_without_a_look_at_all_keys(
    queue: JobQueue, throttle: SharedThrottle
) -> None:
    """It is asked every few seconds, beside a million checkpoints; and what was asked days ago is no news."""
    await send(throttle, reply())
    await queue.redis.config_resetstat()
    [use] = await models_in_use(queue.redis, queue.keys)
    calls = await queue.redis.info("commandstats")
    assert "cmdstat_scan" not in calls
    await queue.redis.delete(queue.keys.asked("a", _MODEL, use.day))
    assert await models_in_use(queue.redis, queue.keys) == []
    assert await answer_of(queue.redis.hlen(queue.keys.places)) == 0
