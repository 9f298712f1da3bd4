"""A run that is asked by Gemini's Batch API: where its jobs wait, what does not go with it, who works on it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from config.escaping import escaped
from config.settings import Settings
from jobs.errors import UsageError
from jobs.presence import is_replayed
from jobs.priorities import Priority
from jobs.queue import JobQueue
from jobs.records import RecordStore
from worker.consumer.crowd import Deliveries
from worker.errors import ModelError
from worker.main import Engine, gemini_options, open_engine
from worker.model import ModelClient
from worker.model.opening import open_batched
from worker.model.options import GeminiOptions
from worker.model.sent import SentBatch, SentBatches
from worker.model.throttle import Throttle

from .batch import Batch
from .output import counted
from .placing import Place
from .progress import RunProgress

if TYPE_CHECKING:
    # It loads the model's SDK, and every eval comes by here.
    from worker.model.batch_following import BatchNews

_NOTHING = "nothing was queued"
MOST_JOBS = 10_000
"""Jobs that are held at one time, nearly all of which wait for a batch."""


def place_of_batches(run_id: str) -> Place:
    """A queue of the run's own, from which no worker takes that would ask live."""
    digest = hashlib.sha256(run_id.encode()).hexdigest()[:8]
    return Place(f"batch-{run_id[:40]}-{digest}", Priority.NORMAL)


def refuse_without_gemini(settings: Settings) -> None:
    """Make sure that there is a Batch API to ask.

    Raises:
        UsageError: recordings would answer, or Vertex AI.
    """
    if settings.model.backend == "vertex":
        raise UsageError(
            "--batch asks the Gemini API, and the backend is Vertex AI, which takes batches from buckets alone",
            facts={"set in": settings.origin_of("model.backend")},
            fixes=[
                "ask the Gemini API:  export PROMPTMILL_MODEL__BACKEND=gemini GEMINI_API_KEY=...",
                "or leave out --batch",
            ],
            note=_NOTHING,
        )
    if is_replayed(settings.meant_model):
        raise UsageError(
            f"--batch asks Gemini's Batch API, and {settings.meant_model} is no model of Gemini's",
            fixes=[
                "set a key:  export GEMINI_API_KEY=...",
                "or leave out --batch",
            ],
            note=_NOTHING,
        )


def sent_of(queue: JobQueue, batch: Batch) -> SentBatches:
    """What the run has sent to Gemini."""
    return SentBatches(queue.redis, queue.keys, batch.run_id or "")


async def cancel_batches(sent: Sequence[SentBatch], settings: Settings) -> list[str]:
    """Let Gemini answer nothing more of what was sent; gives the names of the batches that were not over.

    Raises:
        ModelError: Gemini does not answer, or refuses.
    """
    from worker.model.batches import GeminiBatches

    cancelled = []
    try:
        async with aclosing(GeminiBatches(gemini_options(settings))) as wire:
            for batch in sent:
                name = batch.name or await wire.find(batch.own_id)
                if name and await wire.cancel(name):
                    cancelled.append(name)
    except ModelError as error:
        names = ", ".join(batch.name or batch.own_id for batch in sent)
        error.note = f"the run is cancelled; with Gemini these may go on: {names}"
        raise
    return cancelled


@asynccontextmanager
async def engine_in_batches(
    settings: Settings, queue: JobQueue, batch: Batch, progress: RunProgress
) -> AsyncIterator[Engine]:
    """A worker of our own that has all jobs that it holds answered together.

    Raises:
        PromptmillError: there can be none, as with any worker.
    """
    deliveries = Deliveries(queue.redis, queue.keys)

    def model_of(
        name: str, options: GeminiOptions, _: RecordStore, throttle: Throttle
    ) -> ModelClient:
        return open_batched(
            replace(options, name=name),
            sent_of(queue, batch),
            deliveries,
            lambda news: progress.say(_told(news)),
            throttle,
        )

    async with open_engine(settings, model_of) as engine:
        # Those who wait for a batch are in the way of no live call.
        yield replace(engine, take=deliveries.counted(engine.consumer.take), room=lambda: None)


def _told(news: BatchNews) -> str:
    words = f"batch {news.number}  {counted(news.n_requests, 'request')}  "
    if news.state == "MADE":
        return escaped(f"{words}with Gemini as {news.name}; results may take a day")
    if news.n_answered is not None:
        words += f"{news.state}, {news.n_answered} answered"
        missing = news.n_requests - news.n_answered
        words += f", {missing} to be asked again" if missing else ""
    else:
        words += news.state
        words += "" if news.n_open is None else f", {news.n_open} to be answered"
    return escaped(f"{words}: {news.reason}" if news.reason else words)
