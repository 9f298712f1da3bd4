"""The shipped fake: records in a dictionary, under the same contract as the stores that last."""

from collections import Counter
from collections.abc import AsyncIterator
from itertools import islice

from jobs.models import Record
from jobs.outlines import Outline
from jobs.summaries import Summary
from jobs.verdicts import Verdict

from .reading import no_batch, not_found, outlines_in


class MemoryRecordStore:
    """Keeps records for as long as the object lives; for tests and notebooks."""

    def __init__(self) -> None:
        """Start empty."""
        self._records: dict[str, Record] = {}
        self._batches: dict[str, dict[int, bytes]] = {}

    async def check(self) -> None:
        """A record can always be kept."""

    async def put(self, record: Record) -> bool:
        """Keep `record` unless the job already has one."""
        if record.job_id in self._records:
            return False
        self._records[record.job_id] = record
        return True

    async def get(self, job_id: str) -> Record:
        """The record of a job."""
        try:
            return self._records[job_id]
        except KeyError:
            raise not_found(job_id, "memory") from None

    async def has(self, job_id: str) -> bool:
        """Whether the job has a record."""
        return job_id in self._records

    async def discard(self, job_id: str) -> None:
        """Forget the record of a job, if there is one."""
        self._records.pop(job_id, None)

    async def put_batch(self, place: str, number: int, content: bytes) -> None:
        """Keep some jobs until workers have queued them."""
        self._batches.setdefault(place, {})[number] = content

    async def get_batch(self, place: str, number: int) -> bytes:
        """What was kept under this number."""
        try:
            return self._batches[place][number]
        except KeyError:
            raise no_batch(place, number) from None

    async def drop_batches(self, place: str) -> None:
        """Forget everything that was kept there in this way."""
        self._batches.pop(place, None)

    async def find(self, *, run_id: str | None = None) -> AsyncIterator[Record]:
        """Every record, or those of one run."""
        for record in tuple(self._records.values()):
            if run_id is None or record.job.run_id == run_id:
                yield record

    def outlines(self, run_id: str) -> AsyncIterator[Outline]:
        """Every record of a run, as far as reports count it."""
        return outlines_in(self, run_id)

    async def summaries(
        self, *, run_id: str | None = None, beginning: str = "", limit: int | None = None
    ) -> AsyncIterator[Summary]:
        """Those of the records there are."""
        every = [Summary.of(record) async for record in self.find(run_id=run_id)]
        every.sort(key=lambda summary: summary.age_key, reverse=True)
        wanted = (summary for summary in every if summary.job_id.startswith(beginning))
        for summary in islice(wanted, limit):
            yield summary

    async def counts(self, run_id: str) -> Counter[Verdict]:
        """How many jobs of a run ended with each verdict."""
        return Counter([record.verdict async for record in self.find(run_id=run_id)])

    async def aclose(self) -> None:
        """Nothing has to be let go of."""
