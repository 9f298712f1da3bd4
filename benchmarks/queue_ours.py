"""What ours does with no-op jobs: `python -m benchmarks.queue_ours REDIS_URL N_JOBS`, told as by `queue_peers`."""

import asyncio
import sys
import time
from datetime import datetime

from pydantic import JsonValue

from jobs.events import JobFinished
from jobs.identifiers import DEFAULT_QUEUE
from jobs.lanes import lanes_served
from jobs.models import PromptJob
from jobs.queue import JobQueue
from jobs.records.memory import MemoryRecordStore
from jobs.verdicts import Verdict
from worker.consumer.claims import Claim, Claims
from worker.consumer.endings import Ending, Endings, Recorded
from worker.consumer.worker import JobWorker, WorkerOptions

from .queue_peers import report

_AT_ONCE = 50
_PROMPT = "x" * 200
_LEASE_SECONDS = 15


async def main(url: str, n_jobs: int) -> None:
    """Queue the jobs, work them off, and say what one took."""
    async with JobQueue(url, records=MemoryRecordStore()) as queue:
        jobs = {
            f"j{n}": PromptJob(prompt=_PROMPT, job_id=f"j{n}", run_id="r", sample=n)
            for n in range(n_jobs)
        }
        began = time.perf_counter()
        await queue.submit_all(jobs.values())
        submit_seconds = time.perf_counter() - began
        times: list[float] = []

        async def noop(claim: Claim, payload: dict[str, JsonValue], queued_at: datetime) -> Ending:
            times.append(time.perf_counter())
            event = JobFinished(job_id=claim.job_id, verdict=Verdict.ACCEPTED, solved_at=1)
            return Recorded(jobs[claim.job_id], event)

        lanes = lanes_served([DEFAULT_QUEUE], "gemini")
        worker = JobWorker(
            Claims(queue.redis, queue.keys, "w", lanes, _LEASE_SECONDS),
            Endings(queue.redis, queue.keys, queue.records, "w"),
            noop,
            WorkerOptions(max_jobs=_AT_ONCE, drain_seconds=0, burst=True),
        )
        cpu_began = time.process_time()
        await worker.run_to_end()
        run_seconds = times[-1] - times[0]
        cpu_seconds = time.process_time() - cpu_began
    if len(times) != n_jobs:
        raise AssertionError(f"{len(times)} jobs ran, of {n_jobs}")
    report(submit_seconds / n_jobs, run_seconds / n_jobs, cpu_seconds / n_jobs)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
