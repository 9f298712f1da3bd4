"""`promptmill queue`: what waits, and who works."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from config.escaping import escaped
from jobs.errors import ExitCode

from .asking import Reason, with_queue
from .flags import NO_FLAGS, AsJson, SettingFlags
from .output import counted, emit, emit_json, talk

if TYPE_CHECKING:
    from jobs.queue_status import LaneStatus, QueueStatus


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

    with_queue(flags, lambda queue: pause(queue, name, reason))
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
