"""Schedules whose clock is set, which are changed at the wrong moment, and whose runs begin again."""

from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from jobs.clock import utcnow
from jobs.dead_letters import retry_run
from jobs.errors import ScheduleNotFoundError, UsageError
from jobs.queue import JobQueue
from jobs.run_control import stop_run_short
from jobs.schedules.deciding import MOST_AT_ONCE
from jobs.schedules.models import Fate, run_id_of
from jobs.schedules.policies import CatchUp, Overlap
from jobs.schedules.reading import get_schedule, list_schedules
from jobs.schedules.state import (
    pause_schedule,
    put_schedule,
    remove_schedule,
    resume_schedule,
    start_by_hand,
)
from tests.queueing import answer_of
from tests.scheduling import HOUR, add, decide, end, fates, hour, runs_of, ticking, turn_back
from tests.waiting import wait_until

MINUTE = timedelta(minutes=1)


async def test_a_clock_that_was_wrong_for_a_while_costs_no_instant_and_doubles_none(
    queue: JobQueue,
) -> None:
    """A machine that wakes up in the wrong year must not end a schedule in silence until then."""
    await add(queue, overlap=Overlap.ALLOW)
    await turn_back(queue, hour(-1))
    await decide(queue, hour(0))
    # Years ahead, all of it seems to have been missed but for the last one.
    await decide(queue, hour(5) + 5 * MINUTE)
    ahead = [Fate.FIRED, *4 * [Fate.MISSED], Fate.CAUGHT_UP]
    assert [fate for fate, _ in await fates(queue)] == ahead
    await decide(queue, hour(0) + 5 * MINUTE)
    assert (await get_schedule(queue, "nightly")).state.decided_to == hour(0) + 5 * MINUTE
    assert [fate for fate, _ in await fates(queue)] == [Fate.FIRED, Fate.CAUGHT_UP]
    for n in range(1, 7):
        await decide(queue, hour(n))
    again = [*5 * [Fate.FIRED], Fate.CAUGHT_UP, Fate.FIRED]
    assert [fate for fate, _ in await fates(queue)] == again
    assert await runs_of(queue) == [run_id_of("nightly", hour(n)) for n in range(7)]


async def test_what_a_clock_ahead_has_decided_is_found_by_the_next_worker(queue: JobQueue) -> None:
    """Nobody looks at a schedule before its next instant, and that would be years away."""
    await add(queue, "* * * * * *", overlap=Overlap.ALLOW)
    await decide(queue, utcnow() + 400 * 24 * HOUR)
    async with ticking(queue):

        async def has_come() -> bool:
            return any(fate is Fate.FIRED for fate, _ in await fates(queue))

        await wait_until(has_come, 10, "an instant of this year")
    assert (await get_schedule(queue, "nightly")).state.decided_to < utcnow() + HOUR


async def test_a_small_step_of_the_clock_decides_on_nothing_anew(queue: JobQueue) -> None:
    """Two servers of one Redis never show quite the same time."""
    await add(queue, catch_up=CatchUp.NONE)
    await turn_back(queue, hour(-3))
    await decide(queue, hour(0) + 5 * MINUTE)
    await decide(queue, hour(0) + 5 * MINUTE - timedelta(seconds=30))
    assert (await get_schedule(queue, "nightly")).state.decided_to == hour(0) + 5 * MINUTE


@pytest.mark.parametrize("n_missed", [MOST_AT_ONCE - 1, MOST_AT_ONCE, MOST_AT_ONCE + 40])
async def test_the_latest_of_very_many_instants_are_on_time(queue: JobQueue, n_missed: int) -> None:
    """A thousand that were missed are decided on at once, and the minute that is on time must not be among them."""
    await add(queue, "* * * * * *", n_jobs=1, overlap=Overlap.ALLOW)
    now = hour(0)
    await turn_back(queue, now - timedelta(seconds=n_missed))
    while (await get_schedule(queue, "nightly")).state.decided_to < now:
        await decide(queue, now)
    told = [fate for fate, _ in await fates(queue)]
    # A minute, and the second with which it began.
    assert told[-61:] == 61 * [Fate.FIRED]
    assert set(told[:-61]) == {Fate.MISSED}


async def test_an_instant_that_waits_when_somebody_pauses_is_paused_too(queue: JobQueue) -> None:
    """A row that says "waiting" for ever leaves its reader waiting."""
    await add(queue, overlap=Overlap.QUEUE_ONE)
    await turn_back(queue, hour(-2))
    await decide(queue, hour(-1))
    await decide(queue, hour(0))
    await pause_schedule(queue, "nightly", "holidays")
    await decide(queue, hour(0) + MINUTE)
    assert (await fates(queue))[1] == (Fate.PAUSED, "holidays")
    assert (await get_schedule(queue, "nightly")).state.waiting is None


async def test_what_came_while_it_was_paused_and_nobody_was_there_is_not_caught_up_with(
    queue: JobQueue,
) -> None:
    """Workers that start after the holidays know nothing of them, if the one who ended them has not said so."""
    await add(queue, catch_up=CatchUp.ALL)
    await turn_back(queue, hour(-3))
    await pause_schedule(queue, "nightly", "holidays")
    await resume_schedule(queue, "nightly")
    await decide(queue, hour(0) + HOUR)
    told = await fates(queue)
    assert told[:3] == 3 * [(Fate.PAUSED, "holidays")]
    assert told[3][0] is Fate.FIRED


async def test_what_has_come_before_a_schedule_is_changed_is_decided_on_by_its_old_words(
    queue: JobQueue,
) -> None:
    """Somebody changes the time in the very second in which it comes."""
    schedule = await add(queue)
    await turn_back(queue, hour(-1))
    changed = schedule.model_copy(update={"cron": "30 4 1 1 *"})
    assert (await put_schedule(queue, changed)).changes == ("cron (was 0 * * * *)",)
    assert [fate for fate, _ in await fates(queue)] in ([Fate.CAUGHT_UP], [Fate.FIRED])
    assert await runs_of(queue) == [run_id_of("nightly", hour(0))]


async def test_a_run_that_is_tried_again_is_not_over(queue: JobQueue) -> None:
    """Two runs at one time are what `skip` is there to prevent, whoever has begun the older one again."""
    await add(queue)
    await turn_back(queue, hour(-2))
    await decide(queue, hour(-1))
    first = run_id_of("nightly", hour(-1))
    await end(queue, first, reason="the sandbox is gone")
    await decide(queue, hour(-1) + MINUTE)
    assert (await get_schedule(queue, "nightly")).state.running == ()
    await retry_run(queue, first)
    await decide(queue, hour(0))
    assert (await fates(queue))[-1] == (Fate.SKIPPED, f"{first} was not over")


async def test_a_schedule_that_is_resumed_is_not_paused_by_the_same_failure_again(
    queue: JobQueue,
) -> None:
    """Who has mended the key resumes the schedule, and finds it paused in the morning by the old run."""
    await add(queue, pause_on_failure=True, overlap=Overlap.ALLOW)
    await turn_back(queue, hour(-2))
    await decide(queue, hour(-1))
    first = run_id_of("nightly", hour(-1))
    await stop_run_short(queue.redis, queue.keys, first, "wrong key", cause="model-key-invalid")
    await decide(queue, hour(-1) + MINUTE)
    paused = (await get_schedule(queue, "nightly")).state.paused
    assert paused == f"run {first} failed: it stands still: wrong key"
    # As `resume` does it, at an earlier time.
    await answer_of(queue.redis.hdel(queue.keys.schedule("nightly"), "paused"))
    await decide(queue, hour(0))
    assert [fate for fate, _ in await fates(queue)] == [Fate.FAILED, Fate.FIRED]


async def test_a_run_by_hand_is_told_by_itself_while_another_one_begins(queue: JobQueue) -> None:
    """What was started in the same step is not what was asked for."""
    await add(queue, overlap=Overlap.QUEUE_ONE)
    await start_by_hand(queue, "nightly", [hour(-9)], "by hand")
    await turn_back(queue, hour(-1))
    await decide(queue, hour(0))
    assert (await get_schedule(queue, "nightly")).state.waiting == hour(0)
    await end(queue, run_id_of("nightly", hour(-9)))
    again = await start_by_hand(queue, "nightly", [hour(-9)], "by hand")
    assert list(again.values()) == [None]
    assert [fate for fate, _ in await fates(queue)] == [Fate.FIRED, Fate.FIRED]


async def test_a_schedule_that_cannot_be_read_is_told_once_and_in_the_way_of_no_other(
    queue: JobQueue,
) -> None:
    """A newer version has kept one of its kind, and every night of all others would be missed for it."""
    await add(queue, "* * * * * *", overlap=Overlap.ALLOW)
    key = queue.keys.schedule("a-newer-one")
    await answer_of(queue.redis.hset(key, mapping={"definition": "{}", "decidedTo": "1"}))
    await queue.redis.zadd(queue.keys.schedules, {"a-newer-one": 0})
    with capture_logs() as logs:
        async with ticking(queue):

            async def have_come() -> bool:
                return len(await runs_of(queue)) >= 3

            await wait_until(have_come, 10, "three runs of the other one")
    told = [entry for entry in logs if entry.get("schedule") == "a-newer-one"]
    assert len(told) == 1
    assert "not kept by this version" in told[0]["error"]
    with pytest.raises(UsageError):
        await list_schedules(queue)


async def test_whoever_pauses_what_somebody_removes_leaves_nothing_behind(queue: JobQueue) -> None:
    """Half a schedule would stop every worker that comes to it."""
    await add(queue)
    await remove_schedule(queue, "nightly")
    with pytest.raises(ScheduleNotFoundError):
        await pause_schedule(queue, "nightly", "")
    assert not await queue.redis.exists(queue.keys.schedule("nightly"))


async def test_a_queue_over_an_open_client_leaves_it_open(queue: JobQueue) -> None:
    """A worker has one client, and everything in it asks by that one."""
    async with JobQueue(queue.redis, records=queue.records, prefix=queue.keys.prefix) as other:
        await add(other)
    assert [state.schedule.name for state in await list_schedules(queue)] == ["nightly"]


async def test_a_schedule_of_the_file_that_somebody_changes_is_told_as_such(
    queue: JobQueue,
) -> None:
    """The next worker that reads the file puts it back, and the one who has changed it has gone home."""
    schedule = await add(queue, declared_in="file")
    changed = schedule.model_copy(update={"overlap": Overlap.ALLOW})
    assert not (await put_schedule(queue, changed)).was_of_file
    by_hand = changed.model_copy(update={"declared_in": "command"})
    assert (await put_schedule(queue, by_hand)).was_of_file
