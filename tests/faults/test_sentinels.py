"""A master that dies while its Sentinels watch, and servers that are replicas for a while."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis import Redis

from jobs.errors import RedisUnreachableError
from tests.redis_server import private_server
from tests.sentinels import Watched, private_sentinels
from tests.standin import steps
from tests.waiting import wait_until

from .mill import RIGHT, Mill, some_jobs

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
async def watched(mill: Mill, redis_binary: Path) -> AsyncIterator[Watched]:
    """Two servers and three Sentinels, in whose hands the mill is."""
    with private_sentinels(redis_binary) as watched:
        await watched.until_ready()
        mill.project.environment["PROMPTMILL_REDIS__URL"] = watched.url
        mill.use(watched.master)
        try:
            yield watched
        finally:
            # Before the Sentinels go, or they would wait for them.
            mill.project.close()


async def test_a_run_goes_on_when_its_master_is_killed_in_the_middle(
    mill: Mill, watched: Watched
) -> None:
    """No process ends, and whoever submits meanwhile waits for the next master: each job has one record."""
    mill.says(steps.slow(steps.text(RIGHT), 1))
    for _ in range(2):
        await mill.worker(PROMPTMILL_WORKER__JOBS_IN_FLIGHT="5")
    async with mill.queue(watched.url) as queue:
        before, after = some_jobs(30), some_jobs(10, prefix="after")
        mill.jobs = {job.job_id: job for job in (*before, *after)}
        await queue.submit_all(before)
        await wait_until(lambda: mill.n_recorded() > 0, 30, "the first records")
        await watched.until_replicated()
        watched.master.kill()
        submitting = asyncio.create_task(queue.submit_all(after))
        await watched.until_promoted()
        assert (await submitting).n_queued == len(after)
    assert mill.n_recorded() < len(mill.jobs)
    mill.use(watched.replica)
    # It comes back as the master that it was, and nobody may believe it.
    watched.master.start()
    await mill.all_is_over(within_seconds=90)
    # What the old master had not passed on was at most the beginning of some jobs.
    assert all(mill.asked_for(job) <= 2 for job in mill.jobs.values())


async def test_a_worker_that_is_started_against_a_replica_waits_until_it_is_a_master(
    mill: Mill, redis_binary: Path
) -> None:
    """It is what somebody restarts workers against in the middle of a failover: they are not to end for that."""
    with private_server(redis_binary, is_durable=True) as replica:
        mill.use(replica)
        mill.project.environment["PROMPTMILL_REDIS__URL"] = replica.url
        jobs = some_jobs(3)
        await mill.submit(*jobs)
        with mill.project.client() as client:
            client.replicaof("127.0.0.1", "1")
            worker = mill.project.start("worker")
            mill.working.append(worker)
            await worker.until_it_says("waiting for Redis to take writes")
            client.replicaof("NO", "ONE")
        await worker.until_it_says("worker ready")
        await mill.all_is_over()
        assert mill.n_recorded() == 3


async def test_a_master_without_its_replicas_is_waited_for(mill: Mill) -> None:
    """`min-replicas-to-write` keeps one that is cut off from taking jobs that would be lost: it refuses for a while."""
    worker = await mill.worker()
    with mill.project.client() as client:
        client.config_set("min-replicas-to-write", 1)
        await worker.until_it_says("leases not renewed" if mill.leased() else "heartbeat not sent")
        async with mill.queue() as queue:
            with pytest.raises(RedisUnreachableError, match="did not take job"):
                await queue.submit(some_jobs(1, prefix="refused")[0])
        client.config_set("min-replicas-to-write", 0)
    await mill.submit(*some_jobs(3))
    await mill.all_is_over()


async def test_sentinels_that_know_no_such_service_are_named(mill: Mill, watched: Watched) -> None:
    """A typing error in a name is no outage that passes."""
    url = watched.url.replace("/mill", "/mil")
    ended = mill.project.run("worker", PROMPTMILL_REDIS__URL=url)
    assert ended.code == 3
    assert f"no answer from Redis at {url}" in ended.err
    assert "No master found for 'mil'" in ended.err


async def test_a_worker_on_sentinels_ends_at_once_when_it_is_told_to(
    mill: Mill, watched: Watched
) -> None:
    """Connections to those that are only asked now and then must not outlive it, either."""
    worker = await mill.worker()
    worker.send(signal.SIGTERM)
    ended = worker.ended(20)
    mill.forget(worker)
    assert ended.code == 0
    assert "ResourceWarning" not in ended.err
    with Redis.from_url(watched.master.url) as client:
        assert client.client_list(_type="normal")
