"""Schedules on a real Redis: each instant is decided on once, whoever looks, and its row says what became of it."""

from datetime import UTC, datetime, timedelta

import pytest

from jobs.clock import utcnow
from jobs.errors import ScheduleNotFoundError, StoreError, UsageError
from jobs.models import PromptJob
from jobs.queue import JobQueue
from jobs.run_control import pause_run, stop_run_short
from jobs.runs import RunState, get_run
from jobs.schedules.deciding import MOST_AT_ONCE, plan
from jobs.schedules.firing import HISTORY, fire
from jobs.schedules.models import Fate, Schedule, run_id_of
from jobs.schedules.policies import CatchUp, Overlap
from jobs.schedules.reading import get_schedule, history_of, list_schedules
from jobs.schedules.state import (
    pause_schedule,
    put_schedule,
    remove_schedule,
    resume_schedule,
    start_by_hand,
)
from jobs.schedules.times import Timetable
from tests.queueing import ids_queued
from tests.scheduling import (
    add,
    decide,
    end,
    fates,
    hour,
    jobs_of_template,
    runs_of,
    ticking,
    turn_back,
)
from tests.waiting import wait_until


async def test_an_instant_starts_a_run_of_its_own_name(queue: JobQueue) -> None:
    """The name tells when and why the run began, and is what makes a second start nothing."""
    await add(queue)
    await turn_back(queue, hour(-1))
    assert await decide(queue, hour(0)) == [Fate.FIRED]
    [run_id] = await runs_of(queue)
    assert run_id == run_id_of("nightly", hour(0))
    await end(queue, run_id)
    run = await get_run(queue, run_id)
    assert (run.submitted, run.ended, run.open) == (2, 2, 0)


async def test_many_workers_start_each_instant_once(queue: JobQueue) -> None:
    """Any number of workers look at the same second."""
    await add(queue, "* * * * * *", n_jobs=1, overlap=Overlap.ALLOW)
    begin = utcnow()
    await turn_back(queue, begin)
    async with ticking(queue, n_workers=5) as tickers:

        async def has_come() -> bool:
            return len(await runs_of(queue)) >= 4

        await wait_until(has_come, 20, "four instants")
    past = await history_of(queue, "nightly", 100)
    instants = sorted(each.at for each in past)
    assert instants == [instants[0] + n * timedelta(seconds=1) for n in range(len(instants))]
    assert {each.fate for each in past} == {Fate.FIRED}
    assert await runs_of(queue) == sorted(run_id_of("nightly", at) for at in instants)
    assert sum(ticker.fates.total() for ticker in tickers) == len(instants)


async def test_two_that_decide_at_once_change_nothing_twice(queue: JobQueue) -> None:
    """The one that comes second has seen what is no longer so."""
    schedule = await add(queue)
    await turn_back(queue, hour(-1))
    found = await get_schedule(queue, "nightly")
    decided = plan(schedule, Timetable("0 * * * *", "UTC"), found.state.decided_to, hour(0))
    first, second = [await fire(queue.redis, queue.keys, found, decided) for _ in range(2)]
    assert (first, second) == ({hour(0): Fate.FIRED}, None)
    assert len(await history_of(queue, "nightly", 10)) == 1


@pytest.mark.parametrize(
    ("catch_up", "expected"),
    [
        (CatchUp.ONCE, [Fate.MISSED, Fate.MISSED, Fate.CAUGHT_UP]),
        (CatchUp.NONE, [Fate.MISSED, Fate.MISSED, Fate.MISSED]),
        (CatchUp.ALL, [Fate.CAUGHT_UP, Fate.CAUGHT_UP, Fate.CAUGHT_UP]),
    ],
)
async def test_what_no_worker_was_there_for_is_caught_up_with_as_asked(
    queue: JobQueue, catch_up: CatchUp, expected: list[Fate]
) -> None:
    """After a night without workers one wants one report, another every single one, and a third none."""
    await add(queue, catch_up=catch_up)
    await turn_back(queue, hour(-3))
    await decide(queue, hour(0) + timedelta(minutes=5))
    told = await fates(queue)
    assert [fate for fate, _ in told] == expected
    assert all("no worker was there" in reason for _, reason in told)
    assert len(await runs_of(queue)) == sum(fate is Fate.CAUGHT_UP for fate in expected)


async def test_what_is_too_old_is_not_caught_up_with(queue: JobQueue) -> None:
    """Nobody wants last week's nightly run on Monday morning."""
    await add(queue, catch_up_seconds=1800.0)
    await turn_back(queue, hour(-3))
    await decide(queue, hour(0) + timedelta(minutes=40))
    assert await runs_of(queue) == []
    assert {reason for _, reason in await fates(queue)} == {
        "no worker was there, for more than 0.5 h"
    }


async def test_an_instant_that_is_on_time_stands_for_those_that_were_missed(
    queue: JobQueue,
) -> None:
    """Workers that come back with the clock's stroke are not to run the same thing twice."""
    await add(queue)
    await turn_back(queue, hour(-3))
    await decide(queue, hour(0) + timedelta(seconds=5))
    assert [fate for fate, _ in await fates(queue)] == [Fate.MISSED, Fate.MISSED, Fate.FIRED]
    assert len(await runs_of(queue)) == 1


async def test_a_schedule_of_every_second_forgets_its_past_in_steps(queue: JobQueue) -> None:
    """A week without workers is half a million instants, and Redis serves others meanwhile."""
    await add(queue, "* * * * * *", catch_up=CatchUp.NONE)
    now = hour(0)
    await turn_back(queue, now - timedelta(seconds=2 * MOST_AT_ONCE))
    n_steps = 0
    while (await get_schedule(queue, "nightly")).state.decided_to < now:
        await decide(queue, now)
        n_steps += 1
    assert n_steps == 2
    assert len(await history_of(queue, "nightly", 5000)) == HISTORY


async def test_a_run_that_is_not_over_is_waited_for_by_nothing(queue: JobQueue) -> None:
    """An evaluation that takes longer than its hour must not be started on top of itself."""
    await add(queue)
    await turn_back(queue, hour(-2))
    await decide(queue, hour(-1))
    await decide(queue, hour(0))
    first = run_id_of("nightly", hour(-1))
    assert await fates(queue) == [(Fate.FIRED, ""), (Fate.SKIPPED, f"{first} was not over")]
    assert (await get_schedule(queue, "nightly")).state.running == (first,)
    await end(queue, first)
    await decide(queue, hour(1))
    assert (await fates(queue))[-1] == (Fate.FIRED, "")


async def test_one_instant_waits_for_the_run_before_it(queue: JobQueue) -> None:
    """Where each run must come after the one before, the next is late, and not lost."""
    await add(queue, overlap=Overlap.QUEUE_ONE)
    await turn_back(queue, hour(-3))
    for n in (-2, -1, 0):
        await decide(queue, hour(n))
    first, second, third = await fates(queue)
    assert (first[0], second[0], third[0]) == (Fate.FIRED, Fate.WAITING, Fate.SKIPPED)
    assert (await get_schedule(queue, "nightly")).state.waiting == hour(-1)
    await end(queue, run_id_of("nightly", hour(-2)))
    await decide(queue, hour(0) + timedelta(seconds=1))
    assert (await fates(queue))[1] == (Fate.FIRED, "it waited for the run before")
    state = (await get_schedule(queue, "nightly")).state
    assert (state.running, state.waiting) == ((run_id_of("nightly", hour(-1)),), None)


async def test_runs_may_stand_beside_each_other(queue: JobQueue) -> None:
    """Some are independent of the one before."""
    await add(queue, overlap=Overlap.ALLOW)
    await turn_back(queue, hour(-2))
    await decide(queue, hour(-1))
    await decide(queue, hour(0))
    assert len((await get_schedule(queue, "nightly")).state.running) == 2


async def test_a_newer_run_takes_the_place_of_an_older_one(queue: JobQueue) -> None:
    """Of something that watches, only the newest answer counts; the old one is cancelled whoever is killed."""
    await add(queue, overlap=Overlap.CANCEL_OLD)
    await turn_back(queue, hour(-2))
    await decide(queue, hour(-1))
    await decide(queue, hour(0))
    old, new = run_id_of("nightly", hour(-1)), run_id_of("nightly", hour(0))
    assert (await get_schedule(queue, "nightly")).state.running == (new,)
    # The step that decided is done; a worker that lives does the rest.
    async with ticking(queue):

        async def is_cancelled() -> bool:
            return (await get_run(queue, old)).state is RunState.CANCELLED

        await wait_until(is_cancelled, 10, "the end of the old run")

        async def is_settled() -> bool:
            return not await queue.redis.exists(queue.keys.superseded)

        await wait_until(is_settled, 10, "nothing left to cancel")
    assert (await get_run(queue, new)).state is RunState.ACTIVE


async def test_a_paused_schedule_starts_nothing_and_says_so(queue: JobQueue) -> None:
    """What came while it was paused is not made up for by itself."""
    await add(queue)
    await turn_back(queue, hour(-2))
    await pause_schedule(queue, "nightly", "the key is being renewed")
    await decide(queue, hour(-1))
    await decide(queue, hour(0))
    await resume_schedule(queue, "nightly")
    await decide(queue, hour(1))
    paused = (Fate.PAUSED, "the key is being renewed")
    assert await fates(queue) == [paused, paused, (Fate.FIRED, "")]
    with pytest.raises(UsageError) as raised:
        await resume_schedule(queue, "nightly")
    assert list(raised.value.fixes) == ["see how it stands:  promptmill schedule show nightly"]


async def test_a_run_that_failed_because_of_us_pauses_its_schedule(queue: JobQueue) -> None:
    """A broken set-up must not be paid for each night."""
    await add(queue, pause_on_failure=True)
    await turn_back(queue, hour(-2))
    await decide(queue, hour(-1))
    first = run_id_of("nightly", hour(-1))
    await end(queue, first, reason="the sandbox is gone")
    await decide(queue, hour(0))
    assert await fates(queue) == [
        (Fate.FAILED, "2 of its jobs failed because of us"),
        (Fate.PAUSED, f"run {first} failed: 2 of its jobs failed because of us"),
    ]


async def test_a_run_that_has_used_up_its_budget_is_over_for_its_schedule(queue: JobQueue) -> None:
    """Each run has a budget of its own: the next one must not wait for somebody to raise the last one's."""
    await add(queue, budget={"requests": 3})
    await turn_back(queue, hour(-2))
    await decide(queue, hour(-1))
    first = run_id_of("nightly", hour(-1))
    assert (await get_run(queue, first)).budget.requests == 3
    await stop_run_short(queue.redis, queue.keys, first, "3 requests", cause="budget-reached")
    await decide(queue, hour(0))
    assert await fates(queue) == [(Fate.FAILED, "it stands still: 3 requests"), (Fate.FIRED, "")]


async def test_a_run_that_somebody_paused_is_not_over(queue: JobQueue) -> None:
    """Whoever pauses a run wants to go on with it, not find three more beside it."""
    await add(queue)
    await turn_back(queue, hour(-2))
    await decide(queue, hour(-1))
    await pause_run(queue, run_id_of("nightly", hour(-1)), "")
    await decide(queue, hour(0))
    assert [fate for fate, _ in await fates(queue)] == [Fate.FIRED, Fate.SKIPPED]


async def test_jitter_moves_the_jobs_of_a_run_and_always_as_far(queue: JobQueue) -> None:
    """A hundred schedules of @hourly shall not ask the model in the same second."""
    schedule = await add(queue, jitter_seconds=300)
    table = Timetable(schedule.cron, schedule.zone)
    dues = [
        plan(schedule, table, hour(n - 1), hour(n)).steps[0].due
        for n in range(-20, 0)
        for _ in "ab"
    ]
    delays = [due - hour(n // 2 - 20) for n, due in enumerate(dues) if due is not None]
    assert len(delays) == 40
    assert all(timedelta() <= delay <= timedelta(seconds=300) for delay in delays)
    assert delays[::2] == delays[1::2]
    assert len(set(delays)) > 10


async def test_runs_by_hand_and_backfilled_ones_start_once(queue: JobQueue) -> None:
    """Somebody types it again, because the first answer was lost."""
    await add(queue)
    instants = [hour(-2), hour(-1)]
    first, again = [await start_by_hand(queue, "nightly", instants, "by hand") for _ in range(2)]
    assert list(first.values()) == [Fate.FIRED, Fate.FIRED]
    assert list(again.values()) == [None, None]
    assert await fates(queue) == [(Fate.FIRED, "by hand"), (Fate.FIRED, "by hand")]
    await pause_schedule(queue, "nightly", "")
    assert list((await start_by_hand(queue, "nightly", [hour(-3)], "")).values()) == [Fate.FIRED]


async def test_kept_again_nothing_changes_and_changed_words_keep_the_history(
    queue: JobQueue,
) -> None:
    """Every worker that starts keeps the schedules of its file once more."""
    schedule = await add(queue)
    await turn_back(queue, hour(-1))
    await decide(queue, hour(0))
    assert not (await put_schedule(queue, schedule)).is_changed
    changed = schedule.model_copy(update={"overlap": Overlap.ALLOW})
    assert (await put_schedule(queue, changed)).changes == ("overlap (was skip)",)
    state = (await get_schedule(queue, "nightly")).state
    assert (state.schedule.overlap, state.decided_to) == (Overlap.ALLOW, hour(0))
    assert len(await fates(queue)) == 1


async def test_a_removed_schedule_leaves_nothing_but_its_runs(queue: JobQueue) -> None:
    """Keys without an owner fill a Redis for years; a run that is still fed keeps the jobs it needs."""
    schedule = await add(queue)
    await turn_back(queue, hour(-1))
    await decide(queue, hour(0))
    await remove_schedule(queue, "nightly")
    assert await list_schedules(queue) == []
    with pytest.raises(ScheduleNotFoundError):
        await get_schedule(queue, "nightly")
    assert await queue.records.get_batch(schedule.template.name, 0)
    await end(queue, run_id_of("nightly", hour(0)))

    with pytest.raises(StoreError):
        await queue.records.get_batch(schedule.template.name, 0)
    keys = [key.decode() async for key in queue.redis.scan_iter()]
    assert [key for key in keys if "schedule" in key or "instants" in key] == []


async def test_jobs_of_two_runs_differ_in_their_names_alone(queue: JobQueue) -> None:
    """A template is written once, and read by every run."""
    await add(queue, n_jobs=3)
    await start_by_hand(queue, "nightly", [hour(-2), hour(-1)], "")
    found: list[PromptJob] = []
    async with ticking(queue):

        async def are_queued() -> bool:
            return len(await ids_queued(queue)) == 6

        await wait_until(are_queued, 10, "six jobs")
    for job_id in await ids_queued(queue):
        job = await queue.find(job_id)
        assert job is not None
        found.append(job)
    assert len({job.job_id for job in found}) == 6
    assert {job.run_id for job in found} == {run_id_of("nightly", hour(n)) for n in (-2, -1)}
    names = {"run_id": "x", "job_id": "x"}
    as_kept = [job.model_copy(update=names) for job in jobs_of_template(3)]
    assert {job.model_copy(update=names).to_json() for job in found} == {
        job.to_json() for job in as_kept
    }


def test_a_schedule_reads_back_as_it_was_written() -> None:
    """Workers of the next hour read what this command writes."""
    words = {
        "name": "n", "cron": "@daily", "zone": "UTC", "runs": "", "budget": {"usd": 0.1},
        "template": {"name": "n@1", "nBatches": 1, "nJobs": 1, "lane": "default:any:normal"},
    }  # fmt: skip
    schedule = Schedule.model_validate(words)
    assert Schedule.model_validate_json(schedule.to_json()) == schedule
    assert run_id_of("n", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "n@20260102T030405Z"
