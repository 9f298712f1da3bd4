"""Whether the records of a run agree with themselves and with each other."""

from collections.abc import AsyncIterable, Iterator
from dataclasses import dataclass, field

from jobs.models import Record
from jobs.usage import Usage
from jobs.verdicts import Verdict


@dataclass
class Verified:
    """What was looked at, and what was found."""

    n_records: int = 0
    faults: list[tuple[str, str]] = field(default_factory=list)
    """Job ids, and what is wrong with each."""


async def verify_results(records: AsyncIterable[Record]) -> Verified:
    """Hold each record to its own attempts, and all of them to one record for a sample of a task.

    Raises:
        StoreError: a record cannot be read; the message names it.
    """
    found = Verified()
    seen: dict[tuple[str, int], str] = {}
    async for record in records:
        found.n_records += 1
        found.faults += [(record.job_id, fault) for fault in _faults(record)]
        if record.job.task_id is not None:
            place = (record.job.task_id, record.job.sample)
            first = seen.setdefault(place, record.job_id)
            if first != record.job_id:
                what = f"is sample {place[1]} of task {place[0]!r}, as job {first} is"
                found.faults.append((record.job_id, what))
    return found


def _faults(record: Record) -> Iterator[str]:
    last = record.attempts[-1] if record.attempts else None
    if [attempt.number for attempt in record.attempts] != list(range(1, len(record.attempts) + 1)):
        yield "its attempts are not numbered one by one"
    if len(record.attempts) > record.job.max_attempts:
        yield f"it has {len(record.attempts)} attempts, of at most {record.job.max_attempts}"
    if (record.verdict is Verdict.INTERNAL_ERROR) != (record.error is not None):
        yield "it failed because of us without a reason, or has one and did not"
    elif record.error is None and (last is None or last.verdict is not record.verdict):
        yield "its verdict is not that of its last attempt"
    if record.usage != sum((attempt.reply.usage for attempt in record.attempts), Usage()):
        yield "its tokens are not the sum of those of its attempts"
    for attempt in record.attempts:
        result = attempt.code_execution_result
        if result is not None and result.outcome is not attempt.verdict.outcome:
            yield f"attempt {attempt.number} is {attempt.verdict}, and its outcome {result.outcome}"
