"""Schedules of workers that are killed, gone for hours, or lose their Redis: each instant has one run and one row."""

import random
from datetime import datetime, timedelta

import pytest

from jobs.clock import utcnow
from jobs.schedules.models import Fate, Instant, run_id_of
from jobs.schedules.policies import CatchUp, Overlap
from jobs.schedules.reading import get_schedule, history_of
from tests.scheduling import turn_back
from tests.waiting import wait_until

from .mill import Mill

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(240)]


def add(mill: Mill, cron: str, *words: str) -> None:
    """Add a schedule of one prompt as a person does."""
    ended = mill.project.run(
        *("schedule", "add", "nightly", cron, "--prompt", "Print 1.", "--expect", "1"),
        *("--model", "gemini-3.8-flash", *words),
    )
    assert ended.code == 0, ended.err


async def past(mill: Mill) -> list[Instant]:
    """What became of its instants, the first one first."""
    async with mill.queue() as queue:
        return list(reversed(await history_of(queue, "nightly", 1000)))


async def has_decided_to(mill: Mill, at: datetime) -> bool:
    """Whether workers have come so far."""
    async with mill.queue() as queue:
        return (await get_schedule(queue, "nightly")).state.decided_to >= at


async def stop_all(mill: Mill) -> None:
    """Pause the schedule, and hold what it did against what must be true."""
    assert mill.project.run("schedule", "pause", "nightly").code == 0
    runs = {each.run_id for each in await past(mill) if each.fate in {Fate.FIRED, Fate.CAUGHT_UP}}

    async def are_over() -> bool:
        return mill.n_recorded() >= len(runs) and mill.project.queued() == 0

    await wait_until(are_over, 60, f"{len(runs)} records")
    # One job a run, and one record a job: nothing was started twice, and nothing was lost.
    assert sorted(str(record.job.run_id) for record in mill.records()) == sorted(map(str, runs))


async def test_workers_killed_at_random_start_each_instant_exactly_once(mill: Mill) -> None:
    """What is paid for by the run must not be started by every worker that believes itself to be alone."""
    chance = random.Random(1)
    add(mill, "*/2 * * * * *", "--overlap", "allow")
    workers = [await mill.worker() for _ in range(3)]
    began = utcnow()
    for n in range(10):
        due = began + timedelta(seconds=6 * (n + 1))
        await wait_until(lambda due=due: utcnow() >= due, 20, "the next blow")  # type: ignore[misc]
        victim = workers.pop(chance.randrange(3))
        await mill.kill(victim)
        workers.append(await mill.worker())
    ended = utcnow()
    await wait_until(lambda: has_decided_to(mill, ended), 20, "the last instant")
    rows = await past(mill)
    instants = [each.at for each in rows]
    assert {each.fate for each in rows} == {Fate.FIRED}
    assert len(instants) >= 25
    assert instants == [instants[0] + n * timedelta(seconds=2) for n in range(len(instants))]
    await stop_all(mill)


@pytest.mark.parametrize(
    ("catch_up", "n_runs"), [(CatchUp.ONCE, 1), (CatchUp.NONE, 0), (CatchUp.ALL, 3)]
)
async def test_workers_that_were_gone_for_three_instants_catch_up_as_asked(
    mill: Mill, catch_up: CatchUp, n_runs: int
) -> None:
    """A machine that was off at night is switched on in the morning."""
    # Never near an instant: it would be on time, and stand for the others.
    minute = (utcnow().minute + 30) % 60
    add(mill, f"{minute} * * * *", "--catch-up", catch_up)
    now = utcnow()
    async with mill.queue() as queue:
        await turn_back(queue, now - timedelta(hours=3))
    await mill.worker()
    await wait_until(lambda: has_decided_to(mill, now), 20, "a decision")
    rows = await past(mill)
    assert len(rows) == 3
    assert sum(each.fate is Fate.CAUGHT_UP for each in rows) == n_runs
    assert {each.fate for each in rows} <= {Fate.CAUGHT_UP, Fate.MISSED}
    assert all("no worker was there" in each.reason for each in rows)
    await stop_all(mill)


async def test_a_schedule_goes_on_by_itself_when_redis_is_back(mill: Mill) -> None:
    """Redis is restarted at night, too, and nobody is there to start a schedule again."""
    add(mill, "*/3 * * * * *", "--overlap", "allow")
    await mill.worker()
    await wait_until(lambda: _has_rows(mill, 1), 20, "an instant")
    await mill.until_on_disk()
    mill.server.kill()
    mill.server.start()
    n_before = len(await past(mill))
    back = utcnow()
    await wait_until(lambda: _has_rows(mill, n_before + 3), 30, "three instants more")
    rows = await past(mill)
    assert {each.fate for each in rows} == {Fate.FIRED}
    assert rows[-1].at > back
    assert [each.run_id for each in rows] == [run_id_of("nightly", each.at) for each in rows]
    await stop_all(mill)


async def _has_rows(mill: Mill, n: int) -> bool:
    return len(await past(mill)) >= n


async def test_a_worker_killed_between_deciding_and_queueing_loses_nothing(mill: Mill) -> None:
    """The decision and the order to queue are one step: another worker finds the run and queues its jobs."""
    add(mill, "0 0 1 1 *", "--overlap", Overlap.ALLOW)
    at = utcnow().replace(microsecond=0) - timedelta(days=400)
    ended = mill.project.run("schedule", "run-now", "nightly", "--json")
    assert ended.code == 0, ended.err
    [started] = ended.json()
    assert started["started"]
    # Decided on, and nobody there who queues: as after a kill at the worst moment.
    assert mill.project.queued() == 0
    await mill.worker()
    await wait_until(lambda: mill.n_recorded() == 1, 40, "its record")
    assert [record.job.run_id for record in mill.records()] == [started["runId"]]
    assert (await past(mill))[0].at > at
