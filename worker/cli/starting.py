"""Begins the run that jobs are submitted to, or goes on with it, under its budget."""

from jobs.begun import Begun
from jobs.queue import JobQueue
from jobs.run_control import begin_run, count_again, set_budget, settle_way
from jobs.run_parts import settle_part
from jobs.runs import RunState, find_run
from jobs.ways import Way

from .batch import Batch
from .errors import MixedRunError


async def keep_to_one_way(queue: JobQueue, batch: Batch, *, adds_jobs: bool = True) -> None:
    """Make sure that all of the run is asked the same way, and is of the same part of its dataset.

    Nobody would work on what waits in the other place, and a report is of what was meant to be run. Whoever adds no
    jobs leaves it begun with what it was.

    Raises:
        MixedRunError: the run was begun otherwise.
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
    await _refuse_other_exclusions(queue, batch, batch.run_id)
    await _keep_to_one_part(queue, batch, batch.run_id, batch.begun if adds_jobs else None)


async def _refuse_other_exclusions(queue: JobQueue, batch: Batch, run_id: str) -> None:
    run = await find_run(queue, run_id)
    if (
        run is None
        or run.begun is None
        or run.state is RunState.CANCELLED
        or not run.submitted + run.to_feed
    ):
        return
    was, now = run.begun.left_out, batch.begun and batch.begun.left_out
    if (was and was.digest) != (now and now.digest):
        told = [
            f"with --exclude {each.path}" if each else "without --exclude" for each in (was, now)
        ]
        if was and now and was.path == now.path:
            told = [f"with {was.path} as it was then", "with what stands in it by now"]
        raise MixedRunError(
            f"run {run_id!r} was begun {told[0]}, and not {told[1]}",
            fixes=[
                "leave out the same rows as before",
                "or give this run another name with --run",
            ],
            note="nothing was queued",
        )


async def _keep_to_one_part(
    queue: JobQueue, batch: Batch, run_id: str, begun: Begun | None
) -> None:
    settled = await settle_part(queue, run_id, batch.part, begun)
    if settled != batch.part:
        was, now = (
            part.in_words if part else "all of its dataset" for part in (settled, batch.part)
        )
        raise MixedRunError(
            f"run {run_id!r} was begun with {was}, and not with {now}",
            fixes=[
                f"go on with what it was begun with:  --resume {run_id}",
                "or give this run another name with --run",
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
    await count_again(queue, batch.run_id, batch.n_jobs)
