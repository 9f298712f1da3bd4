"""What tests of schedules share: one that is made of a few words, and its clock turned back."""

from datetime import datetime

from jobs.clock import milliseconds_of
from jobs.models import PromptJob
from jobs.queue import JobQueue
from jobs.schedules.models import Fate, Schedule
from jobs.schedules.reading import get_schedule, history_of
from jobs.schedules.state import put_schedule
from jobs.schedules.templates import TEMPLATE_RUN, keep_template
from jobs.schedules.times import Timetable
from tests.queueing import answer_of


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


async def next_of(queue: JobQueue, name: str = "nightly") -> datetime:
    """The first of its instants that is not decided on."""
    state = (await get_schedule(queue, name)).state
    table = Timetable(state.schedule.cron, state.schedule.zone)
    return next(table.after(state.decided_to))
