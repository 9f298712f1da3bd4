"""The worker process: from settings to a running arq worker. It wires and decides nothing.

`promptmill worker` and `arq worker.main.WorkerSettings` both start here.
"""

import asyncio
import os
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn

from arq.connections import ArqRedis

from config.loading import load_settings
from config.logs import configure_logging
from config.settings import Settings
from jobs.connection import EMBEDDED_SCHEME, make_client, open_redis
from jobs.embedded import join_server
from jobs.keys import Keys
from jobs.lanes import lanes_served
from jobs.presence import WorkerPresence
from jobs.queue import JobQueue
from jobs.records import RecordStore
from jobs.records.opening import folder_on_disk, open_store
from worker.consumer.cancelling import cancel_until_done
from worker.consumer.claims import Claims
from worker.consumer.collecting import spare_the_collector
from worker.consumer.delivery import Consumer, DeliveryPolicy
from worker.consumer.endings import Endings
from worker.consumer.feeder import Feeder
from worker.consumer.gate import ModelGate
from worker.consumer.health import Health
from worker.consumer.heartbeat import Heart, beating
from worker.consumer.metrics import Metrics
from worker.consumer.records import Provenance
from worker.consumer.risks import tell_risks
from worker.consumer.room import lack_of_room
from worker.consumer.ticker import Ticker
from worker.consumer.trial import Trial
from worker.consumer.worker import Handler, JobWorker, WorkerOptions
from worker.errors import ModelClosedError
from worker.model import ModelClient
from worker.model.cache import CachedModel
from worker.model.opening import open_model
from worker.model.options import GeminiOptions
from worker.model.shared_throttle import ModelLimits, SharedThrottle
from worker.model.throttle import Throttle
from worker.sandbox import Sandbox, ZygoteSandbox
from worker.sandbox.interpreters import found_languages
from worker.sandbox.opening import open_sandbox
from worker.sandbox.packages import packages_of
from worker.solver.loop import FeedbackLoop
from worker.solver.turns import Turns

_OpensModels = Callable[[str, GeminiOptions, RecordStore, Throttle], ModelClient]
_PATIENCE_SECONDS = 0.2


@dataclass(frozen=True)
class Engine:
    """What is served and shown of a worker, checked and open."""

    redis: ArqRedis
    keys: Keys
    store: RecordStore
    model: ModelClient
    consumer: Consumer
    take: Handler
    """Sees a delivery through: the consumer's own way, or something around it."""
    feeder: Feeder
    ticker: Ticker
    sandbox: Sandbox
    presence: WorkerPresence
    heart: Heart
    room: Callable[[], int | None] = lambda: None
    """How many jobs more the model has use for; None is any number."""


@asynccontextmanager
async def open_engine(
    settings: Settings,
    model_of: _OpensModels = open_model,
) -> AsyncIterator[Engine]:
    """A worker's parts, once each has shown that it can do its work; its heart beats until the end.

    `model_of` opens what answers, by the name in the settings.

    Raises:
        SandboxTooWeakError: the required isolation cannot be had here.
        PackagesError: programs cannot have the packages that they are to have.
        ModelError: the model cannot be asked.
        StoreError: no record could be kept.
        RedisUnreachableError: nobody answered.
    """
    async with AsyncExitStack() as stack:
        found = await _find(settings, model_of, stack)
        redis, keys, store, model = found.redis, found.keys, found.store, found.model
        presence = _presence_of(model, settings)
        heart = await stack.enter_async_context(beating(redis, keys, presence))
        queue = await stack.enter_async_context(
            JobQueue(redis, records=store, prefix=settings.redis.prefix)
        )
        consumer = _consumer_of(settings, found, presence.worker_id)
        yield Engine(
            redis,
            keys,
            store,
            model,
            consumer,
            consumer.take,
            Feeder(redis, keys, store, settings.queue.high_water),
            Ticker(queue),
            found.sandbox,
            presence,
            heart,
            # Jobs may name other models, whose trouble must not keep those of its own from it: they are put back.
            room=partial(found.throttle.room, model.name),
        )


@dataclass(frozen=True)
class _Found:
    """What a worker works with and is not its own; each has shown that it can do its work."""

    redis: ArqRedis
    keys: Keys
    store: RecordStore
    throttle: SharedThrottle
    model: ModelClient
    shaping: dict[str, str | float | None]
    sandbox: Sandbox


async def _find(
    settings: Settings,
    model_of: _OpensModels,
    stack: AsyncExitStack,
) -> _Found:
    keys = Keys(settings.redis.prefix)
    sandbox = await stack.enter_async_context(await _sandbox_of(settings))
    redis = await stack.enter_async_context(open_redis(settings.redis_url, keys))
    gemini = gemini_options(settings)
    limits = ModelLimits(**settings.model.limits.model_dump())
    throttle = SharedThrottle(redis, keys, gemini.account, limits)
    store = open_store(settings.records_place, prefix=settings.redis.prefix)
    stack.push_async_callback(store.aclose)
    model = model_of(settings.meant_model, gemini, store, throttle)
    stack.push_async_callback(model.aclose)
    await model.check()
    await store.check()
    await tell_risks(redis)
    return _Found(redis, keys, store, throttle, model, gemini.shaping, sandbox)


async def _sandbox_of(settings: Settings) -> ZygoteSandbox:
    python = settings.sandbox.python
    packages = packages_of(python.environment, python.preload)
    return await open_sandbox(settings.sandbox.require, packages)


def _consumer_of(settings: Settings, found: _Found, worker_id: str) -> Consumer:
    redis, keys, model, sandbox = found.redis, found.keys, found.model, found.sandbox
    # Recordings cost nothing, and are edited by who makes them.
    loop = FeedbackLoop(
        model if model.simulated else CachedModel(model, redis, keys, found.shaping),
        sandbox,
        calls=asyncio.Semaphore(settings.worker.calls_in_flight),
        turns=Turns(settings.sandbox.slots or os.cpu_count() or 1),
    )
    return Consumer(
        redis,
        keys,
        found.store,
        loop,
        Provenance(worker_id, model.name, model.simulated, sandbox.isolation),
        DeliveryPolicy(settings.limits, settings.ceiling, settings.worker.max_deliveries),
    )


def _presence_of(model: ModelClient, settings: Settings) -> WorkerPresence:
    return WorkerPresence(
        worker_id=f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}",
        model=model.name,
        simulated=model.simulated,
        languages=found_languages(),
        queues=settings.worker.queues,
    )


async def serve(
    engine: Engine,
    settings: Settings,
    *,
    burst: bool = False,
    outlasts_refusals: bool = False,
    handle_signals: bool = True,
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Work until told to stop or, in a burst, until the queue holds nothing for us.

    Jobs that are held then are finished or handed back. From `on_ready` on, signals are heard. A worker that outlasts
    refusals takes no jobs while the model refuses the key, or has no more for it today, and goes on afterwards.

    Raises:
        ModelClosedError: the model does, to a worker that does not outlast it; the jobs stay queued.
    """
    metrics = Metrics(engine.ticker.fates)
    engine = replace(engine, take=metrics.counting(engine.take))
    worker = make_worker(engine, settings, burst=burst, handle_signals=handle_signals)
    refusals: list[ModelClosedError] = []
    gate = ModelGate(engine.model.check)

    def stop(error: ModelClosedError) -> None:
        refusals.append(error)
        if len(refusals) == 1:
            # Replies that others have, or will have any moment, are paid for and become records.
            worker.handle_sig_wait_for_completion(signal.SIGTERM)

    engine.consumer.on_model_closed = gate.shut if outlasts_refusals else stop
    worker.obstacles.append(gate.obstacle)
    engine.heart.obstacle = lambda: worker.obstacle
    trial = Trial(engine.sandbox)
    health = Health(engine.ticker.queue, metrics, lambda: worker.obstacle, trial)
    spare_the_collector()
    async with _told(health, settings.worker.listen):
        on_ready()
        running = (engine.feeder.run(), engine.ticker.run(), gate.run())
        await _run_beside(worker, [asyncio.create_task(each) for each in running])
    if refusals:
        raise refusals[0]


@asynccontextmanager
async def _told(health: Health, address: str | None) -> AsyncIterator[None]:
    if address is None:
        yield
    else:
        async with health.answering(address):
            yield


async def _run_beside(worker: JobWorker, keepers: list["asyncio.Task[NoReturn]"]) -> None:
    """Work to the end, and no longer than all of the keepers last."""
    for keeper in keepers:
        # Only a defect ends one, and runs would wait for batches that nobody feeds, or a worker for a gate.
        keeper.add_done_callback(lambda _: worker.handle_sig(signal.SIGTERM))
    try:
        await worker.run_to_end()
    finally:
        broken = [keeper for keeper in keepers if keeper.done()]
        await cancel_until_done(keepers, _PATIENCE_SECONDS)
    for keeper in broken:
        keeper.result()


def make_worker(
    engine: Engine, settings: Settings, *, burst: bool = False, handle_signals: bool = False
) -> JobWorker:
    """The loop of a worker with these parts."""
    worker_id = engine.presence.worker_id
    lanes = lanes_served(engine.presence.queues, engine.presence.model)
    worker = JobWorker(
        Claims(engine.redis, engine.keys, worker_id, lanes, settings.worker.lease_seconds),
        Endings(engine.redis, engine.keys, engine.store, worker_id),
        engine.take,
        WorkerOptions(
            max_jobs=settings.worker.jobs_in_flight,
            drain_seconds=settings.worker.drain_seconds,
            burst=burst,
            handle_signals=handle_signals,
        ),
    )
    names = {lane.name for lane in chain.from_iterable(lanes)}
    worker.room = engine.room
    worker.more_to_come = partial(engine.feeder.has_more, names)
    if folder := folder_on_disk(settings.records_place):
        worker.obstacles.append(partial(lack_of_room, folder.absolute(), settings.worker.free_mib))
    return worker


def gemini_options(settings: Settings) -> GeminiOptions:
    """What a Gemini client is told under these settings."""
    model = settings.model
    return GeminiOptions(
        name=model.gemini,
        api_key=model.api_key.get_secret_value() if model.api_key else None,
        vertex=model.backend == "vertex",
        project=model.project,
        location=model.location,
        base_url=model.base_url,
        api_version=model.api_version,
        timeout_seconds=model.timeout_seconds,
        max_output_tokens=model.max_output_tokens,
        temperature=model.temperature,
        max_wait_seconds=model.max_wait_seconds,
        # A check may come on top.
        max_connections=settings.worker.calls_in_flight + 1,
    )


def _settings_for_arq() -> type:
    """The class that arq's own command wants.

    It knows no worker but arq's, which keeps to no lease and ends with the first hiccup of Redis. So that one is given
    a queue that nobody uses, and ours works in its process for as long as it runs.
    """
    from worker.cli.keeping import keep_schedules_of_file

    settings = load_settings(Path.cwd())
    configure_logging(settings.log.format, settings.log.level, secrets=settings.secrets())
    url = settings.redis_url
    if url.startswith(EMBEDDED_SCHEME):
        # Held until the process ends; the kernel gives the lease back.
        url = join_server(Path(url.removeprefix(EMBEDDED_SCHEME))).url
    keys = Keys(settings.redis.prefix)
    stack = AsyncExitStack()

    async def on_startup(_: dict[str, Any]) -> None:
        # Between the import of this class and here, arq's command has put its own logging back, which prints prompts.
        configure_logging(settings.log.format, settings.log.level, secrets=settings.secrets())
        engine = await stack.enter_async_context(open_engine(settings))
        await keep_schedules_of_file(engine.ticker.queue, settings)
        serving = asyncio.create_task(
            serve(engine, settings, outlasts_refusals=True, handle_signals=False)
        )
        serving.add_done_callback(lambda _: os.kill(os.getpid(), signal.SIGTERM))
        stack.push_async_callback(cancel_until_done, [serving], settings.worker.drain_seconds + 1)

    async def on_shutdown(_: dict[str, Any]) -> None:
        await stack.aclose()

    async def nothing(_: dict[str, Any]) -> None:
        """Never called: nobody puts anything into that queue."""

    options = {
        "functions": [nothing],
        "queue_name": keys.host_of_arq,
        "redis_pool": make_client(url, keys),
        "on_startup": on_startup,
        "on_shutdown": on_shutdown,
    }
    return type("WorkerSettings", (), options)


def __getattr__(name: str) -> type:
    # Built when arq asks for it: importing this module reads no settings and starts no server.
    if name == "WorkerSettings":
        return _settings_for_arq()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
