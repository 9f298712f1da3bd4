"""What tests of runs in batches share: those who ask, and a model that gathers what they ask."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from tests.integration.asking_gemini import FINE, asked, gemini, options
from tests.standin.running import Standin
from tests.standin.script import Rule
from worker.model import ModelRequest
from worker.model.batch_following import BatchNews, Pace
from worker.model.batched import BatchedModel
from worker.model.sent import SentBatches

MODEL = "gemini-3.8-flash"
ANSWERS = Rule(steps=(FINE,), repeats=True)
QUICK = Pace(settle_seconds=0.01, first_look_seconds=0.01, longest_look_seconds=0.02)


class Crowd:
    """So many who ask, each of whom is away as soon as it has asked."""

    def __init__(self, n_asking: int) -> None:
        self._barrier = asyncio.Semaphore(0)
        self._n_asking = n_asking
        self.n_away = 0

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        self.n_away += 1
        self._barrier.release()
        yield

    async def until_all_are_away(self, settle_seconds: float) -> None:
        for _ in range(self._n_asking):
            await self._barrier.acquire()
        # Those who asked last are still to say what.
        await asyncio.sleep(settle_seconds)
        # In later rounds each is on its own.
        self._n_asking = 0


def batched(
    standin: Standin,
    sent: SentBatches,
    crowd: Crowd | None = None,
    news: list[BatchNews] | None = None,
) -> BatchedModel:
    told: list[BatchNews] = [] if news is None else news
    live = gemini(standin.url)
    return BatchedModel(live, options(standin.url), sent, crowd or Crowd(1), told.append, QUICK)


def of_task(name: str) -> ModelRequest:
    return replace(asked(f"Print {name}."), task_id=name)
