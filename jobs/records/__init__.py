"""Where finished jobs are kept: one protocol, and the stores that keep it."""

from collections.abc import AsyncIterator
from typing import Protocol

from jobs.models import Record


class RecordStore(Protocol):
    """A place for records. It is the truth: Redis may be flushed, a record stays."""

    async def put(self, record: Record) -> bool:
        """Keep `record`, whole or not at all. True if this call kept it, False if the job already had one.

        The first writer wins, across processes and machines, so a job delivered twice ends with one record.

        Raises:
            StoreError: it could not be written for good; putting it again is safe.
        """

    async def get(self, job_id: str) -> Record:
        """The record of a job.

        Raises:
            RecordNotFoundError: there is none.
            StoreError: there is one that cannot be read.
        """

    async def has(self, job_id: str) -> bool:
        """Whether the job has a record.

        Raises:
            StoreError: it cannot be told.
        """

    def find(self, *, run_id: str | None = None) -> AsyncIterator[Record]:
        """Every record, or those of one run, in no promised order.

        Raises:
            StoreError: a record cannot be read; the message names it.
        """

    async def discard(self, job_id: str) -> None:
        """Forget the record of a job, if there is one: the job is to run again.

        Raises:
            StoreError: it may still be there.
        """

    async def put_batch(self, run_id: str, number: int, content: bytes) -> None:
        """Keep some jobs of a run until workers have queued them; the same number again replaces them.

        Raises:
            StoreError: they could not be written for good.
        """

    async def get_batch(self, run_id: str, number: int) -> bytes:
        """What was kept under this number.

        Raises:
            StoreError: nothing, or nothing that can be read.
        """

    async def drop_batches(self, run_id: str) -> None:
        """Forget everything that was kept of the run in this way.

        Raises:
            StoreError: some may still be there.
        """
