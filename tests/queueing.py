"""What a worker does to a queue, done by hand, and looks at it."""

import time
from collections.abc import Awaitable
from typing import TypeVar

from arq.constants import in_progress_key_prefix, job_key_prefix, retry_key_prefix
from redis.asyncio.client import Pipeline

from jobs.events import JobFinished, publish
from jobs.keys import RUN_SECONDS
from jobs.lanes import Lane, lane_of
from jobs.models import PromptJob
from jobs.queue import JobQueue
from jobs.verdicts import Verdict
from tests.making import a_record

_Answer = TypeVar("_Answer")

JOB = PromptJob(prompt="Print 1.", job_id="j")


async def answer_of(asked: Awaitable[_Answer] | _Answer) -> _Answer:
    """What the client gives in the end; its types leave open whether it has it at once."""
    return await asked if isinstance(asked, Awaitable) else asked


async def lanes_in(queue: JobQueue) -> list[Lane]:
    """The lanes that hold something."""
    names = await answer_of(queue.redis.smembers(queue.keys.lanes))
    return [Lane.named(name.decode()) for name in names]


async def ids_queued(queue: JobQueue) -> list[str]:
    """The jobs in all lanes, waiting or leased, in the order in which they wait."""
    found: list[bytes] = []
    for lane in await lanes_in(queue):
        for place in (lane.waiting(queue.keys), lane.leased(queue.keys)):
            found += await queue.redis.zrange(place, 0, -1)
    return [job_id.decode() for job_id in found]


async def field_of(queue: JobQueue, run_id: str, name: str) -> str | None:
    """What Redis knows of a run under this name."""
    value: object = await answer_of(queue.redis.hget(queue.keys.run(run_id), name))
    return value.decode() if isinstance(value, bytes) else None


async def n_queued(queue: JobQueue) -> int:
    return len(await ids_queued(queue))


async def claim(queue: JobQueue, job_id: str, *, lease_seconds: float = 60) -> None:
    """What a worker does first; a lease of less than no time is one that has ended."""
    job = await queue.find(job_id)
    assert job is not None
    lane, ending = lane_of(job), (time.time() + lease_seconds) * 1000
    async with queue.redis.pipeline(transaction=True) as pipe:
        pipe.zrem(lane.waiting(queue.keys), job_id)
        pipe.zadd(lane.leased(queue.keys), {job_id: ending})
        pipe.set(in_progress_key_prefix + job_id, "the worker's token")
        pipe.incr(retry_key_prefix + job_id)
        await pipe.execute()


async def put_back(queue: JobQueue, job: PromptJob, *, in_seconds: float = 0) -> None:
    """What a worker does with a job that it cannot finish."""
    lane, due = lane_of(job), (time.time() + in_seconds) * 1000
    async with queue.redis.pipeline(transaction=True) as pipe:
        pipe.zrem(lane.leased(queue.keys), job.job_id)
        pipe.zadd(lane.waiting(queue.keys), {job.job_id: due})
        pipe.delete(in_progress_key_prefix + job.job_id)
        await pipe.execute()


async def put_aside(queue: JobQueue, job: PromptJob) -> None:
    """What a worker does with a job of a paused run."""
    assert job.run_id is not None
    if await field_of(queue, job.run_id, "state") != "paused":
        await put_back(queue, job)
        return
    async with queue.redis.pipeline(transaction=True) as pipe:
        pipe.zrem(lane_of(job).leased(queue.keys), job.job_id)
        pipe.zadd(queue.keys.held(job.run_id), {job.job_id: time.time() * 1000})
        pipe.delete(in_progress_key_prefix + job.job_id)
        await pipe.execute()
    await _forget_empty(queue, lane_of(job))


async def finish(
    queue: JobQueue, job: PromptJob, verdict: Verdict = Verdict.ACCEPTED, *, reason: str = ""
) -> None:
    """What a worker does last; `reason` is why it failed with the job."""
    await queue.records.put(a_record(job, verdict, error=reason or None))
    event = JobFinished(job_id=job.job_id, verdict=verdict, solved_at=1)
    await publish(queue.redis, queue.keys, job.run_id or job.job_id, event)
    async with queue.redis.pipeline(transaction=True) as pipe:
        if job.run_id is not None:
            pipe.hincrby(queue.keys.run(job.run_id), f"verdict:{verdict}")
        if reason:
            pipe.zadd(queue.keys.dead, {job.job_id: time.time() * 1000})
            pipe.hset(
                queue.keys.dead_letter(job.job_id),
                mapping={
                    "reason": reason,
                    "job": job.to_json(),
                    "runId": job.run_id or "",
                    "deliveries": 5,
                    "worker": "w-1",
                    "at": "2026-01-02T12:00:00+00:00",
                },
            )
            pipe.expire(queue.keys.dead_letter(job.job_id), RUN_SECONDS)
        _forget(pipe, queue, job.job_id, lane_of(job))
        await pipe.execute()
    await _forget_empty(queue, lane_of(job))


def _forget(pipe: Pipeline, queue: JobQueue, job_id: str, lane: Lane) -> None:
    pipe.zrem(lane.leased(queue.keys), job_id)
    pipe.zrem(lane.waiting(queue.keys), job_id)
    pipe.delete(
        *(prefix + job_id for prefix in (job_key_prefix, in_progress_key_prefix, retry_key_prefix)),
        queue.keys.checkpoint(job_id),
        queue.keys.cancelled(job_id),
    )


async def _forget_empty(queue: JobQueue, lane: Lane) -> None:
    if not await queue.redis.exists(lane.waiting(queue.keys), lane.leased(queue.keys)):
        await answer_of(queue.redis.srem(queue.keys.lanes, lane.name))


async def is_followed(queue: JobQueue) -> bool:
    clients = await queue.redis.client_list()
    return any(client["cmd"] == "xread" for client in clients)
