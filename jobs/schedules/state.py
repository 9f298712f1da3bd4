"""Schedules in Redis: how they are kept, changed, held and looked at."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from arq.connections import ArqRedis

from jobs.clock import milliseconds_of, utcnow
from jobs.connection import expecting_answer
from jobs.errors import ScheduleNotFoundError, UsageError
from jobs.keys import Keys
from jobs.queue import JobQueue

from .deciding import Plan, Step
from .firing import Found, fire
from .models import Fate, Instant, Schedule, ScheduleState, changes_between, run_id_of
from .templates import drop_if_unused

_MOST_TRIES = 20


async def due_schedules(redis: ArqRedis, keys: Keys) -> list[Found]:
    """The schedules that are to be looked at now.

    Raises:
        RedisError, OSError: Redis did not answer.
        ValueError: one was not written by this version.
    """
    now = milliseconds_of(utcnow())
    names = await redis.zrangebyscore(keys.schedules, "-inf", now)
    return await _found(redis, keys, [name.decode() for name in names])


async def superseded_runs(redis: ArqRedis, keys: Keys) -> list[str]:
    """The runs that are to be cancelled, because a newer one of their schedule is in their place.

    Raises:
        RedisError, OSError: Redis did not answer.
    """
    async with redis.pipeline(transaction=False) as pipe:
        pipe.smembers(keys.superseded)
        [names] = await pipe.execute()
    return sorted(name.decode() for name in names)


async def list_schedules(queue: JobQueue) -> list[ScheduleState]:
    """All schedules, by name.

    Raises:
        RedisUnreachableError: Redis did not answer.
    """
    with expecting_answer("the schedules cannot be listed"):
        names = await queue.redis.zrange(queue.keys.schedules, 0, -1)
        found = await _found(queue.redis, queue.keys, sorted(name.decode() for name in names))
    return [each.state for each in found]


async def get_schedule(queue: JobQueue, name: str) -> Found:
    """A schedule and how it stands.

    Raises:
        ScheduleNotFoundError: there is none of this name.
        RedisUnreachableError: Redis did not answer.
    """
    with expecting_answer(f"it cannot be told how schedule {name!r} is"):
        found = await _found(queue.redis, queue.keys, [name])
    if not found:
        raise ScheduleNotFoundError(
            f"there is no schedule {name!r}",
            fixes=["see which there are:  promptmill schedule list"],
        )
    return found[0]


@dataclass(frozen=True)
class Kept:
    """What keeping a schedule has done."""

    is_new: bool
    changes: tuple[str, ...] = ()
    """What has changed of one that was there before, in words; empty if nothing has."""

    @property
    def is_changed(self) -> bool:
        """Whether anything is not as it was before."""
        return self.is_new or bool(self.changes)


async def put_schedule(queue: JobQueue, schedule: Schedule) -> Kept:
    """Keep a schedule in the place of one of the same name, if there is one; says what has changed.

    Its instants are decided on from now on. One that was there before goes on where it was, history, runs and
    pause included, unless it comes at other times.

    Raises:
        RedisUnreachableError: Redis did not answer.
        StoreError: the jobs of the one before cannot be removed.
    """
    redis, keys, name = queue.redis, queue.keys, schedule.name
    definition = schedule.to_json()
    with expecting_answer(f"schedule {name!r} was not kept"):
        before = await _found(redis, keys, [name])
        if before and before[0].definition == definition.encode():
            return Kept(is_new=False)
        now = milliseconds_of(utcnow())
        async with redis.pipeline(transaction=True) as pipe:
            if not before or _when(before[0].state.schedule) != _when(schedule):
                pipe.hset(keys.schedule(name), "decidedTo", str(now))
            pipe.hset(keys.schedule(name), "definition", definition)
            pipe.zadd(keys.schedules, {name: now})
            await pipe.execute()
        for each in before:
            old = each.state.schedule.template.name
            await drop_if_unused(redis, keys, queue.records, old)
            return Kept(is_new=False, changes=changes_between(each.state.schedule, schedule))
    return Kept(is_new=True)


async def remove_schedule(queue: JobQueue, name: str) -> None:
    """Forget a schedule and its history; its runs go on.

    Raises:
        ScheduleNotFoundError: there is none of this name.
        RedisUnreachableError: Redis did not answer.
        StoreError: its jobs cannot be removed; they are in nobody's way.
    """
    found = await get_schedule(queue, name)
    redis, keys = queue.redis, queue.keys
    with expecting_answer(f"schedule {name!r} is not removed"):
        async with redis.pipeline(transaction=True) as pipe:
            pipe.zrem(keys.schedules, name)
            pipe.delete(keys.schedule(name), keys.instants(name))
            await pipe.execute()
        await drop_if_unused(redis, keys, queue.records, found.state.schedule.template.name)


async def pause_schedule(queue: JobQueue, name: str, note: str) -> None:
    """Start nothing for the instants of a schedule until it is resumed; runs that are under way go on.

    Raises:
        ScheduleNotFoundError: there is none of this name.
        RedisUnreachableError: Redis did not answer.
    """
    await get_schedule(queue, name)
    with expecting_answer(f"schedule {name!r} is not paused"):
        async with queue.redis.pipeline(transaction=True) as pipe:
            pipe.hset(queue.keys.schedule(name), "paused", note or "somebody paused it")
            pipe.hdel(queue.keys.schedule(name), "waiting")
            await pipe.execute()


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
                run_id = run_id_of(name, at)
                fates[run_id] = Fate.FIRED if Fate.FIRED in done else None
                break
        else:
            raise UsageError(f"schedule {name!r} is busy", fixes=["type it again"])
    return fates


async def history_of(queue: JobQueue, name: str, limit: int) -> list[Instant]:
    """What became of the instants of a schedule, the latest first, so many at most.

    Raises:
        ScheduleNotFoundError: there is none of this name.
        RedisUnreachableError: Redis did not answer.
    """
    await get_schedule(queue, name)
    with expecting_answer(f"it cannot be told what became of schedule {name!r}"):
        rows = await queue.redis.zrevrange(queue.keys.instants(name), 0, limit - 1)
    return [_instant(row) for row in rows]


def _instant(row: bytes) -> Instant:
    at, _, text = row.partition(b" ")
    return Instant.model_validate({"at": _time(at), **json.loads(text)})


async def _found(redis: ArqRedis, keys: Keys, names: list[str]) -> list[Found]:
    async with redis.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.hgetall(keys.schedule(name))
        answers = await pipe.execute()
    return [_read(fields) for fields in answers if b"definition" in fields]


def _read(fields: Mapping[bytes, bytes]) -> Found:
    waiting = fields.get(b"waiting")
    paused = fields.get(b"paused")
    state = ScheduleState(
        schedule=Schedule.model_validate_json(fields[b"definition"]),
        decided_to=_time(fields[b"decidedTo"]),
        paused=None if paused is None else paused.decode(),
        running=tuple(fields.get(b"running", b"").decode().split()),
        waiting=None if waiting is None else _time(json.loads(waiting)["at"]),
    )
    return Found(state, fields[b"definition"], fields[b"decidedTo"].decode())


def _when(schedule: Schedule) -> tuple[str, str]:
    return schedule.cron, schedule.zone


def _time(ms: bytes | str) -> datetime:
    return datetime.fromtimestamp(int(ms) / 1000, UTC)
