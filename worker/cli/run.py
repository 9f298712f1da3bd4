"""`promptmill run`: a run as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from config.escaping import escaped
from jobs.errors import ExitCode, UsageError
from jobs.verdicts import Verdict

from .asking import Reason, with_queue, with_redis
from .budget_flags import NO_BUDGET, BudgetFlags, budget_in, more_of, stopped_of, used_of
from .flags import NO_FLAGS, AsJson, SettingFlags, WholeNumber, read_settings
from .output import counted, emit, emit_json, talk
from .watching import NOBODY, is_left_alone

if TYPE_CHECKING:
    from jobs.budgets import Budget
    from jobs.cancellation import Cancelled
    from jobs.dead_letters import Retried
    from jobs.queue import JobQueue
    from jobs.runs import Run
    from worker.model.sent import SentBatch


def list_runs(
    *,
    limit: Annotated[WholeNumber, Parameter(validator=validators.Number(gte=1))] = 50,
    json: AsJson = False,
    flags: SettingFlags = NO_FLAGS,
) -> int:
    """Runs of the last 30 days, the newest first.

    Args:
        limit: runs at most.
        json: as JSON.
    """
    from jobs.runs import list_runs as runs_in

    runs = with_redis(flags, lambda redis: runs_in(redis, limit))
    if json:
        emit_json([_numbers(run) for run in runs])
        return ExitCode.OK
    if not runs:
        talk("there are no runs here yet; start one with: promptmill eval FILE")
    for run in runs:
        began = "-" if run.created_at is None else f"{run.created_at:%Y-%m-%d %H:%M}"
        n_jobs = run.ended + run.open
        solved = run.verdicts.get(Verdict.ACCEPTED, 0)
        ended = f"{run.ended:>7} of {n_jobs:<7} ended  {solved:>7} solved"
        emit(
            escaped(
                f"{run.run_id:<28}  {run.state_in_words:<12}  {began}  {ended}  {run.reason}".rstrip()
            )
        )
    return ExitCode.OK


def show_run(run_id: str, /, *, json: AsJson = False, flags: SettingFlags = NO_FLAGS) -> int:
    """How far a run is, and how its jobs ended.

    Args:
        run_id: its name.
        json: as JSON.
    """

    async def look(queue: JobQueue) -> tuple[Run, Counter[Verdict], int]:
        return *await _look(queue, run_id), len(await queue.live_workers())

    run, recorded, n_workers = with_queue(flags, look)
    if json:
        emit_json(
            {**_numbers(run), "recorded": dict(sorted(recorded.items())), "workers": n_workers}
        )
    else:
        for line in _lines(run, recorded):
            emit(escaped(line))
        if is_left_alone(run, n_workers):
            emit(f"workers    {NOBODY}")
    return ExitCode.OK


def pause_run(
    run_id: str,
    /,
    *,
    reason: Reason = "",
    json: AsJson = False,
    flags: SettingFlags = NO_FLAGS,
) -> int:
    """Start no more jobs of a run; those that workers hold stop before they next ask a model, and lose nothing.

    Args:
        run_id: its name.
        json: as JSON.
    """
    from jobs.run_control import pause_run as pause
    from jobs.runs import get_run

    async def paused(queue: JobQueue) -> tuple[int, Run]:
        return await pause(queue, run_id, reason), await get_run(queue, run_id)

    n, run = with_queue(flags, paused)
    # A worker holds more jobs than it runs programs at one time: what was answered already is judged to its end.
    n_running = max(0, run.open - run.held - run.to_feed)
    if json:
        emit_json({"runId": run_id, "state": "paused", "held": n, "running": n_running})
    else:
        go_on = f"let it go on with:  promptmill run resume {run_id}"
        running = (
            f", {n_running} are held by workers and stop before they next ask a model"
            if n_running
            else ""
        )
        talk(escaped(f"run {run_id} is paused, {counted(n, 'job')} set aside{running}; {go_on}"))
    return ExitCode.OK


def resume_run(
    run_id: str,
    /,
    *,
    budget: BudgetFlags = NO_BUDGET,
    lift_max_usd: Annotated[bool, Parameter(negative=())] = False,
    json: AsJson = False,
    flags: SettingFlags = NO_FLAGS,
) -> int:
    """Let a paused run go on; one that has used up its budget needs a larger one.

    Args:
        run_id: its name.
        lift_max_usd: let it cost whatever it takes, as where its model has no known price.
        json: as JSON.
    """
    from .checking import tell_obstacle

    reason, n, obstacle = with_queue(
        flags, lambda queue: _resume(queue, run_id, budget_in(budget), lifts_max_usd=lift_max_usd)
    )
    if json:
        words = {"resumed": n, "wasPausedFor": reason, "obstacle": obstacle}
        emit_json({"runId": run_id, "state": "active", **words})
    else:
        why = f"; it was paused: {reason}" if reason else ""
        aside = f"with {counted(n, 'job')} that had been set aside"
        talk(escaped(f"run {run_id} goes on, {aside}{why}"))
        tell_obstacle(obstacle)
    return ExitCode.OK


def cancel_run(
    run_id: str,
    /,
    *,
    reason: Reason = "",
    json: AsJson = False,
    flags: SettingFlags = NO_FLAGS,
) -> int:
    """Take every job of a run out of the queue, and stop the running ones; records stay.

    What was asked in batches is cancelled with Gemini, too.

    Args:
        run_id: its name.
        json: as JSON.
    """
    from jobs.run_control import cancel_run as cancel
    from jobs.runs import get_run

    async def cancelled(queue: JobQueue) -> tuple[int, Cancelled, list[str]]:
        run = await get_run(queue, run_id)
        # A command that waits for them forgets them as soon as the run is over.
        sent = await _sent_by(queue, run_id)
        done = await cancel(queue, run_id, reason)
        # One that was about to be made knows by now that it is not to be, or has been written down.
        known = {batch.own_id: batch for batch in (*sent, *await _sent_by(queue, run_id))}
        batches = await _cancelled(tuple(known.values()), flags) if known else []
        return run.to_feed, done, batches

    n_never, done, batches = with_queue(flags, cancelled)
    if json:
        words = {
            "cancelled": done.n_taken,
            "stopping": done.n_running,
            "neverQueued": n_never,
            "batches": batches,
        }
        emit_json({"runId": run_id, "state": "cancelled", **words})
    else:
        stopping = f", {done.n_running} more stop before their next step" if done.n_running else ""
        never = f", {n_never} were never queued" if n_never else ""
        taken = counted(done.n_taken, "job")
        asked = f", and with Gemini {', '.join(batches)}" if batches else ""
        talk(escaped(f"run {run_id} is cancelled: {taken} taken out{stopping}{never}{asked}"))
    return ExitCode.OK


async def _sent_by(queue: JobQueue, run_id: str) -> Sequence[SentBatch]:
    from worker.model.sent import SentBatches

    return await SentBatches(queue.redis, queue.keys, run_id).all()


async def _cancelled(sent: Sequence[SentBatch], flags: SettingFlags) -> list[str]:
    # Whatever asks Gemini takes long to load, and nearly no run was asked in batches.
    from .batch_api import cancel_batches

    return await cancel_batches(sent, read_settings(flags, quiet=True))


def retry_run(run_id: str, /, *, json: AsJson = False, flags: SettingFlags = NO_FLAGS) -> int:
    """Queue the jobs of a run again that failed because of us.

    Args:
        run_id: its name.
        json: as JSON.
    """
    from jobs.dead_letters import retry_run as retry

    async def retried(queue: JobQueue) -> tuple[Retried, int]:
        return await retry(queue, run_id), len(await queue.live_workers())

    done, n_workers = with_queue(flags, retried)
    if json:
        words = {"retried": list(done.job_ids), "unreadable": list(done.unreadable)}
        emit_json({"runId": run_id, **words, "workers": n_workers})
    else:
        for job_id in done.job_ids:
            emit(job_id)
        nobody = f"; {NOBODY}" if done.job_ids and not n_workers else ""
        talk(escaped(f"{counted(len(done.job_ids), 'job')} of run {run_id} queued again{nobody}"))
    if done.unreadable and not json:
        names = ", ".join(done.unreadable)
        talk(escaped(f"left as they are, since this version cannot read the jobs: {names}"))
    return ExitCode.INCOMPLETE if done.unreadable else ExitCode.OK


async def _resume(
    queue: JobQueue, run_id: str, budget: Budget, *, lifts_max_usd: bool
) -> tuple[str, int, str | None]:
    from jobs.run_control import lift_usd_limit, set_budget
    from jobs.run_control import resume_run as resume
    from jobs.runs import RunState, get_run

    from .checking import why_none_takes_jobs

    run = await get_run(queue, run_id)
    if budget.is_set:
        await set_budget(queue, run_id, budget)
    if lifts_max_usd:
        await lift_usd_limit(queue, run_id)
    run = await get_run(queue, run_id)
    is_out_of_budget = run.is_over_budget or run.is_stopped_by_price
    if is_out_of_budget and run.state is RunState.PAUSED:
        message, fixes = stopped_of(run)
        raise UsageError(
            message,
            facts={"used": ", ".join(used_of(run))},
            fixes=fixes,
            note="it stays paused",
        )
    n = await resume(queue, run_id)
    return run.reason, n, why_none_takes_jobs(await queue.live_workers())


async def _look(queue: JobQueue, run_id: str) -> tuple[Run, Counter[Verdict]]:
    from jobs.recorded import recorded_of
    from jobs.runs import Run, find_run, unknown_run_in

    run = await find_run(queue, run_id)
    recorded = (await recorded_of(queue.records, run_id)).verdicts
    if run is None and not recorded:
        raise await unknown_run_in(queue, run_id)
    # Redis forgets what ended long ago.
    return run or Run(run_id=run_id, verdicts=dict(recorded)), recorded


def _numbers(run: Run) -> dict[str, object]:
    return {**run.model_dump(mode="json", by_alias=True), "ended": run.ended, "open": run.open}


def _lines(run: Run, recorded: Counter[Verdict]) -> Iterator[str]:
    from jobs.runs import HandingOver

    began = "" if run.created_at is None else f"   since {run.created_at:%Y-%m-%d %H:%M:%S} UTC"
    why = f": {run.reason}" if run.reason else ""
    yield f"run        {run.run_id}   {run.state_in_words}{why}{began}"
    if run.part is not None:
        yield f"part       not all of the dataset: {run.part.in_words}"
    parts = [
        f"{run.open} open",
        *([f"{run.held} of them set aside"] if run.held else []),
        *([f"{run.to_feed} of them still to be queued"] if run.to_feed else []),
        f"{recorded.total()} recorded",
        *([f"{run.cancelled} cancelled"] if run.cancelled else []),
    ]
    yield f"jobs       {', '.join(parts)}"
    if run.handing_over is HandingOver.BROKEN_OFF:
        yield "go on      type the command again that left its jobs to the workers; it was killed, and none is queued"
    if run.spent.requests or run.budget.is_set:
        yield f"used       {', '.join(used_of(run))}"
    if run.is_stopped_by_budget:
        yield f"go on      {more_of(run)}"
    for verdict, n in sorted(recorded.items(), key=lambda item: -item[1]):
        yield f"           {verdict:<22}{n:>8}"
    if recorded[Verdict.INTERNAL_ERROR]:
        yield f"retry      promptmill run retry {run.run_id}"
    yield f"records    promptmill job list --run {run.run_id}"
