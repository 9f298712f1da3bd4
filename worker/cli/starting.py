"""Begins the run that jobs are submitted to, or goes on with it, under its budget."""

from jobs.budgets import set_budget
from jobs.queue import JobQueue
from jobs.run_control import begin_run, resume_run
from jobs.runs import find_run

from .batch import Batch


async def start_run(queue: JobQueue, batch: Batch) -> None:
    """Let the jobs of the batch be worked on; one that has used up its budget goes on if it is given more.

    Raises:
        RedisUnreachableError: Redis did not answer.
    """
    if batch.run_id is None:
        return
    await begin_run(queue, batch.run_id)
    if not batch.budget.is_set:
        return
    await set_budget(queue, batch.run_id, batch.budget)
    run = await find_run(queue, batch.run_id)
    if run is not None and run.is_stopped_by_budget and not run.is_over_budget:
        await resume_run(queue, batch.run_id)
