"""Which ids there are, in eight bytes each: a run may have millions of them."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable

from .records import RecordStore


class HashedIds:
    """A set of ids of which only the hashes are kept.

    Of a million ids, one that is not among them is taken for one that is with a chance of one in ten to the thirteenth.
    Hashes differ from process to process, so no such error comes twice.
    """

    def __init__(self, ids: Iterable[str] = ()) -> None:
        """Keep the hashes of `ids`."""
        self._hashes = array("q", sorted(array("q", map(hash, ids))))

    def __contains__(self, job_id: str) -> bool:
        place = bisect_left(self._hashes, hash(job_id))
        return place < len(self._hashes) and self._hashes[place] == hash(job_id)

    def __len__(self) -> int:
        return len(self._hashes)


async def recorded_ids(store: RecordStore, run_id: str) -> HashedIds:
    """The jobs of a run that have their record.

    Raises:
        StoreError: it cannot be told.
    """
    return HashedIds([record.job_id async for record in store.find(run_id=run_id)])
