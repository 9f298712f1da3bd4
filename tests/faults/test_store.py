"""A record store that takes nothing for a while."""

import shutil

import pytest

from jobs.queue import JobQueue
from tests.waiting import wait_until

from .mill import Mill, some_jobs

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(240)]


async def test_what_cannot_be_stored_is_kept_and_stored_when_there_is_room(mill: Mill) -> None:
    """A full disk may stay so over a weekend: nothing is acknowledged, asked for again, or counted as a delivery."""
    worker = await mill.worker()
    records = mill.project.folder / ".promptmill" / "records"
    shutil.rmtree(records)
    records.write_text("in the way")
    jobs = some_jobs(3)
    mill.jobs = {job.job_id: job for job in jobs}
    assert mill.project.redis_url is not None
    # A producer has to know what is recorded, and cannot: it looks elsewhere here.
    async with JobQueue(mill.project.redis_url, records=records.with_name("none")) as queue:
        await queue.submit_all(jobs)
    await worker.until_it_says("job delayed")
    await wait_until(lambda: not mill.leased(), 30, "that all are put back")
    assert mill.n_asked <= len(jobs)
    records.unlink()
    await mill.all_is_over(within_seconds=60)
    assert all(mill.asked_for(job) <= 1 for job in jobs)
    assert {record.deliveries for record in mill.records()} == {1}
