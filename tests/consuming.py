"""A worker for tests: the real consumer, queue and sandbox, in this process, with a model of the test's own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from arq.connections import ArqRedis

from config.settings import RedisSettings, Settings
from jobs.connection import open_redis
from jobs.keys import Keys
from jobs.languages import Language
from jobs.presence import WorkerPresence
from jobs.queue import JobQueue
from jobs.records import RecordStore
from worker.consumer.delivery import Consumer, DeliveryPolicy
from worker.consumer.feeder import Feeder
from worker.consumer.heartbeat import beating
from worker.consumer.records import Provenance
from worker.consumer.ticker import Ticker
from worker.main import Engine, serve
from worker.model import ModelClient
from worker.sandbox import Sandbox
from worker.solver.loop import FeedbackLoop
from worker.solver.turns import Turns

MakeConsumer = Callable[[ArqRedis, Settings], Consumer]


def consumer_of(
    redis: ArqRedis, store: RecordStore, model: ModelClient, sandbox: Sandbox, settings: Settings
) -> Consumer:
    """Put together as a worker does it."""
    return Consumer(
        redis,
        Keys(settings.redis.prefix),
        store,
        FeedbackLoop(
            model,
            sandbox,
            calls=asyncio.Semaphore(settings.worker.calls_in_flight),
            turns=Turns(2),
        ),
        Provenance("test-worker", model.name, model.simulated, sandbox.isolation),
        DeliveryPolicy(
            settings.limits,
            settings.ceiling,
            settings.worker.max_deliveries,
        ),
    )


@asynccontextmanager
async def a_worker(
    url: str,
    store: RecordStore,
    model: ModelClient,
    sandbox: Sandbox,
    settings: Settings | None = None,
    *,
    outlasts_refusals: bool = False,
) -> AsyncIterator["asyncio.Task[None]"]:
    """A worker that serves the queue for as long as the block lasts; the task ends early if the worker does."""
    settings = settings or Settings(redis=RedisSettings(url=url))
    keys = Keys(settings.redis.prefix)
    presence = WorkerPresence(
        worker_id="test-worker",
        model=model.name,
        simulated=True,
        languages=tuple(Language),
        queues=settings.worker.queues,
    )
    async with (
        open_redis(url, keys) as redis,
        beating(redis, keys, presence) as heart,
        JobQueue(redis, records=store, prefix=keys.prefix) as queue,
    ):
        consumer = consumer_of(redis, store, model, sandbox, settings)
        feeder = Feeder(redis, keys, store, 5000)
        engine = Engine(
            redis,
            keys,
            store,
            model,
            consumer,
            consumer.take,
            feeder,
            Ticker(queue),
            sandbox,
            presence,
            heart,
        )
        serving = asyncio.create_task(
            serve(engine, settings, outlasts_refusals=outlasts_refusals, handle_signals=False)
        )
        try:
            yield serving
        finally:
            serving.cancel()
            await asyncio.wait([serving])
