"""Looks at the schedules each second: any worker may, and what is decided on is decided on once.

It is no cron job of arq's. Those know their next instant only while a worker lives, leave out an hour on the night on
which the clock goes back, and would wait in the queue behind the jobs; this goes on when every slot is taken.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from typing import NoReturn

import structlog
from redis.exceptions import RedisError

from jobs.clock import milliseconds_of
from jobs.errors import PromptmillError, RunNotFoundError
from jobs.queue import JobQueue
from jobs.run_control import cancel_run
from jobs.schedules.models import Fate
from jobs.schedules.reading import Due, due_schedules, superseded_runs
from jobs.schedules.state import decide

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
        # Before its first look, any schedule may have been left to a clock that was set back.
        self._seen_ms: float = inf
        self._troubles: dict[str, str] = {}

    async def run(self) -> NoReturn:
        """Look at them for ever. What fails is told once, tried again, and in the way of nothing else."""
        redis, keys = self.queue.redis, self.queue.keys
        while True:
            with self._going_on("schedules not looked at"):
                due = await due_schedules(redis, keys, self._seen_ms)
                self._seen_ms = milliseconds_of(due.now)
                for name in due.names:
                    with self._going_on("schedule not decided on", schedule=name):
                        await self._decide_on(name, due)
                for run_id in await superseded_runs(redis, keys):
                    with self._going_on("run not cancelled", run_id=run_id):
                        await self._end(run_id)
            await asyncio.sleep(_LOOK_SECONDS)

    @contextmanager
    def _going_on(self, event: str, **what: str) -> Iterator[None]:
        trouble = f"{event} {what}"
        try:
            yield
        except (RedisError, OSError, ValueError, PromptmillError) as error:
            told = error.in_one_line if isinstance(error, PromptmillError) else str(error)
            if self._troubles.get(trouble) != told:
                _log.warning(event, error=told, **what)
                self._troubles[trouble] = told
        else:
            self._troubles.pop(trouble, None)

    async def _decide_on(self, name: str, due: Due) -> None:
        fates = await decide(self.queue.redis, self.queue.keys, name, due.now)
        if fates:
            counts = Counter(fates.values())
            self.fates.update(counts)
            told = {fate.value: n for fate, n in counts.items()}
            _log.info("schedule decided on", schedule=name, **told)

    async def _end(self, run_id: str) -> None:
        try:
            await cancel_run(self.queue, run_id, "a newer run of its schedule is in its place")
        except RunNotFoundError:
            _log.info("run was over", run_id=run_id)
        # Only afterwards: whoever is killed in between leaves it to another.
        async with self.queue.redis.pipeline(transaction=False) as pipe:
            pipe.srem(self.queue.keys.superseded, run_id)
            await pipe.execute()
