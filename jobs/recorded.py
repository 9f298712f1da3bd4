"""What a record store holds of one run."""

from collections import Counter
from dataclasses import dataclass, field

from .hashed_ids import HashedIds
from .records import RecordStore
from .verdicts import Verdict


@dataclass(frozen=True)
class Recorded:
    """The jobs of a run that have their record."""

    ids: HashedIds
    verdicts: Counter[Verdict] = field(default_factory=Counter)


async def recorded_of(store: RecordStore, run_id: str) -> Recorded:
    """Which jobs of the run are recorded, and how they ended; asked of the store once.

    Raises:
        StoreError: it cannot be told.
    """
    verdicts: Counter[Verdict] = Counter()
    ids = HashedIds()
    async for summary in store.summaries(run_id=run_id):
        ids.add(summary.job_id)
        verdicts[summary.verdict] += 1
    return Recorded(ids, verdicts)
