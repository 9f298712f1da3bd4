"""`promptmill queue`: what waits, and who works."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from config.escaping import escaped
from jobs.errors import ExitCode, UsageError

from .asking import Reason, with_queue
from .errors import StoppedError
from .flags import NO_FLAGS, AsJson, SettingFlags, Switch, read_settings
from .output import counted, emit, emit_json, talk

if TYPE_CHECKING:
    from jobs.cancellation import Cancelled
    from jobs.queue import JobQueue
    from jobs.queue_status import LaneStatus, QueueStatus

_LOOK_SECONDS = 1.0


def show_queues(*, json: AsJson = False, flags: SettingFlags = NO_FLAGS) -> int:
    """What waits in the queues, for how long, who works on it, and what models are asked.

    Args:
        json: as JSON.
    """
    from jobs.queue_status import status_of

    status = with_queue(flags, status_of)
    if json:
        emit_json(status.model_dump(mode="json", by_alias=True))
    else:
        for line in _lines(status):
            emit(escaped(line))
    return ExitCode.OK


def pause_queue(
    name: str,
    /,
    *,
    reason: Reason = "",
    json: AsJson = False,
    flags: SettingFlags = NO_FLAGS,
) -> int:
    """Let no worker take jobs from a queue; running ones go on.

    Args:
        name: its name.
        json: as JSON.
    """
    from jobs.queue_status import pause_queue as pause
    from jobs.queue_status import status_of

    async def hold(queue: JobQueue) -> QueueStatus:
        await pause(queue, name, reason)
        return await status_of(queue)

    _note_if_unknown(with_queue(flags, hold), name)
    if json:
        emit_json({"queue": name, "paused": True})
    else:
        go_on = f"promptmill queue resume {name}"
        talk(escaped(f"queue {name} is paused; let it go on with:  {go_on}"))
    return ExitCode.OK


def resume_queue(name: str, /, *, json: AsJson = False, flags: SettingFlags = NO_FLAGS) -> int:
    """Let workers take jobs from a paused queue again.

    Args:
        name: its name.
        json: as JSON.
    """
    from jobs.queue_status import resume_queue as resume

    with_queue(flags, lambda queue: resume(queue, name))
    if json:
        emit_json({"queue": name, "paused": False})
    else:
        talk(escaped(f"queue {name} goes on"))
    return ExitCode.OK


def drain_queue(name: str, /, *, json: AsJson = False, flags: SettingFlags = NO_FLAGS) -> int:
    """Wait until nothing in a queue is due or with a worker; what is queued for later, or paused, is not waited for.

    Args:
        name: its name.
        json: as JSON.
    """
    from .looping import run_until_stopped
    from .opening import open_queue

    settings = read_settings(flags, quiet=True)

    async def drained() -> None:
        async with open_queue(settings) as queue:
            await _until_drained(queue, name)

    try:
        run_until_stopped(drained())
    except KeyboardInterrupt:
        raise StoppedError("stopped", note="what is queued stays queued") from None
    if json:
        emit_json({"queue": name, "drained": True})
    else:
        talk(escaped(f"nothing in queue {name} is due or running"))
    return ExitCode.OK


def _note_if_unknown(status: QueueStatus, name: str) -> None:
    """Say it if nobody knows a queue of this name: it may be one that is still to come, or a slip of the keyboard."""
    queued = {lane.queue for lane in status.lanes}
    served = {queue for worker in status.workers for queue in worker.queues}
    if name in queued | served:
        return
    others = ", ".join(sorted(queued | served)) or "none"
    talk(
        escaped(
            f"note: nothing is queued in {name}, and no live worker takes from it; queues there are: {others}"
        )
    )


async def _until_drained(queue: JobQueue, name: str) -> None:
    """Look at the queue until it is worked off.

    Raises:
        UsageError: no queue can have this name, or nobody would ever work it off.
    """
    from jobs.queue_status import status_of

    told = 0
    while True:
        status = await status_of(queue)
        lanes = [lane for lane in status.lanes if lane.queue == name]
        n_left = sum(lane.due + lane.leased for lane in lanes)
        if not n_left:
            if not told:
                _note_if_unknown(status, name)
            return
        if name in status.paused:
            raise UsageError(
                f"queue {name!r} is paused, and will not be worked off",
                fixes=[f"promptmill queue resume {name}"],
            )
        if n_left != told:
            talk(f"{counted(n_left, 'job')} to go")
            told = n_left
        await asyncio.sleep(_LOOK_SECONDS)


def purge_queue(
    name: str,
    /,
    *,
    yes: Switch = False,
    json: AsJson = False,
    flags: SettingFlags = NO_FLAGS,
) -> int:
    """Take every job out of a queue and stop the running ones; they leave no record, and are gone.

    Args:
        name: its name.
        yes: do it; without it nothing is done.
        json: as JSON.
    """
    from jobs.queue_status import status_of
    from jobs.selecting import Selection, cancel_selected

    if not yes:
        raise UsageError(
            f"all jobs of queue {name!r} would be gone",
            fixes=[
                f"see what they are:  promptmill job cancel --queue {name} --dry-run",
                f"if that is what you want:  promptmill queue purge {name} --yes",
            ],
            note="nothing was cancelled",
        )

    async def purge(queue: JobQueue) -> tuple[QueueStatus, Cancelled]:
        # Afterwards a queue that was known may be empty.
        return await status_of(queue), await cancel_selected(queue, Selection(queue=name))

    status, found = with_queue(flags, purge)
    _note_if_unknown(status, name)
    if json:
        emit_json({"queue": name, "cancelled": found.n_taken, "running": found.n_running})
    else:
        running = f", {found.n_running} that are running are told to stop"
        talk(f"{counted(found.n_taken, 'job')} cancelled{running if found.n_running else ''}")
    return ExitCode.OK


def _lines(status: QueueStatus) -> Iterator[str]:
    if status.lanes:
        yield f"{'queue':<20}{'answered by':<20}{'priority':<10}{'due':>8}{'later':>8}{'running':>9}   oldest"
    else:
        yield "nothing is queued"
    for lane in status.lanes:
        counts = f"{lane.due:>8}{lane.deferred:>8}{lane.leased:>9}   {_age(lane)}"
        yield f"{lane.queue:<20}{lane.answerer:<20}{lane.priority:<10}{counts}"
    yield from _lines_beside(status)
    for use in status.models:
        pause = f"; left alone for {use.paused_seconds:.0f} s more, after a 429"
        under_way = f"{use.under_way} under way" + (pause if use.paused_seconds else "")
        sent = f"{counted(use.requests, 'request')} on {use.day}"
        yield f"model      {use.model} (key {use.account})   {sent}, {under_way}"
    for worker in status.workers:
        queues = ", ".join(worker.queues)
        yield f"worker     {worker.worker_id}   answers with {worker.model}   takes from {queues}"
        if worker.takes_none is not None:
            yield f"           takes no job now: {worker.takes_none}"
    if not status.workers:
        yield "worker     none has been heard of; start one:  promptmill worker"


def _lines_beside(status: QueueStatus) -> Iterator[str]:
    """What stands in no lane, or keeps a lane from moving."""
    for name, reason in status.paused.items():
        yield f"paused     queue {name}{f': {reason}' if reason else ''}"
    for run_id, n in status.held.items():
        yield f"set aside  {counted(n, 'job')} of run {run_id}"
    for run_id, n in status.to_feed.items():
        yield f"to come    {counted(n, 'job')} of run {run_id}, which workers queue as there is room"
    if status.dead:
        yield (
            f"failed     {counted(status.dead, 'job')} because of us; again with:  promptmill run retry RUN, "
            "or promptmill job retry ID"
        )


def _age(lane: LaneStatus) -> str:
    return "-" if lane.oldest_due_seconds is None else f"{lane.oldest_due_seconds:.0f} s"
