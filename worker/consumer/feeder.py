"""Queues the jobs of runs that were left to the workers, as there is room: one worker a run, and any in its place."""

import asyncio
import secrets
from collections.abc import Collection
from typing import NoReturn

import structlog
from arq.connections import ArqRedis
from redis.exceptions import RedisError

from jobs.errors import StoreError
from jobs.feeding import (
    Next,
    NoBatch,
    feed_batch,
    is_any_fed_into,
    next_batch,
    runs_to_feed,
)
from jobs.keys import Keys
from jobs.records import RecordStore
from jobs.schedules.templates import forget_feeding

_log = structlog.get_logger(__name__)
_LOOK_SECONDS = 1.0
_BATCHES_A_TURN = 20
_TERM_MS = 10_000

# Takes a term, or another one; nobody is kept from feeding by a worker that is gone.
_ELECT = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""


class Feeder:
    """Looks after all runs that are to be fed."""

    def __init__(self, redis: ArqRedis, keys: Keys, store: RecordStore, high_water: int) -> None:
        """Feed a lane for as long as fewer than `high_water` of its jobs are due."""
        self._redis = redis
        self._keys = keys
        self._store = store
        self._high_water = high_water
        self._token = secrets.token_hex(8)
        self._elect = redis.register_script(_ELECT)

    async def run(self) -> NoReturn:
        """Feed for ever. What fails is told, and tried again."""
        while True:
            try:
                for run_id in await runs_to_feed(self._redis, self._keys):
                    await self._look_after(run_id)
            except (RedisError, OSError) as error:
                _log.warning("runs not fed", error=str(error))
            await asyncio.sleep(_LOOK_SECONDS)

    async def has_more(self, lanes: Collection[str]) -> bool:
        """Whether there are runs, none of them paused, whose jobs are still to be queued into one of these lanes.

        Raises:
            RedisError, OSError: it cannot be told.
        """
        return await is_any_fed_into(self._redis, self._keys, lanes)

    async def _look_after(self, run_id: str) -> None:
        try:
            # Elections spare work. That no batch is skipped or fed twice is seen to by the step that feeds it.
            for _ in range(_BATCHES_A_TURN):
                if not await self._is_elected(run_id) or not await self._feed_next(run_id):
                    return
        except (StoreError, ValueError) as error:
            _log.error("run not fed", run_id=run_id, error=str(error))

    async def _is_elected(self, run_id: str) -> bool:
        answer = await self._elect(keys=[self._keys.feeder(run_id)], args=[self._token, _TERM_MS])
        return bool(answer)

    async def _feed_next(self, run_id: str) -> bool:
        """Feed one batch; whether it is worth to look for another."""
        following = await next_batch(self._redis, self._keys, run_id, self._high_water)
        match following.batch:
            case NoBatch.NOT_YET:
                return False
            case NoBatch.ALL_FED:
                place = following.place
                await forget_feeding(self._redis, self._keys, self._store, run_id, place)
                _log.info("run fed", run_id=run_id)
                return False
            case _:
                await self._feed(run_id, following)
                return True

    async def _feed(self, run_id: str, following: Next) -> None:
        content = await self._store.get_batch(following.place, int(following.batch))
        fed = await feed_batch(self._redis, self._keys, run_id, following, content)
        if fed.strangers:
            _log.error(
                "jobs left out: another installation on this Redis has jobs of these ids",
                run_id=run_id,
                job_ids=fed.strangers,
            )
