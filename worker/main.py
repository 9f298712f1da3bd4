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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arq.connections import ArqRedis
from arq.worker import Function, Worker, func
from pydantic import JsonValue

from config.loading import load_settings
from config.logs import configure_logging
from config.settings import Settings
from jobs import wire
from jobs.connection import EMBEDDED_SCHEME, make_client, open_redis
from jobs.embedded import join_server
from jobs.keys import QUEUED_SECONDS, Keys
from jobs.presence import WorkerPresence
from jobs.queue import FUNCTION
from jobs.records.opening import open_store
from worker.consumer.delivery import Consumer, DeliveryPolicy
from worker.consumer.heartbeat import beating
from worker.consumer.records import Provenance
from worker.consumer.serving import run_to_end
from worker.errors import ModelClosedError
from worker.model.opening import open_model
from worker.model.options import GeminiOptions
from worker.sandbox import Sandbox
from worker.sandbox.interpreters import found_languages
from worker.sandbox.opening import open_sandbox
from worker.sandbox.packages import packages_of
from worker.solver.loop import FeedbackLoop

# Ours is `max_deliveries`, after which a record is written. Arq's own limit would drop the job without one.
_ARQ_TRIES = 1_000_000
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Engine:
    """What is served and shown of a worker, checked and open."""

    redis: ArqRedis
    consumer: Consumer
    sandbox: Sandbox
    presence: WorkerPresence


@asynccontextmanager
async def open_engine(settings: Settings) -> AsyncIterator[Engine]:
    """A worker's parts, once each has shown that it can do its work; its heart beats until the end.

    Raises:
        SandboxTooWeakError: the required isolation cannot be had here.
        PackagesError: programs cannot have the packages that they are to have.
        ModelError: the model cannot be asked.
        StoreError: no record could be kept.
        RedisUnreachableError: nobody answered.
    """
    keys = Keys(settings.redis.prefix)
    async with AsyncExitStack() as stack:
        python = settings.sandbox.python
        sandbox = await stack.enter_async_context(
            await open_sandbox(
                settings.sandbox.require, packages_of(python.environment, python.preload)
            )
        )
        model = open_model(settings.model.name, gemini_options(settings))
        stack.push_async_callback(model.aclose)
        await model.check()
        store = open_store(settings.records_place, prefix=settings.redis.prefix)
        stack.push_async_callback(store.aclose)
        await store.check()
        redis = await stack.enter_async_context(open_redis(settings.redis_url, keys))
        presence = WorkerPresence(
            worker_id=f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}",
            model=model.name,
            simulated=model.simulated,
            languages=found_languages(),
        )
        consumer = Consumer(
            redis,
            keys,
            store,
            FeedbackLoop(
                model, sandbox, asyncio.Semaphore(settings.sandbox.slots or os.cpu_count() or 1)
            ),
            Provenance(presence.worker_id, model.name, model.simulated, sandbox.isolation),
            DeliveryPolicy(
                settings.limits,
                settings.ceiling,
                settings.worker.max_deliveries,
                settings.worker.lease_seconds,
            ),
        )
        await stack.enter_async_context(beating(redis, keys, presence))
        yield Engine(redis, consumer, sandbox, presence)


async def serve(
    engine: Engine,
    settings: Settings,
    *,
    burst: bool = False,
    handle_signals: bool = True,
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Work until told to stop or, in a burst, until the queue holds nothing for us.

    Jobs that are held then are finished or handed back. From `on_ready` on, signals are heard.

    Raises:
        ModelClosedError: the model refuses the key, or has no more for it today; the jobs stay queued.
    """
    worker = Worker(
        **_arq_options(settings),
        redis_pool=engine.redis,
        ctx={"consumer": engine.consumer},
        burst=burst,
        handle_signals=handle_signals,
    )
    # Arq's claim on a job, until the job's own lease is held.
    worker.in_progress_timeout_s = settings.worker.lease_seconds
    refusals: list[ModelClosedError] = []

    def stop(error: ModelClosedError) -> None:
        refusals.append(error)
        if len(refusals) == 1:
            worker.handle_sig(signal.SIGTERM)

    engine.consumer.on_model_closed = stop
    on_ready()
    if burst:
        engine.consumer.on_only_others = lambda: worker.handle_sig(signal.SIGTERM)
    await run_to_end(worker)
    if refusals:
        raise refusals[0]


async def run_prompt_job(ctx: dict[str, Any], payload: dict[str, JsonValue]) -> None:
    """The one function that arq runs."""
    await ctx["consumer"].take(payload, ctx["job_try"], ctx["enqueue_time"])


def gemini_options(settings: Settings) -> GeminiOptions:
    """What a Gemini client is told under these settings."""
    model = settings.model
    return GeminiOptions(
        name=model.gemini,
        api_key=model.api_key.get_secret_value() if model.api_key else None,
        base_url=model.base_url,
        api_version=model.api_version,
        timeout_seconds=model.timeout_seconds,
        max_output_tokens=model.max_output_tokens,
        temperature=model.temperature,
        max_wait_seconds=model.max_wait_seconds,
        # Every job may have a call in flight, and a check may come on top.
        max_connections=settings.worker.jobs_in_flight + 1,
    )


def _arq_options(settings: Settings) -> dict[str, Any]:
    functions: list[Function] = [
        func(run_prompt_job, name=FUNCTION, keep_result=0, max_tries=_ARQ_TRIES)
    ]
    return {
        "functions": functions,
        "queue_name": Keys(settings.redis.prefix).queue,
        "max_jobs": settings.worker.jobs_in_flight,
        # Every step of a job is bounded by itself, and arq drops what outlasts a time-out of its own. Without one it
        # also claims a job for ten seconds only, where a worker killed before the job's lease is held would keep the
        # job from the others for as long as the longest may take.
        "job_timeout": None,
        "job_completion_wait": int(settings.worker.drain_seconds),
        "poll_delay": _POLL_SECONDS,
        "expires_extra_ms": QUEUED_SECONDS * 1000,
        "job_serializer": wire.encode,
        "job_deserializer": wire.decode,
        # Or arq keeps what it says of a job it cannot read, and takes the next of that id for this one.
        "keep_result": 0,
        # Arq would log the beginning of every result and payload, and a payload holds a prompt.
        "log_results": False,
    }


def _settings_for_arq() -> type:
    """The class that arq's own command wants. It joins Redis here and opens the rest when arq has started."""
    settings = load_settings(Path.cwd())
    configure_logging(settings.log.format, settings.log.level, secrets=settings.secrets())
    url = settings.redis_url
    if url.startswith(EMBEDDED_SCHEME):
        # Held until the process ends; the kernel gives the lease back.
        url = join_server(Path(url.removeprefix(EMBEDDED_SCHEME))).url
    stack = AsyncExitStack()

    async def on_startup(ctx: dict[str, Any]) -> None:
        # Between the import of this class and here, arq's command has put its own logging back, which prints prompts.
        configure_logging(settings.log.format, settings.log.level, secrets=settings.secrets())
        engine = await stack.enter_async_context(open_engine(settings))
        engine.consumer.on_model_closed = lambda _: os.kill(os.getpid(), signal.SIGTERM)
        ctx["consumer"] = engine.consumer

    async def on_shutdown(_: dict[str, Any]) -> None:
        await stack.aclose()

    options = {
        **_arq_options(settings),
        "redis_pool": make_client(url, Keys(settings.redis.prefix)),
        "on_startup": on_startup,
        "on_shutdown": on_shutdown,
    }
    return type("WorkerSettings", (), options)


def __getattr__(name: str) -> type:
    # Built when arq asks for it: importing this module reads no settings and starts no server.
    if name == "WorkerSettings":
        return _settings_for_arq()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
