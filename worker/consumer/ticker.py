"""Looks at the schedules each second: any worker may, and what is decided on is decided on once.

It is no cron job of arq's. Those know their next instant only while a worker lives, leave out an hour on the night on
which the clock goes back, and would wait in the queue behind the jobs; this goes on when every slot is taken.
"""

import asyncio
from collections import Counter
from typing import NoReturn

import structlog
from arq.connections import ArqRedis
from redis.exceptions import RedisError

from jobs.clock import utcnow
from jobs.errors import PromptmillError, RunNotFoundError
from jobs.keys import Keys
from jobs.queue import JobQueue
from jobs.run_control import cancel_run
from jobs.schedules.deciding import plan
from jobs.schedules.firing import Found, fire
from jobs.schedules.models import Fate
from jobs.schedules.state import due_schedules, superseded_runs
from jobs.schedules.times import Timetable

_log = structlog.get_logger(__name__)
_LOOK_SECONDS = 0.5


class Ticker:
    """Decides on the instants of all schedules as they come."""

    def __init__(self, queue: JobQueue) -> None:
        """Start runs on this queue."""
        self.queue = queue
        """Where runs are started."""
        self.fates: Counter[Fate] = Counter()
        """What became of the instants that this worker decided on."""

    @property
    def _redis(self) -> ArqRedis:
        return self.queue.redis

    @property
    def _keys(self) -> Keys:
        return self.queue.keys

    async def run(self) -> NoReturn:
        """Look at them for ever. What fails is told, and tried again."""
        while True:
            try:
                for found in await due_schedules(self._redis, self._keys):
                    await self._decide_on(found)
                for run_id in await superseded_runs(self._redis, self._keys):
                    await self._end(run_id)
            except (RedisError, OSError, ValueError, PromptmillError) as error:
                _log.warning("schedules not looked at", error=str(error))
            await asyncio.sleep(_LOOK_SECONDS)

    async def _decide_on(self, found: Found) -> None:
        schedule = found.state.schedule
        try:
            timetable = Timetable(schedule.cron, schedule.zone)
        except PromptmillError as error:
            # Another worker may know the zone.
            _log.error("schedule not decided on", schedule=schedule.name, error=error.in_one_line)
            return
        decided = plan(schedule, timetable, found.state.decided_to, utcnow())
        fates = await fire(self._redis, self._keys, found, decided)
        self.fates.update(fates or ())
        if fates:
            told = {fate.value: n for fate, n in Counter(fates).items()}
            _log.info("schedule decided on", schedule=schedule.name, **told)

    async def _end(self, run_id: str) -> None:
        try:
            await cancel_run(self.queue, run_id, "a newer run of its schedule is in its place")
        except RunNotFoundError:
            _log.info("run was over", run_id=run_id)
        # Only afterwards: whoever is killed in between leaves it to another.
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.srem(self._keys.superseded, run_id)
            await pipe.execute()
