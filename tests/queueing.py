"""What a worker does to a queue, done by hand, and looks at it."""

from arq.constants import in_progress_key_prefix, job_key_prefix

from jobs.events import JobFinished, publish
from jobs.models import PromptJob
from jobs.queue import JobQueue
from jobs.verdicts import Verdict
from tests.making import a_record

JOB = PromptJob(prompt="Print 1.", job_id="j")


async def n_queued(queue: JobQueue) -> int:
    n: int = await queue.redis.zcard(queue.keys.queue)
    return n


async def claim(queue: JobQueue, job_id: str) -> None:
    """What a worker does first."""
    await queue.redis.set(in_progress_key_prefix + job_id, "1", ex=60)


async def finish(queue: JobQueue, job: PromptJob) -> None:
    """What a worker does last."""
    await queue.records.put(a_record(job, Verdict.ACCEPTED))
    event = JobFinished(job_id=job.job_id, verdict=Verdict.ACCEPTED, solved_at=1)
    await publish(queue.redis, queue.keys, job.run_id or job.job_id, event)
    await queue.redis.zrem(queue.keys.queue, job.job_id)
    await queue.redis.delete(job_key_prefix + job.job_id, in_progress_key_prefix + job.job_id)


async def is_followed(queue: JobQueue) -> bool:
    clients = await queue.redis.client_list()
    return any(client["cmd"] == "xread" for client in clients)
