"""Schedules as Redis has them: which there are, which are due, how one stands, and what became of its instants."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from arq.connections import ArqRedis

from jobs.clock import time_at
from jobs.connection import expecting_answer
from jobs.errors import ScheduleNotFoundError, UsageError
from jobs.keys import Keys
from jobs.queue import JobQueue
from jobs.scanning import members_of
from jobs.scripts import run_script

from .firing import Found
from .models import Instant, Schedule, ScheduleState

# A clock that shows less than somebody has seen of it was set back: no time is known any more at which to look next.
_DUE = """
local SCHEDULES, seen = ARGV[1], tonumber(ARGV[2])
local ms = now()
if ms < seen then
    for _, name in ipairs(redis.call('ZRANGE', SCHEDULES, 0, -1)) do
        redis.call('ZADD', SCHEDULES, 'XX', ms, name)
    end
end
return {string.format('%.0f', math.floor(ms)), redis.call('ZRANGEBYSCORE', SCHEDULES, '-inf', ms)}
"""


@dataclass(frozen=True)
class Due:
    """What is to be looked at now."""

    now: datetime
    """By the clock of Redis, which all workers share."""
    names: tuple[str, ...]
    """Of schedules."""


async def due_schedules(redis: ArqRedis, keys: Keys, seen_ms: float) -> Due:
    """The schedules that are to be looked at now; all of them if the clock shows less than it did before.

    Raises:
        RedisError, OSError: Redis did not answer.
    """
    now_ms, names = await run_script(redis, keys, _DUE, [keys.schedules, seen_ms])
    return Due(time_at(int(now_ms)), tuple(name.decode() for name in names))


async def superseded_runs(redis: ArqRedis, keys: Keys) -> list[str]:
    """The runs that are to be cancelled, because a newer one of their schedule is in their place.

    Raises:
        RedisError, OSError: Redis did not answer.
    """
    return await members_of(redis, keys.superseded)


async def find_schedule(redis: ArqRedis, keys: Keys, name: str) -> Found | None:
    """A schedule and how it stands; None if there is none of this name.

    Raises:
        RedisError, OSError: Redis did not answer.
        UsageError: this version cannot read it.
    """
    [found] = await _found(redis, keys, [name])
    return found


async def get_schedule(queue: JobQueue, name: str) -> Found:
    """A schedule and how it stands.

    Raises:
        ScheduleNotFoundError: there is none of this name.
        UsageError: this version cannot read it.
        RedisUnreachableError: Redis did not answer.
    """
    with expecting_answer(f"it cannot be told how schedule {name!r} is"):
        found = await find_schedule(queue.redis, queue.keys, name)
    if found is None:
        raise unknown_schedule(name)
    return found


def unknown_schedule(name: str) -> ScheduleNotFoundError:
    """The error that says so."""
    return ScheduleNotFoundError(
        f"there is no schedule {name!r}",
        fixes=["see which there are:  promptmill schedule list"],
    )


async def list_schedules(queue: JobQueue) -> list[ScheduleState]:
    """All schedules, by name.

    Raises:
        UsageError: this version cannot read one.
        RedisUnreachableError: Redis did not answer.
    """
    with expecting_answer("the schedules cannot be listed"):
        names = await queue.redis.zrange(queue.keys.schedules, 0, -1)
        found = await _found(queue.redis, queue.keys, sorted(name.decode() for name in names))
    return [each.state for each in found if each is not None]


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
    return Instant.model_validate({"at": time_at(int(at)), **json.loads(text)})


async def _found(redis: ArqRedis, keys: Keys, names: list[str]) -> list[Found | None]:
    async with redis.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.hgetall(keys.schedule(name))
        answers = await pipe.execute()
    return [
        _read(name, fields) if fields else None for name, fields in zip(names, answers, strict=True)
    ]


def _read(name: str, fields: Mapping[bytes, bytes]) -> Found:
    waiting, paused = fields.get(b"waiting"), fields.get(b"paused")
    try:
        state = ScheduleState(
            schedule=Schedule.model_validate_json(fields[b"definition"]),
            decided_to=time_at(int(fields[b"decidedTo"])),
            paused=None if paused is None else paused.decode(),
            running=tuple(fields.get(b"running", b"").decode().split()),
            waiting=None if waiting is None else time_at(int(json.loads(waiting)["at"])),
        )
    except (LookupError, ValueError):
        raise UsageError(
            f"schedule {name!r} was not kept by this version of promptmill",
            fixes=["use that version, or remove the schedule with it"],
        ) from None
    return Found(state, fields[b"definition"], fields[b"decidedTo"].decode())
