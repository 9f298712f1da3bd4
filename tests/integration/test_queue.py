"""The way in: what submitting and asking promise, against a real Redis."""

import asyncio
from datetime import UTC, datetime

import pytest
from arq.constants import job_key_prefix
from typing_extensions import override

from jobs.errors import UsageError
from jobs.lanes import lane_of
from jobs.queue import JobQueue, JobStatus
from jobs.queue_status import backlog_of
from jobs.records.memory import MemoryRecordStore
from jobs.verdicts import Verdict
from tests.making import a_record
from tests.queueing import JOB, claim, finish, n_queued


async def test_a_job_submitted_twice_is_queued_once(queue: JobQueue) -> None:
    """A script that is started again after a crash must not pay for everything twice."""
    first = await queue.submit(JOB)
    again = await queue.submit(JOB.model_copy(update={"prompt": "Print 2."}))
    assert (first.job_id, again.job_id, await n_queued(queue)) == ("j", "j", 1)
    assert b"Print 1." in await queue.redis.get(job_key_prefix + "j")


async def test_a_job_that_is_being_worked_on_is_not_queued_again(queue: JobQueue) -> None:
    """The worker would find it a second time as soon as it is done with it."""
    await queue.submit(JOB)
    await claim(queue, "j")
    handle = await queue.submit(JOB)
    assert await handle.status() is JobStatus.IN_PROGRESS
    assert await n_queued(queue) == 1


async def test_a_job_that_has_its_record_is_not_queued_again(queue: JobQueue) -> None:
    """Redis forgets finished jobs; the record does not."""
    await queue.records.put(a_record(JOB, Verdict.ACCEPTED))
    handle = await queue.submit(JOB)
    assert await n_queued(queue) == 0
    assert (await handle.record()).job == JOB


async def test_twenty_submissions_of_a_job_at_once_queue_it_once(queue: JobQueue) -> None:
    """Producers run on many machines."""
    await asyncio.gather(*[queue.submit(JOB) for _ in range(20)])
    assert await n_queued(queue) == 1


async def test_a_queued_job_waits_for_ever(queue: JobQueue) -> None:
    """Arq alone would drop it after a day, prompt and all."""
    await queue.submit(JOB)
    never = -1
    assert await queue.redis.ttl(job_key_prefix + "j") == never


async def test_a_queued_job_is_found_as_it_was_submitted(queue: JobQueue) -> None:
    """Whoever submits other words under the same id wants to know that the earlier ones win."""
    assert await queue.find("j") is None
    await queue.submit(JOB)
    assert await queue.find("j") == JOB
    await claim(queue, "j")
    assert await queue.find("j") == JOB
    await finish(queue, JOB)
    assert await queue.find("j") is None


async def test_a_job_of_another_installation_is_not_found(redis_url: str, queue: JobQueue) -> None:
    """Arq's keys carry no prefix, and its words are not ours to compare with."""
    async with JobQueue(redis_url, records=MemoryRecordStore(), prefix="other") as other:
        await other.submit(JOB)
    assert await queue.find("j") is None


async def test_a_queued_job_that_cannot_be_read_is_told(queue: JobQueue) -> None:
    """A newer version may have queued it; that is no defect of this one."""
    await queue.submit(JOB)
    await queue.redis.set(job_key_prefix + "j", b"not ours")
    with pytest.raises(UsageError, match="'j'"):
        await queue.find("j")


class _FinishedMeanwhile(MemoryRecordStore):
    """Has no record when it is first asked, and has it a moment later."""

    @override
    async def has(self, job_id: str) -> bool:
        answer = await super().has(job_id)
        await self.put(a_record(JOB, Verdict.ACCEPTED))
        return answer


async def test_a_job_that_ends_between_two_looks_is_complete(redis_url: str) -> None:
    """Whoever is told that it is nowhere takes it for cancelled, and submits it again."""
    async with JobQueue(redis_url, records=_FinishedMeanwhile()) as queue:
        assert await queue.handle("j").status() is JobStatus.COMPLETE


async def test_the_status_follows_a_job_through_its_life(queue: JobQueue) -> None:
    """`promptmill job show` and every script that polls live on it."""
    handle = queue.handle("j")
    seen = [await handle.status()]
    await queue.submit(JOB)
    seen.append(await handle.status())
    await queue.redis.zincrby(lane_of(JOB).waiting(queue.keys), 60_000, "j")
    seen.append(await handle.status())
    await claim(queue, "j")
    seen.append(await handle.status())
    await finish(queue, JOB)
    seen.append(await handle.status())
    assert seen == [
        JobStatus.NOT_FOUND,
        JobStatus.QUEUED,
        JobStatus.DEFERRED,
        JobStatus.IN_PROGRESS,
        JobStatus.COMPLETE,
    ]


async def test_an_id_that_another_installation_is_using_is_refused(
    queue: JobQueue, redis_url: str
) -> None:
    """Arq's own keys carry no prefix: queued in silence, the job would never run."""
    async with JobQueue(redis_url, records=MemoryRecordStore(), prefix="other") as other:
        await other.submit(JOB)
        with pytest.raises(UsageError, match="another installation"):
            await queue.submit(JOB)


async def test_what_was_due_long_ago_has_waited_since_it_was_queued(queue: JobQueue) -> None:
    """An alarm on the age of the oldest job must not ring for decades in which the job was not there."""
    await queue.submit(JOB, at=datetime(1970, 1, 2, tzinfo=UTC))
    [lane] = (await backlog_of(queue)).lanes
    assert lane.due == 1
    assert lane.oldest_due_seconds is not None
    assert lane.oldest_due_seconds < 60
