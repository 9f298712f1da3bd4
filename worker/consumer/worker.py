"""arq's worker on claims of our own: takes jobs as slots come free, keeps them, and outlives every outage of Redis."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from math import ceil
from signal import Signals
from typing import Any, Self, cast

import structlog
from arq.connections import ArqRedis
from arq.constants import job_key_prefix
from arq.worker import Worker, func
from pydantic import JsonValue
from redis.exceptions import RedisError
from typing_extensions import override

from jobs import wire
from jobs.clock import monotonic
from jobs.outages import through_outages
from jobs.payloads import FUNCTION, job_in

from .cancelling import cancel_until_done
from .claims import SHARE, Claim, Claims, Hold, Taken
from .endings import Cancelled, Ending, Endings, PutBack, Unreadable
from .listening import listen

_log = structlog.get_logger(__name__)

Handler = Callable[[Claim, dict[str, JsonValue], datetime], Awaitable[Ending]]
"""Sees one delivery to its ending: the claim, the job as it was written, and when it was queued."""

# Ours is `max_deliveries`, after which a record is written. Arq's own limit would drop the job without one.
_ARQ_TRIES = 1_000_000_000
_LONGEST_PAUSE_SECONDS = 1.0
_MOST_AT_ONCE = 100
_MOMENT_SECONDS = 0.002
_LOOP_PATIENCE_SECONDS = 0.2
_JOB_PATIENCE_SECONDS = 10.0
_FINISHING_SECONDS = 0.5
_BURST_AHEAD_SECONDS = 600.0


@dataclass(frozen=True)
class WorkerOptions:
    """How one worker goes about it."""

    max_jobs: int
    """Jobs held at one time."""
    drain_seconds: float
    """Time to finish held jobs after a signal."""
    burst: bool = False
    """Whether to end when nothing is due any more."""
    handle_signals: bool = False


class JobWorker(Worker):
    """One worker's loop. `run_job`, which sees a job through its function, is arq's; how jobs come and go is ours.

    arq's own loop ends with the first error of Redis, looks at a bounded number of jobs for all workers together, keeps
    a dead worker's jobs for the longest time that any could take, and polls.
    """

    def __init__(
        self, claims: Claims, endings: Endings, handler: Handler, options: WorkerOptions
    ) -> None:
        """Take jobs by `claims`, have `handler` see to them, and let go of them by `endings`."""
        super().__init__(
            [func(self._deliver, name=FUNCTION, keep_result=0, max_tries=_ARQ_TRIES)],
            redis_pool=claims.redis,
            queue_name=claims.keys.prefix,
            # Every step of a job is bounded by itself, and arq drops what outlasts a time-out of its own.
            job_timeout=cast("int", None),
            job_serializer=wire.encode,
            job_deserializer=wire.decode,
            # Or arq keeps what it says of a job it cannot read, and takes the next of that id for this one.
            keep_result=0,
            # Arq would log the beginning of every result and payload, and a payload holds a prompt.
            log_results=False,
            max_jobs=options.max_jobs,
            burst=options.burst,
            handle_signals=options.handle_signals,
            # Arq only asks whether there is to be one; a part of a second is a wait, too.
            job_completion_wait=ceil(options.drain_seconds),
        )
        self.obstacles: list[Callable[[], str | None]] = []
        """Each says why no job may be taken now, if there is a reason."""
        self.room: Callable[[], int | None] = lambda: None
        """How many jobs more are of use now; None is any number."""
        self.more_to_come: Callable[[], Awaitable[bool]] = _nothing_to_come
        """Whether a burst is to wait for jobs that are not in the queue yet."""
        self._drain_seconds = options.drain_seconds
        self._claims = claims
        self._endings = endings
        self._handler = handler
        # By job: those that arq is at. By token and job: all that are not let go of.
        self._held: dict[str, Claim] = {}
        self._open: dict[tuple[str, str], Claim] = {}
        self._taking: asyncio.Task[Taken] | None = None
        self._returning: set[asyncio.Task[None]] = set()
        self._ending_of: dict[str, Ending] = {}
        # Seen to, and only Redis is to be told so: they take no slot, or slots would be idle for that long.
        self._leaving: set[str] = set()
        self._renewed_at = monotonic()
        self._woken = asyncio.Event()
        self._stopped = asyncio.Event()
        self.on_stop = lambda _: self._stopped.set()
        self._obstacle_seen: str | None = None
        self._draining: asyncio.Task[None] | None = None

    @property
    def obstacle(self) -> str | None:
        """Why no job is taken; None if jobs are."""
        if not self.allow_pick_jobs:
            return "it is stopping, and takes no more jobs"
        return self._first_obstacle()

    @property
    @override
    def pool(self) -> ArqRedis:
        """What `run_job` asks Redis for came with the claim."""
        return cast("ArqRedis", _HandedOver(self._held))

    @override
    async def main(self) -> None:
        """Take jobs until the burst is over, or for ever."""
        keepers = [
            asyncio.create_task(self._renew()),
            asyncio.create_task(
                listen(self._claims.redis, self._claims.keys, self._woken.set, self.stop_job)
            ),
        ]
        try:
            while True:
                for keeper in keepers:
                    if keeper.done():
                        # Only a defect ends one. Leases would end unseen, and jobs be run twice.
                        keeper.result()
                self._woken.clear()
                pause_seconds = await self._take()
                if self.burst and not self.tasks and await self._is_done():
                    return
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), pause_seconds)
        finally:
            await cancel_until_done(keepers, _LOOP_PATIENCE_SECONDS)

    async def run_to_end(self) -> None:
        """Work until the burst is over, a signal came or this call is cancelled; then no task of the worker is left."""
        loop = asyncio.create_task(self.async_run())
        waiting = asyncio.create_task(self._stopped.wait())
        try:
            await asyncio.wait({loop, waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            await cancel_until_done([loop], _LOOP_PATIENCE_SECONDS)
            await self._end_tasks()
        if not loop.cancelled():
            loop.result()

    @override
    def handle_sig_wait_for_completion(self, signum: Signals) -> None:
        """Take nothing new, finish what is held within the time for it, and hand back the rest; again: at once."""
        if self._draining is not None:
            self.handle_sig(signum)
            return
        self.allow_pick_jobs = False
        self._draining = asyncio.create_task(self._drain(signum))

    def stop_job(self, job_id: str) -> None:
        """End a job without a record, if it is held here: somebody asked for it."""
        claim, task = self._held.get(job_id), self.job_tasks.get(job_id)
        if claim is None or claim.payload is None or task is None:
            return
        # One that is done may have its record, and ends as it said.
        if not task.done():
            self._ending_of[job_id] = Cancelled(job_in(claim.payload))
            task.cancel()

    @override
    async def finish_job(self, job_id: str, *_: object) -> None:
        """Let go of a job that arq has seen through its function."""
        ending = self._ending_of.pop(job_id, None)
        # Cancelled, since the worker stops or has lost it: whose fault it was, it was not the job's.
        await self._let_go(self._held[job_id], ending or PutBack())

    @override
    async def finish_failed_job(self, job_id: str, result_data: bytes | None) -> None:
        """Keep a job that arq could not hand to its function as a dead letter."""
        error = wire.decode(result_data)["r"] if result_data else {}
        reason = f"{error.get('error', 'unknown')}: {error.get('message', '')}"
        _log.error("job not understood", job_id=job_id, reason=reason)
        await self._let_go(self._held[job_id], Unreadable(reason))

    async def _deliver(self, ctx: dict[str, Any], payload: dict[str, JsonValue]) -> None:
        """The one function that arq runs."""
        job_id: str = ctx["job_id"]
        self._ending_of[job_id] = await self._handler(
            self._held[job_id], payload, ctx["enqueue_time"]
        )
        self._leaving.add(job_id)
        self._woken.set()

    async def _let_go(self, claim: Claim, ending: Ending) -> None:
        self._held.pop(claim.job_id, None)
        self._open.pop((claim.token, claim.job_id), None)
        if not await self._endings.end(claim, ending):
            _log.warning("job was somebody else's by then", job_id=claim.job_id)

    async def _take(self) -> float:
        """Start as many jobs as there are free slots and due jobs; gives the seconds until it is worth another look."""
        if 0 < self._n_free < self.max_jobs // 4:
            # A look costs as much for one job as for many, and more slots may come free in this moment.
            await asyncio.sleep(_MOMENT_SECONDS)
        free = self._n_free
        if free <= 0 or not self.allow_pick_jobs or self._look_for_obstacles():
            return _LONGEST_PAUSE_SECONDS
        taken = await through_outages(partial(self._claim, free))
        if len(taken.claims) >= min(free, SHARE) and self._n_free > 0:
            return 0.0
        return min(taken.next_due_seconds or _LONGEST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)

    @property
    def _n_free(self) -> int:
        """Jobs that may be taken: never more than twice as many as slots are there, though Redis answers nothing."""
        n_seen_to, room = len(self._leaving), self.room()
        n_free = self.max_jobs - len(self.tasks) + min(n_seen_to, self.max_jobs)
        return min(n_free, _MOST_AT_ONCE) if room is None else min(n_free, _MOST_AT_ONCE, room)

    async def _claim(self, free: int) -> Taken:
        if monotonic() - self._renewed_at > self._claims.lease_seconds / 2:
            # This process stood still. What nobody has taken meanwhile is still its own, and not to be taken anew.
            await self._renew_all()
        # A task of its own, so that what it takes is known even where this worker is stopped meanwhile.
        has_suspect = any(claim.is_suspect for claim in self._open.values())
        self._taking = asyncio.create_task(self._claims.take(free, spare_suspects=has_suspect))
        taken = await asyncio.shield(self._taking)
        self._taking = None
        for claim in taken.claims:
            self._start(claim)
        return taken

    def _first_obstacle(self) -> str | None:
        found = (each() for each in self.obstacles)
        return next((reason for reason in found if reason is not None), None)

    def _look_for_obstacles(self) -> bool:
        obstacle = self._first_obstacle()
        if obstacle != self._obstacle_seen:
            if obstacle:
                _log.error("no job is taken", reason=obstacle)
            else:
                _log.info("jobs are taken again")
            self._obstacle_seen = obstacle
        return obstacle is not None

    def _start(self, claim: Claim) -> None:
        earlier = self.tasks.get(claim.job_id)
        task = asyncio.create_task(self._see_through(claim, earlier))
        self.tasks[claim.job_id] = task
        self._open[claim.token, claim.job_id] = claim
        task.add_done_callback(partial(self._forget, claim))

    async def _see_through(self, claim: Claim, earlier: asyncio.Task[Any] | None) -> None:
        if earlier is not None:
            # Lost and taken again, before its end was over.
            await asyncio.wait([earlier])
        self._held[claim.job_id] = claim
        await self.run_job(claim.job_id, int(claim.due_ms))

    def _forget(self, claim: Claim, task: asyncio.Task[Any]) -> None:
        if self.tasks.get(claim.job_id) is task:
            del self.tasks[claim.job_id]
        self._leaving.discard(claim.job_id)
        self._woken.set()
        if (claim.token, claim.job_id) in self._open:
            # Cancelled before arq had begun with it, or arq has failed with it.
            returning = asyncio.create_task(self._let_go(claim, PutBack()))
            self._returning.add(returning)
            returning.add_done_callback(self._returning.discard)
        if task.cancelled() or (error := task.exception()) is None:
            return
        # Of an outage, a traceback tells nothing that its words do not.
        is_outage = isinstance(error, RedisError | OSError)
        _log.error(
            "arq could not finish a job; it will be delivered again",
            job_id=claim.job_id,
            error=str(error),
            exc_info=None if is_outage else error,
        )

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._claims.lease_seconds / 3)
            await self._renew_all()

    async def _renew_all(self) -> None:
        held = tuple(self._open.values())
        try:
            answers = await self._claims.renew(held)
        except (RedisError, OSError) as error:
            _log.warning("leases not renewed", error=str(error))
            return
        self._renewed_at = monotonic()
        for claim, hold in zip(held, answers, strict=True):
            if self._held.get(claim.job_id) is claim:
                self._heed(claim, hold)

    def _heed(self, claim: Claim, hold: Hold) -> None:
        if hold is Hold.TO_STOP:
            self.stop_job(claim.job_id)
        elif hold is Hold.LOST and (task := self.job_tasks.get(claim.job_id)) is not None:
            _log.warning("job lost to another worker", job_id=claim.job_id)
            task.cancel()

    async def _is_done(self) -> bool:
        if await through_outages(self.more_to_come):
            return False
        return await through_outages(partial(self._claims.n_due, _BURST_AHEAD_SECONDS)) == 0

    async def _drain(self, signum: Signals) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._drain_seconds):
                while self.tasks:
                    await asyncio.wait(tuple(self.tasks.values()))
        self.handle_sig(signum)

    async def _end_tasks(self) -> None:
        self._endings.patience_seconds = _JOB_PATIENCE_SECONDS
        tasks = tuple(self.tasks.values())
        if tasks:
            # A job whose record is there leaves the queue a moment later.
            await asyncio.wait(tasks, timeout=_FINISHING_SECONDS)
        await cancel_until_done(tasks, _JOB_PATIENCE_SECONDS)
        await self._return_late_claims()
        if self._returning:
            await asyncio.wait(tuple(self._returning))

    async def _return_late_claims(self) -> None:
        """Hand back what was on its way when this worker was stopped: it would wait for the end of a lease."""
        if self._taking is None:
            return
        await asyncio.wait([self._taking], timeout=_JOB_PATIENCE_SECONDS)
        if not self._taking.done() or self._taking.exception() is not None:
            return
        for claim in self._taking.result().claims:
            await self._let_go(claim, PutBack())


async def _nothing_to_come() -> bool:
    return False


class _HandedOver:
    """Stands where `run_job` looks for Redis: it asks for a job's payload and counts the delivery, as the claim did."""

    def __init__(self, held: dict[str, Claim]) -> None:
        self._held = held
        self._answer: tuple[bytes | None, int, bool] = (None, 0, False)

    def pipeline(self, *, transaction: bool) -> Self:
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def get(self, key: str) -> None:
        claim = self._held[key.removeprefix(job_key_prefix)]
        self._answer = (claim.payload, claim.delivery, True)

    def incr(self, key: str) -> None:
        pass

    def expire(self, key: str, seconds: int) -> None:
        pass

    async def execute(self) -> tuple[bytes | None, int, bool]:
        return self._answer
