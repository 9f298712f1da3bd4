"""The deliveries of a worker whose model answers in batches: how many there are, and how many wait for an answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import partial

from arq.connections import ArqRedis
from pydantic import JsonValue

from jobs.keys import Keys
from jobs.outages import through_outages
from jobs.scripts import run_script

from .cancelling import to_its_end
from .claims import Claim
from .endings import Ending
from .worker import Handler

_PATIENCE_SECONDS = 600.0
# Only for whoever has the job: a worker that was frozen may have lost it.
_COUNT = """
if redis.call('GET', CLAIM .. ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call('INCRBY', DELIVERIES .. ARGV[1], ARGV[3])
"""
_claim_of_this: ContextVar[Claim] = ContextVar("claim of this delivery")


class Deliveries:
    """Those of one worker that are under way."""

    def __init__(self, redis: ArqRedis, keys: Keys) -> None:
        """None so far."""
        self._redis = redis
        self._keys = keys
        self._n_open = self._n_away = 0
        self._changed = asyncio.Event()

    def counted(self, handler: Handler) -> Handler:
        """What sees to a delivery as `handler` does, and counts it meanwhile."""

        async def take(claim: Claim, payload: dict[str, JsonValue], queued_at: datetime) -> Ending:
            _claim_of_this.set(claim)
            self._move(n_open=1)
            try:
                return await handler(claim, payload, queued_at)
            finally:
                self._move(n_open=-1)

        return take

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """For as long as the block lasts, the delivery that calls waits for an answer.

        It counts as none meanwhile: a worker that dies then was brought down by no job, and a job is handed over only
        so often.
        """
        claim = _claim_of_this.get()
        await to_its_end(self._count(claim, -1))
        try:
            self._move(n_away=1)
            try:
                yield
            finally:
                self._move(n_away=-1)
        finally:
            # Also where it is cancelled: it may be handed back, which takes off one.
            await to_its_end(self._count(claim, 1))

    async def until_all_are_away(self, settle_seconds: float) -> None:
        """Return when every delivery has been away for so long, and none has begun or ended meanwhile."""
        while True:
            self._changed.clear()
            if self._n_away < self._n_open:
                await self._changed.wait()
                continue
            try:
                async with asyncio.timeout(settle_seconds):
                    await self._changed.wait()
            except TimeoutError:
                return

    def _move(self, *, n_open: int = 0, n_away: int = 0) -> None:
        self._n_open += n_open
        self._n_away += n_away
        self._changed.set()

    async def _count(self, claim: Claim, n: int) -> None:
        words: list[str | int] = [claim.job_id, claim.token, n]
        step = partial(run_script, self._redis, self._keys, _COUNT, words)
        await through_outages(step, _PATIENCE_SECONDS)
