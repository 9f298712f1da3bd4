"""A Redis whose clock stands still for nobody: it is set forward and back while jobs wait and while they run."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
import redis

from jobs.models import PromptJob
from tests.redis_server import private_server
from tests.requiring import require
from tests.standin import steps
from tests.waiting import wait_until

from .mill import LEASE_SECONDS, RIGHT, Mill, some_jobs

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(240)]

_LEASED = "promptmill:leased:default:any:normal"


class Clock:
    """What a server believes the time to be."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._write("+0h")

    async def set(self, client: redis.Redis, hours: int) -> None:
        """Apart from the real time by so much, which the server of this client has seen afterwards."""
        self._write(f"{hours:+}h")
        await wait_until(
            lambda: abs(_server_ms(client) / 1000 - time.time() - hours * 3600) < 60,
            10,
            f"a clock that is set by {hours} h",
        )

    def _write(self, offset: str) -> None:
        # Whoever reads it meanwhile must not find half of it.
        written = self._file.with_suffix(".new")
        written.write_text(f"{offset}\n")
        written.replace(self._file)


@pytest.fixture
def clock(mill: Mill, tmp_path: Path, redis_binary: Path) -> Iterator[Clock]:
    """That of the server which the mill uses from here on."""
    found = next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)
    require("libfaketime", available=found is not None)
    clock = Clock(tmp_path / "clock")
    # Its own timers go by the other clock, which nobody sets.
    words = (f"LD_PRELOAD={found}", f"FAKETIME_TIMESTAMP_FILE={tmp_path / 'clock'}")
    more = ("FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1")
    with private_server(redis_binary, is_durable=True, within=("env", *words, *more)) as server:
        mill.use(server)
        mill.project.environment["PROMPTMILL_REDIS__URL"] = server.url
        yield clock


def _server_ms(client: redis.Redis) -> float:
    seconds, micros = cast("tuple[int, int]", client.time())
    return float(seconds * 1000 + micros / 1000)


def _endings(mill: Mill) -> list[float]:
    """How many seconds each lease has left, by the server's clock."""
    with mill.project.client() as client:
        leases = client.zrange(_LEASED, 0, -1, withscores=True)
        now = _server_ms(client)
    return [(ending - now) / 1000 for _, ending in leases]


async def test_jobs_that_waited_for_more_than_a_day_are_run(mill: Mill, clock: Clock) -> None:
    """Arq lets a job expire after a day in the queue, and tells nobody. A long weekend is no reason to lose a run."""
    await mill.submit(*some_jobs(5))
    with mill.project.client() as client:
        await clock.set(client, 75)
    assert mill.project.queued() == 5
    await mill.worker()
    await mill.all_is_over()
    assert mill.n_asked == 5


@pytest.fixture
async def busy(mill: Mill, clock: Clock) -> list[PromptJob]:
    """Two workers that hold ten jobs of twenty, each of which takes longer than a lease."""
    del clock
    mill.says(steps.slow(steps.text(RIGHT), 3 * LEASE_SECONDS))
    for _ in range(2):
        await mill.worker(PROMPTMILL_WORKER__JOBS_IN_FLIGHT="5")
    jobs = some_jobs(20)
    await mill.submit(*jobs)
    await wait_until(lambda: len(_endings(mill)) == 10, 30, "two busy workers")
    return jobs


async def test_a_clock_that_is_set_forward_while_jobs_run_doubles_no_record(
    mill: Mill, clock: Clock, busy: list[PromptJob]
) -> None:
    """Leases go by the server's clock, so all of them seem to have ended long ago."""
    with mill.project.client() as client:
        await clock.set(client, 1)
    await mill.all_is_over()
    # A lease that ended may have been taken by the other worker, once.
    assert all(mill.asked_for(job) <= 2 for job in busy)


async def test_a_clock_that_is_set_back_while_jobs_run_keeps_the_others_for_their_time(
    mill: Mill, clock: Clock, busy: list[PromptJob]
) -> None:
    """What runs is finished. What waits was due at a time that is yet to come again, and is lost by no means."""
    with mill.project.client() as client:
        await clock.set(client, -1)
    await wait_until(lambda: not _endings(mill), 40, "the end of what ran")
    assert mill.project.queued() == len(busy) - mill.n_recorded() > 0
    with mill.project.client() as client:
        await clock.set(client, 0)
    await mill.all_is_over()
    assert all(mill.asked_for(job) == 1 for job in busy)


async def test_a_worker_that_dies_after_the_clock_was_set_back_is_missed_in_time(
    mill: Mill, clock: Clock
) -> None:
    """A lease of before would last for another hour, and so would the wait for the jobs of the dead."""
    mill.says(steps.slow(steps.text(RIGHT), 3 * LEASE_SECONDS))
    worker = await mill.worker()
    await mill.submit(*some_jobs(3))
    await wait_until(lambda: len(_endings(mill)) == 3, 30, "jobs that run")
    with mill.project.client() as client:
        await clock.set(client, -1)
    await wait_until(
        lambda: all(left <= LEASE_SECONDS for left in _endings(mill)), 10, "leases renewed"
    )
    await mill.kill(worker)
    await mill.worker()
    await mill.all_is_over()
    # A quick answer of the first worker may have been on its way when it died.
    assert all(mill.asked_for(job) <= 2 for job in mill.jobs.values())
