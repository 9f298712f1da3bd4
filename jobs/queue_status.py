"""What waits in the queues, for how long, and who works on it; and how a queue is held."""

from dataclasses import dataclass

from .clock import milliseconds_of, utcnow
from .connection import expecting_answer
from .errors import UsageError
from .feeding import jobs_to_feed
from .identifiers import is_queue_name
from .keys import RUN_SECONDS
from .lanes import Lane
from .model_use import ModelUse, models_in_use
from .presence import WorkerPresence, live_workers
from .priorities import Priority
from .queue import JobQueue
from .runs import run_ids
from .scripts import run_script
from .wire import Wire

_STATUS = """
local ms, lanes = now(), {}
for _, lane in ipairs(redis.call('SMEMBERS', LANES)) do
    local due = redis.call('ZCOUNT', WAITING .. lane, '-inf', ms)
    local first = redis.call('ZRANGE', WAITING .. lane, 0, 0, 'WITHSCORES')[2]
    local age = due > 0 and first and math.floor(ms - tonumber(first)) or -1
    lanes[#lanes + 1] = {
        lane, due, redis.call('ZCARD', WAITING .. lane) - due, redis.call('ZCARD', LEASED .. lane), age}
end
return lanes
"""

_RESUME = """
call_out('due')
return redis.call('HDEL', ARGV[1], ARGV[2])
"""


class LaneStatus(Wire):
    """How many jobs of one kind there are."""

    queue: str
    answerer: str
    """Who is to answer: `gemini`, recordings, or `any`."""
    priority: Priority
    due: int
    """Wait for a worker."""
    deferred: int
    """Wait for their time."""
    leased: int
    """Are with a worker."""
    oldest_due_seconds: float | None
    """For how long the first of those that are due has been due."""


@dataclass(frozen=True)
class Backlog:
    """What waits, and who works on it: found out at the same cost however many runs there are."""

    lanes: tuple[LaneStatus, ...]
    dead: int
    """Jobs that failed because of us within the last weeks, and were not tried again."""
    workers: tuple[WorkerPresence, ...]


class QueueStatus(Wire):
    """All that waits, and who works."""

    lanes: tuple[LaneStatus, ...]
    paused: dict[str, str]
    """Paused queues, each with the reason."""
    held: dict[str, int]
    """Paused runs, each with the number of jobs that were set aside."""
    to_feed: dict[str, int]
    """Detached runs, each with the number of jobs that workers are still to queue."""
    dead: int
    """Jobs that failed because of us within the last weeks, and were not tried again."""
    workers: tuple[WorkerPresence, ...]
    models: tuple[ModelUse, ...]
    """What models are asked, and which are left alone after a 429."""


async def backlog_of(queue: JobQueue) -> Backlog:
    """What waits now.

    Raises:
        RedisUnreachableError: Redis did not answer.
    """
    redis, keys = queue.redis, queue.keys
    since = milliseconds_of(utcnow()) - RUN_SECONDS * 1000
    with expecting_answer("it cannot be told what waits"):
        lanes = await run_script(redis, keys, _STATUS, [])
        async with redis.pipeline(transaction=False) as pipe:
            pipe.zcount(keys.dead, since, "+inf")
            [dead] = await pipe.execute()
    workers = tuple(await live_workers(redis, keys))
    return Backlog(tuple(sorted(map(_lane, lanes), key=_in_reading_order)), dead, workers)


async def status_of(queue: JobQueue) -> QueueStatus:
    """How the queues are now.

    Raises:
        RedisUnreachableError: Redis did not answer.
    """
    redis, keys = queue.redis, queue.keys
    backlog = await backlog_of(queue)
    with expecting_answer("it cannot be told how the queues are"):
        runs = await run_ids(queue)
        async with redis.pipeline(transaction=False) as pipe:
            pipe.hgetall(keys.paused)
            for run_id in runs:
                pipe.zcard(keys.held(run_id))
            paused, *held = await pipe.execute()
        to_feed = await jobs_to_feed(redis, keys)
        models = await models_in_use(redis, keys)
    return QueueStatus(
        lanes=backlog.lanes,
        paused={name.decode(): reason.decode() for name, reason in sorted(paused.items())},
        held={run_id: n for run_id, n in zip(runs, held, strict=True) if n},
        to_feed=to_feed,
        dead=backlog.dead,
        workers=backlog.workers,
        models=tuple(models),
    )


async def pause_queue(queue: JobQueue, name: str, reason: str) -> None:
    """Let no worker take jobs from the queue of this name; those that are running go on.

    Raises:
        UsageError: no queue can have this name.
        RedisUnreachableError: Redis did not answer.
    """
    if not is_queue_name(name):
        raise UsageError(
            f"{name!r} cannot be the name of a queue",
            fixes=["see which there are: promptmill queue status"],
        )
    with expecting_answer(f"queue {name!r} is not paused"):
        async with queue.redis.pipeline(transaction=False) as pipe:
            pipe.hset(queue.keys.paused, name, reason)
            await pipe.execute()


async def resume_queue(queue: JobQueue, name: str) -> None:
    """Let workers take jobs from the queue again.

    Raises:
        UsageError: it is not paused.
        RedisUnreachableError: Redis did not answer.
    """
    with expecting_answer(f"queue {name!r} is not resumed"):
        words = [queue.keys.paused, name]
        n_paused: int = await run_script(queue.redis, queue.keys, _RESUME, words)
    if not n_paused:
        raise UsageError(
            f"queue {name!r} is not paused", fixes=["see which are: promptmill queue status"]
        )


def _lane(row: tuple[bytes, int, int, int, int]) -> LaneStatus:
    name, due, deferred, leased, age_ms = row
    lane = Lane.named(name.decode())
    return LaneStatus(
        queue=lane.queue,
        answerer=lane.answerer,
        priority=lane.priority,
        due=due,
        deferred=deferred,
        leased=leased,
        oldest_due_seconds=None if age_ms < 0 else age_ms / 1000,
    )


def _in_reading_order(lane: LaneStatus) -> tuple[str, int, str]:
    return lane.queue, list(Priority).index(lane.priority), lane.answerer
