"""A Redis that dies, is full, refuses to write, or forgets everything, while workers are at it."""

import signal

import pytest

from jobs.errors import RedisUnreachableError
from jobs.models import PromptJob
from tests.standin import steps
from tests.waiting import wait_until

from .mill import RIGHT, Mill, some_jobs

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
async def two_at_it(mill: Mill) -> list[PromptJob]:
    """Two workers in the middle of forty jobs, of which they hold ten."""
    mill.says(steps.slow(steps.text(RIGHT), 1))
    for _ in range(2):
        await mill.worker(PROMPTMILL_WORKER__JOBS_IN_FLIGHT="5")
    jobs = some_jobs(40)
    await mill.submit(*jobs)
    await wait_until(lambda: mill.n_recorded() > 0, 30, "the first records")
    return jobs


async def _both_wait_for_the_model(mill: Mill) -> None:
    """The jobs of a worker end together, and who holds none at that moment has no lease to renew."""
    mill.says(steps.slow(steps.text(RIGHT), 10))
    n_before = mill.n_asked
    await wait_until(lambda: mill.n_asked >= n_before + 10, 30, "two busy workers")


@pytest.mark.parametrize("n_missed", [1, 7], ids=["for a moment", "for several leases"])
async def test_workers_outlive_a_redis_that_is_killed_and_comes_back(
    mill: Mill, two_at_it: list[PromptJob], n_missed: int
) -> None:
    """Arq's own worker ends with the first error, and what was in its hands is paid for again."""
    await _both_wait_for_the_model(mill)
    await mill.until_on_disk()
    mill.server.kill()
    mill.says(steps.slow(steps.text(RIGHT), 1))
    for worker in mill.working:
        # Three of them would come to one lease.
        await wait_until(
            lambda one=worker: one.err.count("leases not renewed") >= n_missed,  # type: ignore[misc]
            60,
            f"{n_missed} renewals missed",
        )
    mill.server.start()
    await mill.all_is_over(within_seconds=90)
    assert all(mill.asked_for(job) == 1 for job in two_at_it)


async def test_a_worker_that_is_stopped_while_redis_is_gone_ends(
    mill: Mill, two_at_it: list[PromptJob]
) -> None:
    """A machine that shuts down ends both, and waits for neither; the jobs are there when it is up again."""
    await mill.until_on_disk()
    stopped = list(mill.working)
    mill.server.kill()
    for worker in stopped:
        mill.forget(worker)
        # The second signal leaves no time to finish.
        worker.send(signal.SIGTERM)
        worker.send(signal.SIGINT)
    assert [worker.ended().code for worker in stopped] == [0, 0]
    mill.server.start()
    await mill.worker()
    await mill.all_is_over(within_seconds=90)
    assert all(mill.asked_for(job) <= 2 for job in two_at_it)


async def test_workers_go_on_with_a_full_redis_and_lose_no_result(
    mill: Mill, two_at_it: list[PromptJob]
) -> None:
    """They make room. A producer is told which jobs were not taken, and may say it all again then."""
    more = some_jobs(5, prefix="more")
    with mill.project.client() as client:
        client.config_set("maxmemory", 1)
        async with mill.queue() as queue:
            with pytest.raises(RedisUnreachableError, match="did not take 5 jobs") as caught:
                await queue.submit_all(more)
        assert "maxmemory" in " ".join(caught.value.fixes)
        n_before = mill.n_recorded()
        await wait_until(lambda: mill.n_recorded() > n_before + 10, 60, "records meanwhile")
        client.config_set("maxmemory", 0)
    await mill.submit(*more)
    await mill.all_is_over(within_seconds=90)
    assert all(mill.asked_for(job) == 1 for job in two_at_it)


async def test_workers_wait_for_a_redis_that_takes_no_writes(
    mill: Mill, two_at_it: list[PromptJob]
) -> None:
    """A replica before it is promoted refuses every write: an outage like any other, nothing about the jobs."""
    await _both_wait_for_the_model(mill)
    with mill.project.client() as client:
        # Of nobody: it goes on serving what it has.
        client.config_set("replica-serve-stale-data", "yes")
        client.replicaof("127.0.0.1", "1")
        mill.says(steps.slow(steps.text(RIGHT), 1))
        async with mill.queue() as queue:
            with pytest.raises(RedisUnreachableError, match="did not take job"):
                await queue.submit(some_jobs(1, prefix="refused")[0])
        for worker in mill.working:
            await worker.until_it_says("leases not renewed")
        client.replicaof("NO", "ONE")
    await mill.all_is_over(within_seconds=90)
    assert all(mill.asked_for(job) == 1 for job in two_at_it)


async def test_a_run_whose_redis_forgot_everything_goes_on_when_it_is_submitted_again(
    mill: Mill, two_at_it: list[PromptJob]
) -> None:
    """What has its record is not fed again; what was in hand may cost one call more, and still has one record."""
    with mill.project.client() as client:
        client.flushall()
    before = {record.job_id: record for record in mill.records()}
    await mill.submit(*two_at_it)
    await wait_until(
        lambda: mill.n_recorded() == len(two_at_it) and mill.project.queued() == 0, 90, "the rest"
    )
    after = {record.job_id: record for record in mill.records()}
    assert {job_id: after[job_id] for job_id in before} == before
    assert sorted(after) == sorted(job.job_id for job in two_at_it)
    assert all(mill.asked_for(job) == 1 for job in two_at_it if job.job_id in before)
    assert all(mill.asked_for(job) <= 2 for job in two_at_it)
    with mill.project.client() as client:
        # The counters have forgotten what was recorded before, and nothing is open.
        counted = client.hgetall("promptmill:run:r")
    assert int(counted[b"submitted"]) == int(counted[b"verdict:accepted"])
    # Without the counters, which are those of a part of the run.
    mill.jobs = {}


async def test_a_worker_says_with_the_line_that_mends_it_what_its_redis_may_do_with_jobs(
    mill: Mill,
) -> None:
    """One that evicts drops jobs in silence, and one that writes nothing down drops all of them when it ends."""
    with mill.project.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("appendonly", "no")
    worker = await mill.worker()
    for line in ("CONFIG SET maxmemory-policy noeviction", "CONFIG SET appendonly yes"):
        assert line in worker.err
    ended = mill.project.run("doctor", "--json")
    found = {row["name"]: row["status"] for row in ended.json() if row["group"] == "redis"}
    assert (found["eviction"], found["persistence"]) == ("fail", "warn")
    await mill.all_is_over()
