"""One throttle for all workers: what one of them sends or is refused, all of them heed, through a real Redis."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from jobs.connection import open_redis
from jobs.keys import Keys
from jobs.models import ModelReply
from jobs.queue import JobQueue
from jobs.queue_status import status_of
from jobs.usage import Usage
from tests.cutting import Cutter, cutting
from tests.orphans import LASTS
from tests.queueing import answer_of
from worker.errors import ModelBusyError, ModelQuotaError
from worker.model.scripted import spoken
from worker.model.shared_throttle import ModelLimits, SharedThrottle
from worker.model.throttle import Toll

_KEYS = Keys()
_MODEL = "gemini-3.8-flash"

Worker = Callable[..., SharedThrottle]


def toll(model: str = _MODEL, prompt_tokens: int = 10, most_seconds: float = 60) -> Toll:
    return Toll(model, None, prompt_tokens, 100, 0.001, most_seconds)


def reply(prompt_tokens: int) -> ModelReply:
    return spoken("x").model_copy(update={"usage": Usage(prompt_token_count=prompt_tokens)})


@pytest.fixture
async def worker(redis_url: str) -> AsyncIterator[Worker]:
    """Makes workers, each with a connection of its own; all have the same key unless another account is named."""
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(open_redis(redis_url, _KEYS)) for _ in range(3)]

        def make(account: str = "a", **limits: int) -> SharedThrottle:
            return SharedThrottle(clients.pop(), _KEYS, account, ModelLimits(**limits))

        yield make


async def send(throttle: SharedThrottle, price: Toll, came: ModelReply | None = None) -> None:
    async with throttle.passing(price) as passage:
        passage.reply = came


async def n_sent_at_once(*throttles: SharedThrottle, price: Toll) -> int:
    """How many requests get through before one would have to wait for longer than is worth it."""
    n = 0
    while True:
        try:
            await send(throttles[n % len(throttles)], price)
        except ModelBusyError:
            return n
        n += 1


async def test_workers_share_the_requests_of_a_minute(worker: Worker) -> None:
    """The service counts by project, and does not know how many workers there are."""
    limits = {"requests_per_minute": 6, "burst": 3}
    first, second = worker(**limits), worker(**limits)
    assert await n_sent_at_once(first, second, price=toll()) == 3


async def test_models_and_accounts_have_limits_of_their_own(worker: Worker) -> None:
    """A model that is used up must not keep another from being asked, nor one key another."""
    limits = {"requests_per_minute": 6, "burst": 1}
    first, other = worker(**limits), worker("b", **limits)
    assert await n_sent_at_once(first, price=toll()) == 1
    assert await n_sent_at_once(first, price=toll("gemini-3.1-pro-preview")) == 1
    assert await n_sent_at_once(other, price=toll()) == 1


async def test_a_request_that_is_refused_by_one_limit_uses_up_no_other(worker: Worker) -> None:
    """Else whoever is held back by tokens would use up the requests of those who have short prompts."""
    throttle = worker(requests_per_minute=6, burst=3, tokens_per_minute=1000)
    await send(throttle, toll(prompt_tokens=100))
    with pytest.raises(ModelBusyError):
        await send(throttle, toll(prompt_tokens=100))
    assert await n_sent_at_once(worker(requests_per_minute=6, burst=3), price=toll()) == 2


async def test_a_prompt_longer_than_may_be_sent_at_once_is_sent_all_the_same(
    worker: Worker,
) -> None:
    """It would wait for ever for room that there never is."""
    throttle = worker(tokens_per_minute=1000)
    await send(throttle, toll(prompt_tokens=50_000))
    with pytest.raises(ModelBusyError):
        await send(throttle, toll(prompt_tokens=50_000))


async def test_tokens_are_settled_by_what_the_service_counted(worker: Worker) -> None:
    """The length of a prompt tells its tokens by and large: what was reckoned too high is free again."""
    throttle = worker(tokens_per_minute=1000)
    await send(throttle, toll(prompt_tokens=100), reply(prompt_tokens=1))
    await send(throttle, toll(prompt_tokens=90), reply(prompt_tokens=600))
    with pytest.raises(ModelBusyError) as caught:
        await send(throttle, toll(prompt_tokens=1))
    # 600 tokens are over 100, which flow off at 1000 a minute.
    assert caught.value.retry_after_seconds == pytest.approx(30, abs=2)


async def test_the_requests_of_a_day_are_counted_until_it_ends(worker: Worker) -> None:
    """No wait of seconds brings them back, so it is told like a used-up quota."""
    first, second = worker(requests_per_day=2), worker(requests_per_day=2)
    await send(first, toll())
    await send(second, toll())
    with pytest.raises(ModelQuotaError, match="2 requests"):
        await send(first, toll())


async def test_a_request_waits_for_another_to_end_where_no_more_may_be_under_way(
    worker: Worker,
) -> None:
    """Its place is taken by the next one, on whichever machine that is."""
    first, second = worker(concurrency=1), worker(concurrency=1)
    order: list[str] = []
    async with first.passing(toll()):
        waiting = asyncio.create_task(send(second, toll()))
        waiting.add_done_callback(lambda _: order.append("second"))
        _, pending = await asyncio.wait([waiting], timeout=0.3)
        assert pending
        order.append("first")
    await waiting
    assert order == ["first", "second"]


async def test_who_has_gone_while_it_waited_takes_nobodys_place(worker: Worker) -> None:
    """A worker that stops cancels its jobs, and what they had asked for would be missing for minutes."""
    throttle = worker(concurrency=1)
    async with throttle.passing(toll()):
        gone, waiting = (asyncio.create_task(send(throttle, toll())) for _ in range(2))
        await asyncio.wait([gone, waiting], timeout=0.2)
        gone.cancel()
    await waiting
    with pytest.raises(asyncio.CancelledError):
        await gone
    await send(throttle, toll())


async def test_who_goes_in_the_moment_of_its_admission_leaves_its_place(
    queue: JobQueue, worker: Worker
) -> None:
    """A worker that stops cancels many at one time, and each would take a place for minutes."""
    throttle = worker(concurrency=2)

    async def send_and_cancel() -> None:
        async with throttle.passing(toll()):
            going.cancel()

    first = asyncio.create_task(send_and_cancel())
    # Both are admitted in one step, and the first hears of it first.
    going = asyncio.create_task(send(throttle, toll()))
    await asyncio.wait([first, going])
    assert going.cancelled()
    [use] = (await status_of(queue)).models
    assert (use.requests, use.under_way) == (2, 0)


async def test_a_request_whose_admission_is_not_heard_of_is_admitted_once(
    queue: JobQueue, redis_url: str, tmp_path: Path
) -> None:
    """A connection that breaks under the answer would cost a request of the day, and wait for a place it has itself."""
    cutter = Cutter(b"mostMs", n_times=0, is_heard=True)
    async with (
        cutting(redis_url, cutter, tmp_path) as cut_url,
        open_redis(cut_url, _KEYS) as redis,
    ):
        throttle = SharedThrottle(redis, _KEYS, "a", ModelLimits(concurrency=1))
        await send(throttle, toll())
        cutter.n_times = 1
        await send(throttle, toll())
    [use] = (await status_of(queue)).models
    assert (cutter.n_cut, use.requests, use.under_way) == (1, 2, 0)


async def test_nobody_is_turned_away_where_there_is_no_limit(worker: Worker) -> None:
    """Hundreds of calls come at one time, and a worker that is slow itself must not take that for a limit."""
    throttle = worker()
    for _ in range(3):
        await asyncio.gather(*(send(throttle, toll(), reply(1)) for _ in range(300)))
    assert throttle.room(_MODEL) is None


async def test_the_place_of_a_request_whose_worker_died_is_free_again(
    worker: Worker, redis_url: str
) -> None:
    """Nobody can give it back, and with every crash the fleet would be one request slower for good."""
    dying, other = worker(concurrency=1), worker(concurrency=1)
    lost = dying.passing(toll(most_seconds=-29.5))
    await lost.__aenter__()
    # It waits for the end of that place, and would give up where there is none.
    await send(other, toll())
    await lost.__aexit__(None, None, None)
    async with JobQueue(redis_url) as queue:
        [use] = (await status_of(queue)).models
    assert (use.requests, use.under_way) == (2, 0)


async def test_a_429_that_one_worker_sees_holds_all_of_them(worker: Worker) -> None:
    """The quota is the project's: each worker that had to find out for itself would be one refusal more."""
    first, second = worker(), worker()
    with pytest.raises(ModelBusyError):
        await first.pause(_MODEL, 30.0)
    with pytest.raises(ModelBusyError) as caught:
        await send(second, toll())
    assert caught.value.retry_after_seconds == pytest.approx(30, abs=2)
    await send(second, toll("gemini-3.1-pro-preview"))


async def test_a_pause_is_never_made_shorter(worker: Worker) -> None:
    """Answers arrive in any order, and the longest wait that was asked for is the one that counts."""
    throttle = worker()
    with pytest.raises(ModelBusyError):
        await throttle.pause(_MODEL, 30.0)
    with pytest.raises(ModelBusyError) as caught:
        await throttle.pause(_MODEL, 0.5)
    assert caught.value.retry_after_seconds == pytest.approx(30, abs=2)


async def test_no_pause_is_longer_than_a_day(worker: Worker) -> None:
    """A gateway that answers with a digit too many would silence all workers for years, long after it is mended."""
    throttle = worker()
    with pytest.raises(ModelBusyError) as caught:
        await throttle.pause(_MODEL, 999_999_999.0)
    assert caught.value.retry_after_seconds == 24 * 3600


async def test_pauses_grow_while_the_service_names_none_and_a_reply_ends_that(
    worker: Worker,
) -> None:
    """A fleet that came back every second would keep an overloaded service so. Those refused together count once."""
    throttle = worker()
    assert await throttle.pause(_MODEL, None) == pytest.approx(1, abs=0.2)
    assert await throttle.pause(_MODEL, None) == pytest.approx(1, abs=0.2)
    await send(throttle, toll())
    assert await throttle.pause(_MODEL, None) == pytest.approx(2, abs=0.2)
    await send(throttle, toll(), reply(1))
    assert await throttle.pause(_MODEL, None) == pytest.approx(1, abs=0.2)


async def test_a_worker_takes_no_more_jobs_than_it_can_serve_soon(worker: Worker) -> None:
    """Jobs that could only sleep in it are of use to others, and are counted, while they wait in the queue."""
    throttle = worker(requests_per_minute=60, burst=1)
    assert throttle.room(_MODEL) is None
    await send(throttle, toll())
    assert throttle.room(_MODEL) == 5
    with pytest.raises(ModelBusyError):
        await throttle.pause(_MODEL, 30.0)
    assert throttle.room(_MODEL) == 0
    assert throttle.room("gemini-3.1-pro-preview") is None


async def test_nothing_is_left_of_requests_that_are_over(worker: Worker, redis_url: str) -> None:
    """Every key of ours expires or is deleted; the count of a day stays for that day."""
    await send(worker(requests_per_minute=6000, tokens_per_minute=600_000), toll(), reply(1))
    async with open_redis(redis_url, _KEYS) as redis:
        names = {name.decode() for name in await answer_of(redis.keys("*"))}
        kinds = {name.split(":")[1] for name in names}
        assert "under-way" not in kinds
        assert "asked" in kinds
        # One that has expired since it was listed is told apart from one that never will.
        assert [name for name in names if await redis.pttl(name) == LASTS] == []
