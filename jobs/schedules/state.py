"""Schedules in Redis: how they are kept, changed, held, decided on, and started by hand."""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from arq.connections import ArqRedis

from jobs.clock import time_at, utcnow
from jobs.connection import expecting_answer
from jobs.errors import UsageError
from jobs.keys import Keys
from jobs.queue import JobQueue
from jobs.scripts import run_script

from .deciding import Plan, Step, plan
from .firing import Found, fire
from .models import Fate, Schedule, changes_between, run_id_of
from .reading import find_schedule, get_schedule, unknown_schedule
from .templates import drop_if_unused
from .times import Timetable

_MOST_TRIES = 20

# One that somebody else has removed by now is decided on from now on.
_PUT = """
local SCHEDULE, SCHEDULES, name, definition, is_moved = unpack(ARGV)
redis.call('HSET', SCHEDULE, 'definition', definition)
if is_moved == '1' or redis.call('HEXISTS', SCHEDULE, 'decidedTo') == 0 then
    redis.call('HSET', SCHEDULE, 'decidedTo', string.format('%.0f', math.floor(now())))
end
redis.call('ZADD', SCHEDULES, now(), name)
"""

_PAUSE = """
local SCHEDULE, SCHEDULES, name, reason = unpack(ARGV)
if redis.call('EXISTS', SCHEDULE) == 0 then return 0 end
redis.call('HSET', SCHEDULE, 'paused', reason)
redis.call('ZADD', SCHEDULES, now(), name)
return 1
"""


@dataclass(frozen=True)
class Kept:
    """What keeping a schedule has done."""

    is_new: bool
    changes: tuple[str, ...] = ()
    """What has changed of one that was there before, in words; empty if nothing has."""
    was_of_file: bool = False
    """It was declared in a file, and is not any more."""

    @property
    def is_changed(self) -> bool:
        """Whether anything is not as it was before."""
        return self.is_new or bool(self.changes)


async def put_schedule(queue: JobQueue, schedule: Schedule) -> Kept:
    """Keep a schedule in the place of one of the same name, if there is one; says what has changed.

    Its instants are decided on from now on. One that was there before goes on where it was, history, runs and
    pause included; if it comes at other times from now on, what has come is decided on by its words so far.

    Raises:
        RedisUnreachableError: Redis did not answer.
        StoreError: the jobs of the one before cannot be removed.
        UsageError: this version cannot read the one before.
    """
    redis, keys, name = queue.redis, queue.keys, schedule.name
    definition = schedule.to_json()
    with expecting_answer(f"schedule {name!r} was not kept"):
        before = await find_schedule(redis, keys, name)
        if before is not None and before.definition == definition.encode():
            return Kept(is_new=False)
        is_moved = before is not None and _when(before.state.schedule) != _when(schedule)
        if is_moved:
            # Of a zone that is known elsewhere only, nothing can be told.
            with contextlib.suppress(UsageError):
                await _settle(redis, keys, name)
        words: list[str | int] = [
            keys.schedule(name),
            keys.schedules,
            name,
            definition,
            int(is_moved),
        ]
        await run_script(redis, keys, _PUT, words)
        if before is None:
            return Kept(is_new=True)
        await drop_if_unused(redis, keys, queue.records, before.state.schedule.template.name)
    old = before.state.schedule
    was_of_file = old.declared_in == "file" != schedule.declared_in
    return Kept(is_new=False, changes=changes_between(old, schedule), was_of_file=was_of_file)


def _when(schedule: Schedule) -> tuple[str, str]:
    return schedule.cron, schedule.zone


async def remove_schedule(queue: JobQueue, name: str) -> Schedule:
    """Forget a schedule and its history; its runs go on. Gives what it was.

    Raises:
        ScheduleNotFoundError: there is none of this name.
        RedisUnreachableError: Redis did not answer.
        StoreError: its jobs cannot be removed; they are in nobody's way.
    """
    schedule = (await get_schedule(queue, name)).state.schedule
    redis, keys = queue.redis, queue.keys
    with expecting_answer(f"schedule {name!r} is not removed"):
        async with redis.pipeline(transaction=True) as pipe:
            pipe.zrem(keys.schedules, name)
            pipe.delete(keys.schedule(name), keys.instants(name))
            await pipe.execute()
        await drop_if_unused(redis, keys, queue.records, schedule.template.name)
    return schedule


async def pause_schedule(queue: JobQueue, name: str, note: str) -> None:
    """Start nothing for the instants of a schedule until it is resumed; runs that are under way go on.

    Raises:
        ScheduleNotFoundError: there is none of this name.
        RedisUnreachableError: Redis did not answer.
    """
    keys = queue.keys
    words = [keys.schedule(name), keys.schedules, name, note or "somebody paused it"]
    with expecting_answer(f"schedule {name!r} is not paused"):
        is_there = await run_script(queue.redis, keys, _PAUSE, words)
    if not is_there:
        raise unknown_schedule(name)


async def resume_schedule(queue: JobQueue, name: str) -> None:
    """Let a paused schedule go on; what came while it was paused stays as it is.

    Raises:
        ScheduleNotFoundError: there is none of this name.
        UsageError: it is not paused.
        RedisUnreachableError: Redis did not answer.
    """
    found = await get_schedule(queue, name)
    if found.state.paused is None:
        raise UsageError(
            f"schedule {name!r} is not paused",
            fixes=[f"see how it stands:  promptmill schedule show {name}"],
        )
    with expecting_answer(f"schedule {name!r} is not resumed"):
        # Perhaps no worker was there, and to the next one all of it would have been missed.
        await _settle(queue.redis, queue.keys, name)
        async with queue.redis.pipeline(transaction=True) as pipe:
            pipe.hdel(queue.keys.schedule(name), "paused")
            await pipe.execute()


async def start_by_hand(
    queue: JobQueue, name: str, instants: Iterable[datetime], reason: str
) -> dict[str, Fate | None]:
    """Start runs for these instants, whatever was decided on them before, and whether the schedule is paused or not.

    Gives what became of each, by the name of its run; None where there is that run already.

    Raises:
        ScheduleNotFoundError: there is no schedule of this name.
        RedisUnreachableError: Redis did not answer; doing it again starts nothing twice.
    """
    fates: dict[str, Fate | None] = {}
    for at in instants:
        for _ in range(_MOST_TRIES):
            found = await get_schedule(queue, name)
            step = Step(at, Fate.FIRED, reason, past_overlap=True)
            one = Plan((step,), found.state.decided_to, utcnow())
            with expecting_answer(f"not every run of schedule {name!r} was started"):
                done = await fire(queue.redis, queue.keys, found, one, by_hand=True)
            if done is not None:
                is_started = done.get(at) is Fate.FIRED
                fates[run_id_of(name, at)] = Fate.FIRED if is_started else None
                break
        else:
            raise UsageError(f"schedule {name!r} is busy", fixes=["type it again"])
    return fates


async def decide(
    redis: ArqRedis, keys: Keys, name: str, now: datetime
) -> dict[datetime, Fate] | None:
    """Decide on the instants of a schedule that have come; gives what became of those that were touched.

    None if somebody else does at the same time, or if there is no such schedule any more.

    Raises:
        UsageError: this version cannot read it, or there is no such time zone here.
        RedisError, OSError: Redis did not answer; doing it again changes nothing if it did.
    """
    found = await find_schedule(redis, keys, name)
    return None if found is None else await _decide_on(redis, keys, found, now)


async def _decide_on(
    redis: ArqRedis, keys: Keys, found: Found, now: datetime
) -> dict[datetime, Fate] | None:
    schedule = found.state.schedule
    timetable = Timetable(schedule.cron, schedule.zone)
    return await fire(redis, keys, found, plan(schedule, timetable, found.state.decided_to, now))


async def _settle(redis: ArqRedis, keys: Keys, name: str) -> None:
    """Decide on all instants that have come by now, before something else is in force."""
    seconds, microseconds = await redis.time()
    now = time_at(1000 * seconds + microseconds // 1000)
    while (found := await find_schedule(redis, keys, name)) and found.state.decided_to < now:
        await _decide_on(redis, keys, found, now)
