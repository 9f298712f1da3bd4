"""What tests of schedules share: one that is made of a few words, its clock turned back, and workers that see to it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from jobs.clock import milliseconds_of, utcnow
from jobs.feeding import runs_to_feed
from jobs.models import PromptJob
from jobs.queue import JobQueue
from jobs.runs import list_runs
from jobs.schedules.models import Fate, Schedule
from jobs.schedules.reading import history_of
from jobs.schedules.state import decide as decide_on
from jobs.schedules.state import put_schedule
from jobs.schedules.templates import TEMPLATE_RUN, keep_template
from jobs.verdicts import Verdict
from tests.queueing import answer_of, claim, finish, ids_queued
from tests.waiting import wait_until
from worker.consumer.feeder import Feeder
from worker.consumer.ticker import Ticker

HOUR = timedelta(hours=1)


def hour(n: int) -> datetime:
    """A full hour, some days ago."""
    return utcnow().replace(minute=0, second=0, microsecond=0) + n * HOUR


@contextlib.asynccontextmanager
async def ticking(queue: JobQueue, *, n_workers: int = 1) -> AsyncIterator[list[Ticker]]:
    """So many workers that look at the schedules and feed their runs."""
    tickers = [Ticker(queue) for _ in range(n_workers)]
    feeders = [Feeder(queue.redis, queue.keys, queue.records, 5000) for _ in range(n_workers)]
    tasks = [asyncio.create_task(ticker.run()) for ticker in tickers]
    tasks += [asyncio.create_task(feeder.run()) for feeder in feeders]
    try:
        yield tickers
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def decide(queue: JobQueue, now: datetime) -> list[Fate]:
    """What is decided when the clock shows this time."""
    fates_now = await decide_on(queue.redis, queue.keys, "nightly", now)
    assert fates_now is not None
    return list(fates_now.values())


async def runs_of(queue: JobQueue) -> list[str]:
    """The runs that were started, by name."""
    return sorted(run.run_id for run in await list_runs(queue, 1000))


async def end(queue: JobQueue, run_id: str, *, reason: str = "") -> None:
    """Let workers feed a run and finish all its jobs; `reason` is why they fail because of us."""

    async def is_fed() -> bool:
        return await runs_to_feed(queue.redis, queue.keys) == []

    feeder = asyncio.create_task(Feeder(queue.redis, queue.keys, queue.records, 5000).run())
    await wait_until(is_fed, 10, "a run that is fed")
    feeder.cancel()
    await asyncio.wait([feeder])
    for job_id in await ids_queued(queue):
        job = await queue.find(job_id)
        if job is not None and job.run_id == run_id:
            await claim(queue, job_id)
            verdict = Verdict.INTERNAL_ERROR if reason else Verdict.ACCEPTED
            await finish(queue, job, verdict, reason=reason)


def jobs_of_template(n: int) -> list[PromptJob]:
    """So many jobs, as a schedule has them."""
    return [
        PromptJob(prompt="Print 1.", job_id=f"t{i}", run_id=TEMPLATE_RUN, task_id=f"task-{i}")
        for i in range(n)
    ]


async def add(
    queue: JobQueue, cron: str = "0 * * * *", *, n_jobs: int = 2, **words: object
) -> Schedule:
    """Keep a schedule of the name `nightly`."""
    template = await keep_template(queue.records, "nightly", lambda: iter(jobs_of_template(n_jobs)))
    given = {"name": "nightly", "cron": cron, "zone": "UTC", "runs": "a test", **words}
    schedule = Schedule.model_validate({**given, "template": template})
    await put_schedule(queue, schedule)
    return schedule


async def turn_back(queue: JobQueue, to: datetime, name: str = "nightly") -> None:
    """As if no worker had been there since then."""
    key = queue.keys.schedule(name)
    await answer_of(queue.redis.hset(key, "decidedTo", str(milliseconds_of(to))))
    await queue.redis.zadd(queue.keys.schedules, {name: 0})


async def fates(queue: JobQueue, name: str = "nightly") -> list[tuple[Fate, str]]:
    """What became of its instants, the first one first."""
    past = await history_of(queue, name, 1000)
    return [(each.fate, each.reason) for each in reversed(past)]
