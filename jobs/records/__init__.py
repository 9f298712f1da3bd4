"""Where finished jobs are kept: one protocol, and the stores that keep it."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Protocol

from jobs.models import Record
from jobs.outlines import Outline
from jobs.summaries import Summary
from jobs.verdicts import Verdict


class RecordStore(Protocol):
    """A place for records. It is the truth: the queue may be flushed, a record stays.

    Beside the records lies an index of summaries. It may lag behind a record whose writer was killed, and catches up
    when the record is put again, as the next delivery of the job does.
    """

    async def check(self) -> None:
        """Find out whether a record could be kept.

        Raises:
            StoreError: none could.
        """

    async def put(self, record: Record) -> bool:
        """Keep `record`, whole or not at all. True if this call kept it, False if the job already had one.

        The first writer wins, across processes and machines, so a job delivered twice ends with one record. Whoever
        comes second sees to it that the record is in the index.

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

    async def discard(self, job_id: str) -> None:
        """Forget the record of a job, if there is one: the job is to run again. Again, it mends what it left half done.

        Raises:
            StoreError: it may still be there.
        """

    async def put_batch(self, place: str, number: int, content: bytes) -> None:
        """Keep some jobs until workers have queued them; the same number again replaces them.

        Raises:
            StoreError: they could not be written for good.
        """

    async def get_batch(self, place: str, number: int) -> bytes:
        """What was kept under this number.

        Raises:
            StoreError: nothing, or nothing that can be read.
        """

    async def drop_batches(self, place: str) -> None:
        """Forget everything that was kept there in this way.

        Raises:
            StoreError: some may still be there.
        """

    def find(self, *, run_id: str | None = None) -> AsyncIterator[Record]:
        """Every record there is, or those of one run by the index, in no promised order.

        Raises:
            StoreError: a record cannot be read; the message names it.
        """

    def outlines(self, run_id: str) -> AsyncIterator[Outline]:
        """Every record of a run by the index, as far as reports count it, in no promised order.

        What no report counts may not even be looked at: whether a record is whole, `find` says.

        Raises:
            StoreError: a record cannot be read; the message names it.
        """

    def summaries(
        self, *, run_id: str | None = None, beginning: str = "", limit: int | None = None
    ) -> AsyncIterator[Summary]:
        """What the index knows, the latest to finish first: of one run, of ids with this beginning, so many at most.

        Raises:
            StoreError: the index cannot be read.
        """

    async def counts(self, run_id: str) -> Counter[Verdict]:
        """How many jobs of a run ended with each verdict, by the index.

        Raises:
            StoreError: the index cannot be read.
        """

    async def aclose(self) -> None:
        """Let go of connections. Used again, the store connects again."""


class LastingStore(RecordStore, Protocol):
    """A store whose records outlive the process, and whose index can be held against them and made again."""

    def place_of(self, job_id: str) -> str:
        """Where the record of a job is or would be, as a person would look for it."""

    def places(self) -> AsyncIterator[str]:
        """Everywhere that something is kept as a record, wherever it should be.

        Raises:
            StoreError: it cannot be told.
        """

    async def read(self, place: str) -> Record:
        """What is kept in one of the `places`.

        Raises:
            RecordNotFoundError: it is there no longer.
            StoreError: it cannot be read.
        """

    async def index_anew(self, records: AsyncIterator[Record]) -> None:
        """Make the index again from these, which are all there are. Records that are put meanwhile are in it, too.

        Raises:
            StoreError: it could not be written; what there is of it is mended by the next time.
        """
