"""Leaves a run to the workers, and says who they are."""

from collections.abc import Sequence
from datetime import datetime

from config.escaping import escaped
from config.settings import Settings
from jobs.errors import ExitCode
from jobs.handing_over import hand_over
from jobs.presence import WorkerPresence, is_replayed
from jobs.reports.text import SIMULATED_NOTE
from jobs.runs import HandingOver, find_run

from .batch import Batch
from .checking import (
    check_languages,
    model_meant,
    models_of,
    nothing_queued_yet,
    refuse_mixed_run,
    tell_obstacle,
    tell_unchecked,
    why_none_takes_jobs,
)
from .opening import open_queue
from .output import counted, emit, emit_json, talk
from .resuming import worker_command
from .starting import keep_to_one_way, start_run


async def detach(settings: Settings, batch: Batch, at: datetime | None, *, as_json: bool) -> int:
    """Hand the jobs of a run over to the workers, which queue them; its name goes to standard output.

    One that they are at already is left to them as it is.

    Raises:
        PromptmillError: nothing was queued.
    """
    run_id = batch.run_id or ""
    with nothing_queued_yet(settings):
        async with open_queue(settings) as queue:
            workers = await queue.live_workers()
            batch = batch.for_model(model_meant(settings, workers))
            check_languages(batch, [worker for worker in workers if batch.is_for(worker)])
            await refuse_mixed_run(queue, batch)
            run = await find_run(queue, run_id)
            n_before = 0 if run is None else run.to_feed
            is_under_way = run is not None and run.handing_over is HandingOver.UNDER_WAY
            await keep_to_one_way(queue, batch, adds_jobs=not (n_before or is_under_way))
            await start_run(queue, batch)
            n_jobs = n_before or await hand_over(queue, run_id, batch.jobs(), at=at)
    if as_json:
        emit_json({"runId": run_id, "jobs": n_jobs})
    else:
        emit(run_id)
    tell_who_works(workers, batch)
    already = " already, and none was added" if n_before else ""
    watch = f"watch them:  promptmill run watch {run_id}"
    told = f"{counted(n_jobs, 'job')} left to the workers{already}; {watch}"
    if not n_jobs:
        told = f"every job of run {run_id} has its record; read them:  promptmill report {run_id}"
    talk(escaped(told))
    return ExitCode.OK


def tell_who_works(workers: Sequence[WorkerPresence], batch: Batch) -> None:
    """Say how to start a worker where none takes the jobs, and what their results will not tell."""
    able = [worker for worker in workers if batch.is_for(worker)]
    tell_obstacle(why_none_takes_jobs(able))
    if not able:
        who = f"the running workers answer with {models_of(workers)}"
        nobody = who if workers else "no worker has been heard of yet"
        talk(f"queued for {batch.model}; {nobody}. Start one:  {worker_command(batch)}")
    tell_unchecked(batch)
    if is_replayed(batch.model or ""):
        talk(SIMULATED_NOTE)
