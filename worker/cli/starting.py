"""Begins the run that jobs are submitted to, or goes on with it, under its budget."""

from jobs.budgets import set_budget
from jobs.queue import JobQueue
from jobs.run_control import begin_run
from jobs.ways import Way, settle_way

from .batch import Batch
from .errors import MixedRunError


async def keep_to_one_way(queue: JobQueue, batch: Batch) -> None:
    """Make sure that all of the run is asked the same way: nobody would work on what waits in the other place.

    Raises:
        MixedRunError: the run goes by batches and the command does not, or the other way round.
        RedisUnreachableError: Redis did not answer.
    """
    if batch.run_id is None:
        return
    way = Way.BATCH if batch.in_batches else Way.LIVE
    begun = await settle_way(queue, batch.run_id, way)
    if begun is not way:
        flag = "with --batch" if begun is Way.BATCH else "without --batch"
        raise MixedRunError(
            f"run {batch.run_id!r} was begun {flag}, and is asked one way to its end",
            fixes=[
                f"go on {flag}",
                "give this run another name with --run",
                f"or end it first:  promptmill run cancel {batch.run_id}",
            ],
            note="nothing was queued",
        )


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
