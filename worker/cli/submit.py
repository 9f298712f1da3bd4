"""`promptmill submit`: queue one prompt or a file of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from config.escaping import escaped, escaped_block
from jobs.errors import ExitCode, UsageError
from jobs.verdicts import Verdict

from .budget_flags import NO_BUDGET, BudgetFlags, budget_in
from .errors import StoppedError
from .flags import (
    NO_FLAGS,
    NO_JOB_FLAGS,
    NO_LANE_FLAGS,
    NO_TIME_FLAGS,
    AsJson,
    JobFlags,
    LaneFlags,
    SettingFlags,
    Switch,
    TimeFlags,
    read_settings,
)
from .output import JsonArray, emit, talk

if TYPE_CHECKING:
    from datetime import datetime

    from config.settings import Settings
    from jobs.models import Record
    from jobs.presence import WorkerPresence
    from jobs.queue import JobQueue
    from jobs.submitting import Submitted

    from .batch import Batch

_SHOWN_LINES, _SHOWN_CHARACTERS = 20, 200
_QUICK_SECONDS = 1.0


def submit(  # noqa: PLR0913  (groups of flags)
    prompt: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    /,
    *,
    wait: Switch = False,
    json: AsJson = False,
    job: JobFlags = NO_JOB_FLAGS,
    lane: LaneFlags = NO_LANE_FLAGS,
    times: TimeFlags = NO_TIME_FLAGS,
    budget: BudgetFlags = NO_BUDGET,
    flags: SettingFlags = NO_FLAGS,
) -> int:
    """Queue one prompt or a file of them; the ids go to standard output, one a line.

    Args:
        prompt: the prompt itself, - for standard input, or @FILE; of these two, a line break at the end is left out.
        wait: wait for the records; exit with 0 if all are accepted, 1 if some are not, 5 if we failed with some.
        json: ids, and with --wait the records, as JSON.
    """
    from .looping import run_until_stopped
    from .placing import place_of, time_of
    from .wanted import wanted

    settings = read_settings(flags, quiet=True)
    place, at = place_of(lane), time_of(times)
    batch = wanted(prompt, job, place, settings).told(job.feedback).within(budget_in(budget))
    if job.code_execution:
        batch = batch.run_by_gemini(settings)
    if job.detach:
        return _detach(settings, batch, at, wait=wait, as_json=json)
    how = _how_to_go_on(job, batch)
    if at is not None:
        _refuse_more_than_may_wait(settings, batch)
    try:
        return run_until_stopped(_Submit(settings, at, wait=wait, as_json=json).submit(batch, how))
    except KeyboardInterrupt:
        raise StoppedError("stopped", fixes=[how], note="what was queued stays queued") from None


def _refuse_more_than_may_wait(settings: Settings, batch: Batch) -> None:
    """Make sure that the command need not wait for the time for which its jobs are.

    Raises:
        UsageError: it would.
    """
    most = settings.queue.high_water
    if batch.n_jobs > most:
        raise UsageError(
            f"{batch.n_jobs} jobs for later are more than the {most} that may wait at one time",
            facts={"set in": settings.origin_of("queue.high_water")},
            fixes=[
                "leave them to the workers, which queue the rest when there is room:  --detach",
                "or let more wait:  export PROMPTMILL_QUEUE__HIGH_WATER=...",
            ],
            note="nothing was queued",
        )


def _detach(
    settings: Settings, batch: Batch, at: datetime | None, *, wait: bool, as_json: bool
) -> int:
    from .detaching import detach

    if wait or batch.run_id is None:
        raise UsageError(
            "--detach goes with --jsonl, and not with --wait",
            fixes=["follow the run later:  promptmill run watch RUN"],
            note="nothing was queued",
        )
    return asyncio.run(detach(settings, batch, at, as_json=as_json))


def _how_to_go_on(job: JobFlags, batch: Batch) -> str:
    from .resuming import same_command

    if batch.run_id is None:
        return f"type it again with --id {batch.first().job_id}: nothing is queued twice"
    again = same_command(*(() if job.run is not None else ("--run", batch.run_id)))
    with_what = " with the same standard input" if str(job.jsonl) == "-" else ""
    return f"nothing is queued twice if you{with_what} go on with:  {again}"


class _Submit:
    """One call of the command."""

    def __init__(
        self, settings: Settings, at: datetime | None, *, wait: bool, as_json: bool
    ) -> None:
        self._settings = settings
        self._at = at
        self._wait = wait
        self._as_json = as_json
        self._is_wait_told = False
        self._tell_who_works: Callable[[], None] = lambda: None

    async def submit(self, batch: Batch, how_to_go_on: str) -> int:
        from .checking import check_languages, model_meant, nothing_queued_yet, refuse_mixed_run
        from .detaching import tell_who_works
        from .opening import open_queue
        from .resuming import going_on
        from .starting import keep_to_one_way, start_run

        async with AsyncExitStack() as stack:
            with nothing_queued_yet(self._settings):
                queue = await stack.enter_async_context(open_queue(self._settings))
                workers = await queue.live_workers()
                batch = batch.for_model(model_meant(self._settings, workers))
                check_languages(batch, [worker for worker in workers if batch.is_for(worker)])
                await refuse_mixed_run(queue, batch)
                await keep_to_one_way(queue, batch)
            self._tell_who_works = partial(tell_who_works, workers, batch)
            with going_on(how_to_go_on):
                await start_run(queue, batch)
                if self._wait:
                    await self._see_through(queue, batch, workers)
                    return await self._tell_what_came_of_it(queue, batch)
                await self._queue(queue, batch)
                if self._as_json:
                    with JsonArray() as array:
                        for job in batch.jobs():
                            array.add({"jobId": job.job_id})
                if not self._is_wait_told:
                    self._tell_who_works()
                return ExitCode.OK

    async def _queue(self, queue: JobQueue, batch: Batch) -> Submitted:
        return await queue.submit_all(
            batch.jobs(),
            at=self._at,
            high_water=self._settings.queue.high_water,
            on_taken=self._tell_taken,
        )

    def _tell_taken(self, job_ids: Sequence[str], n_due: int) -> None:
        if job_ids:
            if not self._as_json:
                # At once: should the next ones fail, these stay queued.
                emit("\n".join(job_ids))
        elif not self._is_wait_told:
            self._is_wait_told = True
            how = "are due" if self._at is None else "wait for their time"
            talk(f"{n_due} jobs {how} by now; any more are queued as workers take them")
            self._tell_who_works()

    async def _see_through(
        self, queue: JobQueue, batch: Batch, workers: Sequence[WorkerPresence]
    ) -> None:
        from .detaching import tell_who_works
        from .errors import NobodyWorksError
        from .following import Follower
        from .progress import RunProgress

        with RunProgress(batch.run_id or "", batch.n_jobs, details=True) as progress:
            follower = await Follower.of(queue, batch, progress)
            submitting = asyncio.create_task(self._queue(queue, batch))
            try:
                await asyncio.wait({submitting}, timeout=_QUICK_SECONDS)
                tell_who_works(workers, batch)
                while True:
                    try:
                        return await follower.follow_to_the_end(submitting)
                    except NobodyWorksError as error:
                        talk(f"{error.in_one_line}; still waiting")
            finally:
                submitting.cancel()
                await asyncio.wait({submitting})

    async def _tell_what_came_of_it(self, queue: JobQueue, batch: Batch) -> int:
        from .following import records_of

        verdicts: Counter[Verdict] = Counter()
        with JsonArray() if self._as_json else nullcontext() as array:
            async for record in records_of(queue, batch):
                verdicts[record.verdict] += 1
                _tell_record(self._settings, record, is_alone=batch.n_jobs == 1)
                if array is not None:
                    array.add(record.model_dump(mode="json", by_alias=True))
        return _exit_code(verdicts, batch.n_jobs)


def _tell_record(settings: Settings, record: Record, *, is_alone: bool) -> None:
    from jobs.records.opening import open_store

    talk(escaped(f"{record.job_id}  {record.verdict}  {record.explanation}".rstrip()))
    if is_alone and record.output:
        talk(escaped_block(_first_lines(record.output)))
    store = open_store(settings.records_place, prefix=settings.redis.prefix)
    talk(f"record  {store.place_of(record.job_id)}")


def _first_lines(text: str) -> str:
    lines = text.rstrip("\n").split("\n")
    shown = [f"  │ {line[:_SHOWN_CHARACTERS]}" for line in lines[:_SHOWN_LINES]]
    if len(lines) > _SHOWN_LINES:
        shown.append(f"  … and {len(lines) - _SHOWN_LINES} lines more")
    return "\n".join(shown)


def _exit_code(verdicts: Counter[Verdict], n_jobs: int) -> int:
    if verdicts.total() < n_jobs or any(not verdict.is_scored for verdict in verdicts):
        return ExitCode.INCOMPLETE
    return ExitCode.OK if set(verdicts) == {Verdict.ACCEPTED} else ExitCode.GATE_FAILED
