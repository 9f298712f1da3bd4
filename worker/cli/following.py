"""Follows jobs to their end, unless nobody works on them any more."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Self

from config.escaping import escaped
from jobs.clock import monotonic
from jobs.events import JobCancelled, JobFinished, follow, last_of
from jobs.models import Record
from jobs.queue import JobQueue
from jobs.recorded import recorded_of
from jobs.run_control import hold_stopped_run
from jobs.runs import Run, RunState, find_run
from jobs.verdicts import Verdict

from .batch import Batch
from .budget_flags import stopped_of, used_of
from .errors import BudgetReachedError, NobodyWorksError
from .output import talk
from .progress import RunProgress
from .resuming import worker_command

_SILENT_SECONDS = 3
_LOOK_SECONDS = 0.25


@dataclass
class Follower:
    """Shows how far jobs are until each has its record or was cancelled: by the counters of their run, however many."""

    queue: JobQueue
    batch: Batch
    progress: RunProgress
    stream: str
    begin: str
    """Where the stream of their events ended before they were queued."""
    recorded: Counter[Verdict] = field(default_factory=Counter)
    """How those of them had ended that were recorded before."""
    run_before: Run | None = None
    """The counters of their run then."""
    _is_told: bool = False
    _looked_at: float = 0.0
    _n_open: int = 0
    """Ends that must come before all have ended, as of the last look."""

    @classmethod
    async def of(cls, queue: JobQueue, batch: Batch, progress: RunProgress) -> Self:
        """One that has looked at how things are before the jobs are queued."""
        stream = batch.run_id or batch.first().job_id
        begin = await last_of(queue.redis, queue.keys, stream)
        if batch.run_id is None:
            return cls(queue, batch, progress, stream, begin)
        recorded = await recorded_of(queue.records, batch.run_id)
        before = await find_run(queue, batch.run_id)
        return cls(queue, batch, progress, stream, begin, recorded.verdicts, before)

    async def follow_to_the_end(self, submitting: "asyncio.Task[object]") -> None:
        """Show what happens until `submitting` is done and all jobs have ended.

        Raises:
            RedisUnreachableError: Redis stopped answering; the jobs go on.
            BudgetReachedError: their run has used up what it may use, and stands still.
            NobodyWorksError: there were workers for them, and none has been heard of for a while; the jobs stay queued.
        """
        # Nobody has worked yet where somebody waits for a worker that is still to be started.
        silent_seconds = 0 if await self._are_heard_of() else None
        # Most submissions are over in no time, and some leave nothing to follow.
        await asyncio.wait({submitting}, timeout=_LOOK_SECONDS)
        if await self._is_over(submitting):
            return
        async with aclosing(
            follow(self.queue.redis, self.queue.keys, self.stream, after=self.begin)
        ) as events:
            async for event in events:
                if event is not None:
                    self.progress.tell(event)
                else:
                    silent_seconds = await self._silence(silent_seconds)
                self._n_open -= isinstance(event, JobFinished | JobCancelled)
                is_time = monotonic() - self._looked_at > _LOOK_SECONDS
                if (event is None or is_time or self._n_open <= 0) and (
                    await self._is_over(submitting)
                ):
                    return

    async def _is_over(self, submitting: "asyncio.Task[object]") -> bool:
        # Asked before the jobs are looked at, or the last of them could be submitted in between.
        is_submitted = submitting.done()
        if is_submitted:
            submitting.result()
        self._looked_at = monotonic()
        self._n_open = await self._look(is_submitted=is_submitted)
        return is_submitted and self._n_open <= 0

    async def _look(self, *, is_submitted: bool) -> int:
        """How many jobs are still to end, as far as is known."""
        if self.batch.run_id is None:
            return int(not (await self.queue.handle(self.stream).status()).is_over)
        run = await find_run(self.queue, self.batch.run_id) or Run(run_id=self.batch.run_id)
        self._show(run, is_submitted=is_submitted)
        if run.is_stopped_by_budget:
            await self._stop_for_want_of_budget(run)
        return run.open

    async def _stop_for_want_of_budget(self, run: Run) -> None:
        # Those that wait are set aside at once, and those that run by their workers.
        await hold_stopped_run(self.queue, run.run_id, cause=run.cause)
        run = await find_run(self.queue, run.run_id) or run
        if run.is_stopped_by_budget and run.held >= run.open - run.to_feed:
            message, fixes = stopped_of(run)
            raise BudgetReachedError(message, facts={"used": ", ".join(used_of(run))}, fixes=fixes)

    def _show(self, run: Run, *, is_submitted: bool) -> None:
        before = self.run_before or Run(run_id=run.run_id)
        verdicts = self.recorded + Counter(run.verdicts)
        verdicts.subtract(before.verdicts)
        n_cancelled = run.cancelled - before.cancelled
        n_open = run.open if is_submitted else self.batch.n_jobs - sum(verdicts.values())
        n_done = max(0, self.batch.n_jobs - max(0, n_open))
        self.progress.count(verdicts, n_cancelled, n_done)
        if run.state is RunState.PAUSED and not run.is_stopped_by_budget and not self._is_told:
            why = f": {run.reason}" if run.reason else ""
            how = f"promptmill run resume {run.run_id}"
            talk(escaped(f"run {run.run_id} is paused{why}; let it go on with:  {how}"))
        self._is_told = run.state is RunState.PAUSED

    async def _are_heard_of(self) -> bool:
        return any(self.batch.is_for(worker) for worker in await self.queue.live_workers())

    async def _silence(self, silent_seconds: int | None) -> int | None:
        if await self._are_heard_of():
            return 0
        if silent_seconds == _SILENT_SECONDS:
            raise NobodyWorksError(
                f"no worker that answers with {self.batch.model} has been heard of for a while",
                fixes=[f"start one:  {worker_command(self.batch)}"],
                note="what is not recorded stays queued",
            )
        return None if silent_seconds is None else silent_seconds + 1


async def records_of(queue: JobQueue, batch: Batch) -> AsyncIterator[Record]:
    """The records of jobs that were followed to their end, in the order of the jobs; a cancelled job has none."""
    for job in batch.jobs():
        if await queue.records.has(job.job_id):
            yield await queue.records.get(job.job_id)
