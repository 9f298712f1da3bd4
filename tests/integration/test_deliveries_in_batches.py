"""Deliveries whose answers may take a day: who still goes on, and what a killed worker says of its jobs."""

import asyncio
from contextlib import suppress
from datetime import datetime

from arq.constants import in_progress_key_prefix, retry_key_prefix
from pydantic import JsonValue

from tests.making import NOON
from tests.waiting import wait_until
from worker.consumer.claims import Claim
from worker.consumer.crowd import Deliveries
from worker.consumer.endings import Ending, Endings, PutBack

from .delivering import JOB, Bench

SETTLE_SECONDS = 0.01


class Delivery:
    """One that goes where it is told to."""

    def __init__(self, deliveries: Deliveries) -> None:
        self._deliveries = deliveries
        self.is_away = False
        self.go_away, self.come_back, self.end = (asyncio.Event() for _ in range(3))

    async def take(self, claim: Claim, payload: dict[str, JsonValue], at: datetime) -> Ending:
        await self.go_away.wait()
        async with self._deliveries.away():
            self.is_away = True
            await self.come_back.wait()
        self.is_away = False
        await self.end.wait()
        return PutBack()

    def start(self, claim: Claim) -> "asyncio.Task[Ending]":
        counted = self._deliveries.counted(self.take)
        return asyncio.ensure_future(counted(claim, {}, NOON))


async def n_deliveries(bench: Bench) -> int:
    return int(await bench.redis.get(retry_key_prefix + JOB.job_id) or 0)


async def away(bench: Bench) -> tuple[Deliveries, Delivery, "asyncio.Task[Ending]", Claim]:
    """A delivery of a job that waits for an answer."""
    claim = await bench.claim(number=2)
    deliveries = Deliveries(bench.redis, bench.keys)
    delivery = Delivery(deliveries)
    task = delivery.start(claim)
    delivery.go_away.set()
    await wait_until(lambda: delivery.is_away, 10, "a delivery that is away")
    return deliveries, delivery, task, claim


async def test_a_round_is_complete_when_nobody_goes_on(bench: Bench) -> None:
    """What is sent before has company for no reason but luck, and what is left out waits a day more."""
    claim = await bench.claim()
    deliveries = Deliveries(bench.redis, bench.keys)
    slow, quick = Delivery(deliveries), Delivery(deliveries)
    tasks = [slow.start(claim), quick.start(claim)]
    quick.go_away.set()
    complete = asyncio.create_task(deliveries.until_all_are_away(SETTLE_SECONDS))
    await wait_until(lambda: quick.is_away, 10, "one that is away")
    assert not complete.done()
    slow.go_away.set()
    await complete
    assert slow.is_away
    for delivery in (slow, quick):
        delivery.come_back.set()
        delivery.end.set()
    assert await asyncio.gather(*tasks) == [PutBack(), PutBack()]


async def test_a_delivery_that_ends_is_waited_for_no_more(bench: Bench) -> None:
    """The last job of a round that is accepted would keep the others from the next round for ever."""
    deliveries, delivery, task, _ = await away(bench)
    delivery.come_back.set()
    await wait_until(lambda: not delivery.is_away, 10, "one that is back")
    complete = asyncio.create_task(deliveries.until_all_are_away(SETTLE_SECONDS))
    delivery.end.set()
    await complete
    assert task.done()


async def test_who_waits_for_an_answer_is_not_counted_as_delivered(bench: Bench) -> None:
    """A worker that is killed meanwhile was brought down by no job: in a day machines are restarted."""
    _, delivery, task, _ = await away(bench)
    assert await n_deliveries(bench) == 1
    delivery.come_back.set()
    await wait_until(lambda: not delivery.is_away, 10, "one that is back")
    assert await n_deliveries(bench) == 2
    delivery.end.set()
    await task


async def test_a_delivery_that_is_stopped_while_it_waits_is_handed_back_uncounted(
    bench: Bench,
) -> None:
    """Ctrl-C takes a delivery off that was counted; taken off twice, the next would be number 0."""
    _, _, task, claim = await away(bench)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert await Endings(bench.redis, bench.keys, bench.store, "w").end(claim, PutBack())
    assert await n_deliveries(bench) == 1


async def test_who_has_lost_the_job_counts_nothing(bench: Bench) -> None:
    """A worker that was frozen would undo what the one after it has counted."""
    _, delivery, task, _ = await away(bench)
    await bench.redis.set(in_progress_key_prefix + JOB.job_id, "another:1")
    delivery.come_back.set()
    delivery.end.set()
    await task
    assert await n_deliveries(bench) == 1
