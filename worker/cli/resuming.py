"""How a command that broke off is typed again, so that nothing is queued or paid for twice."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from config.escaping import escaped
from config.redaction import redact_known_forms
from jobs.errors import PromptmillError

from .errors import BudgetReachedError

if TYPE_CHECKING:
    from .batch import Batch


def same_command(*more: str) -> str:
    """What was typed, flags and all, since a run under other conditions is another run; then `more`.

    Passwords are left out: it is shown, and kept in the logs of whatever ran the command.
    """
    words = (redact_known_forms(word) for word in ("promptmill", *sys.argv[1:], *more))
    return escaped(shlex.join(words))


def worker_command(batch: Batch) -> str:
    """What to type for a worker that takes these jobs."""
    from jobs.identifiers import DEFAULT_QUEUE

    queue = batch.place.queue
    where = "" if queue == DEFAULT_QUEUE else f"PROMPTMILL_WORKER__QUEUES={queue} "
    words = ["promptmill", "worker", *(("--model", batch.model) if batch.model else ())]
    return escaped(where + shlex.join(words))


@contextmanager
def going_on(how: str) -> Iterator[None]:
    """Let an error of the block, in which jobs are queued, say `how` to go on from there."""
    try:
        yield
    except PromptmillError as error:
        # In place of what the library says: whoever types a command has other ways than who holds a job.
        error.note = "what was queued stays queued"
        if not isinstance(error, BudgetReachedError):
            # Typed again, it would set the same budget again, which is used up.
            error.fixes = (*error.fixes, how)
        raise
