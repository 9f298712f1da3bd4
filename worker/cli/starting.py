"""Begins the run that jobs are submitted to, or goes on with it, under its budget."""

from jobs.budgets import set_budget
from jobs.queue import JobQueue
from jobs.run_control import begin_run

from .batch import Batch


async def start_run(queue: JobQueue, batch: Batch) -> None:
    """Let the jobs of the batch be worked on. A run whose budget is still used up stands still again before it asks.

    Raises:
        RedisUnreachableError: Redis did not answer.
    """
    if batch.run_id is None:
        return
    if batch.budget.is_set:
        await set_budget(queue, batch.run_id, batch.budget)
    await begin_run(queue, batch.run_id)
