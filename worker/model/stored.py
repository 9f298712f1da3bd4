"""The replies of a run that the record store has, read when they are asked for."""

from jobs.clock import derived_id
from jobs.errors import RecordNotFoundError, UsageError
from jobs.models import ModelReply
from jobs.records import RecordStore

from . import ModelRequest
from .replay import standing_in


class StoredReplies:
    """The replies of each job of a run. A job is found by its id, which follows from run, task and sample."""

    def __init__(self, store: RecordStore, run_id: str) -> None:
        self.source = f"run {run_id}"
        self._store = store
        self._run_id = run_id

    async def check(self) -> None:
        """Whether the run has records.

        Raises:
            UsageError: it has none.
            StoreError: it cannot be told.
        """
        if not await self._store.counts(self._run_id):
            raise UsageError(
                f"run {self._run_id!r} has no records here, and so no replies to give again",
                fixes=("see which runs there are:  promptmill run list",),
            )

    async def replies_to(self, request: ModelRequest) -> tuple[ModelReply, ...]:
        """Those of the job that is judged again, or else of the same task; sample 0 stands in for others.

        Raises:
            StoreError: the record cannot be read.
        """
        task_id = request.task_id or ""
        own, first = (
            derived_id("job", self._run_id, task_id, sample) for sample in (request.sample, 0)
        )
        for job_id in (request.rescores,) if request.rescores else (own, first):
            try:
                record = await self._store.get(job_id)
            except RecordNotFoundError:
                continue
            replies = tuple(attempt.reply for attempt in record.attempts)
            return replies if job_id in {request.rescores, own} else standing_in(replies)
        return ()
