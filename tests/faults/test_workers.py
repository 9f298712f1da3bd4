"""Workers that are killed, frozen and stopped at the worst moment."""

import signal
from pathlib import Path

import pytest
from arq.constants import retry_key_prefix

from jobs.dead_letters import find_letter, retry_letter
from jobs.verdicts import Verdict
from tests.cutting import Cutter, cutting
from tests.e2e.programs import reply
from tests.standin import steps
from tests.standin.script import Rule
from tests.waiting import wait_until

from .mill import LEASE_SECONDS, RIGHT, Mill, some_jobs

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(240)]

SLOW_AND_FORKED = reply(
    "import os, time\nchild = os.fork()\ntime.sleep(4)\nif child: print(1)\nelse: os._exit(0)"
)
ENDING = b'"isOver"'
"""What only the step that ends a job holds."""


async def test_a_worker_killed_during_a_call_costs_that_call_at_most(mill: Mill) -> None:
    """The job begins again on another worker, as soon as the lease has ended and not when a job's time is over."""
    mill.says(steps.slow(steps.text(RIGHT), 60), RIGHT)
    killed = await mill.worker()
    (job,) = some_jobs(1)
    await mill.submit(job)
    await wait_until(lambda: mill.n_asked == 1, 20, "the call")
    await mill.worker()
    await mill.kill(killed)
    await mill.all_is_over(within_seconds=LEASE_SECONDS + 20)
    assert mill.n_asked == 2
    assert [record.deliveries for record in mill.records()] == [2]


async def test_a_worker_killed_while_a_program_runs_costs_no_call_and_takes_the_program_along(
    mill: Mill,
) -> None:
    """The reply was kept before its program was started; a program without its worker would run on unwatched."""
    mill.says(SLOW_AND_FORKED)
    killed = await mill.worker()
    before = killed.tree()
    (job,) = some_jobs(1)
    await mill.submit(job)
    with mill.project.client() as client:
        await wait_until(
            lambda: (
                bool(client.hexists("promptmill:checkpoint:j0", "reply:1"))
                and bool(killed.tree() - before)
            ),
            20,
            "the run of the program",
        )
    # It waits until the whole tree is dead.
    await mill.kill(killed)
    await mill.worker()
    await mill.all_is_over()
    assert mill.n_asked == 1
    assert [record.deliveries for record in mill.records()] == [2]


async def test_a_worker_killed_between_the_record_and_the_end_of_the_job_leaves_one_record(
    mill: Mill, short_folder: Path
) -> None:
    """The next one finds the record, asks nobody, runs nothing, and counts it once."""
    cutter = Cutter(ENDING, 1000, is_silenced=True)
    (job,) = some_jobs(1)
    async with cutting(mill.server.url, cutter, short_folder) as url:
        killed = await mill.worker(PROMPTMILL_REDIS__URL=url)
        await mill.submit(job)
        await wait_until(lambda: cutter.n_cut == 1, 20, "the end of the job")
        [before] = mill.records()
        await mill.kill(killed)
    await mill.worker()
    await mill.all_is_over()
    assert mill.records() == [before]
    assert mill.n_asked == 1


async def test_a_worker_killed_after_the_end_of_the_job_was_heard_leaves_nothing_to_do(
    mill: Mill, short_folder: Path
) -> None:
    """The end is one step: what it has ended is counted, and nobody's any more."""
    # The server does not know the script when it is first asked for it.
    cutter = Cutter(ENDING, 1000, is_heard=True, is_silenced=True, n_spared=1)
    (job,) = some_jobs(1)
    async with cutting(mill.server.url, cutter, short_folder) as url:
        killed = await mill.worker(PROMPTMILL_REDIS__URL=url)
        await mill.submit(job)
        await wait_until(lambda: cutter.n_cut == 1 and mill.project.queued() == 0, 20, "its end")
        await mill.kill(killed)
    await mill.all_is_over()
    assert mill.n_asked == 1


async def test_a_worker_that_is_told_to_stop_finishes_twenty_jobs_and_takes_no_other(
    mill: Mill,
) -> None:
    """A deploy is no accident: nothing is started, nothing is given up."""
    mill.says(steps.slow(steps.text(RIGHT), 3))
    environment = {
        "PROMPTMILL_WORKER__DRAIN_SECONDS": "30",
        "PROMPTMILL_WORKER__JOBS_IN_FLIGHT": "20",
    }
    stopped = await mill.worker(**environment)
    await mill.submit(*some_jobs(25))
    await wait_until(lambda: mill.n_asked == 20, 20, "twenty calls")
    mill.forget(stopped)
    stopped.send(signal.SIGTERM)
    ended = stopped.ended()
    assert (ended.code, mill.n_asked, mill.n_recorded()) == (0, 20, 20)
    await mill.worker()
    await mill.all_is_over()
    assert mill.n_asked == 25
    assert {record.deliveries for record in mill.records()} == {1}


async def test_a_worker_without_time_to_finish_hands_its_jobs_back_uncounted(mill: Mill) -> None:
    """Five deploys in a row must not end a job that was never tried."""
    mill.says(steps.slow(steps.text(RIGHT), 60), RIGHT)
    stopped = await mill.worker(PROMPTMILL_WORKER__DRAIN_SECONDS="0")
    await mill.submit(*some_jobs(20))
    await wait_until(lambda: mill.n_asked == 20, 20, "twenty calls")
    mill.forget(stopped)
    stopped.send(signal.SIGTERM)
    assert stopped.ended().code == 0
    with mill.project.client() as client:
        assert client.zcard("promptmill:queue:default:any:normal") == 20
        assert client.exists("promptmill:leased:default:any:normal") == 0
        counts = {client.get(f"{retry_key_prefix}j{number}") for number in range(20)}
        assert counts == {b"0"}
    await mill.worker()
    await mill.all_is_over()
    assert {record.deliveries for record in mill.records()} == {1}


async def test_a_frozen_worker_finishes_nothing_that_another_has_finished(mill: Mill) -> None:
    """It wakes up with a reply in its hand, an hour late, and knows nothing of it."""
    mill.says(steps.slow(steps.text(RIGHT), 3), RIGHT)
    frozen = await mill.worker()
    await mill.submit(*some_jobs(5))
    await wait_until(lambda: mill.n_asked == 5, 20, "five calls")
    frozen.send(signal.SIGSTOP)
    other = await mill.worker()
    await wait_until(lambda: mill.n_recorded() == 5, 30, "the records of another worker")
    before = mill.records()
    frozen.send(signal.SIGCONT)
    await frozen.until_it_says("lost")
    await mill.all_is_over()
    assert mill.records() == before
    assert mill.n_asked == 10
    assert other.pid != frozen.pid


async def test_a_job_that_kills_every_worker_ends_alone_and_can_be_retried(mill: Mill) -> None:
    """It is kept as a dead letter with its reason; jobs that happened to be beside it have their records."""
    poison, *others = some_jobs(5)
    slow = steps.slow(steps.text(RIGHT), 60)
    beside = Rule(first="please", steps=(slow, slow, slow, steps.text(RIGHT)))
    mill.standin.script(Rule(first="j0.", steps=(slow,), repeats=True), beside)
    n_kills = 3
    limit = {"PROMPTMILL_WORKER__MAX_DELIVERIES": str(n_kills)}
    await mill.submit(poison, *others)
    for number in range(1, n_kills + 1):
        killed = await mill.worker(**limit)
        await wait_until(
            lambda n=number: mill.asked_for(poison) == n,  # type: ignore[misc]
            30,
            f"call {number} for the job",
        )
        await mill.kill(killed)
    mill.says(RIGHT)
    await mill.worker(**limit)
    await wait_until(lambda: mill.n_recorded() == 5, 30, "five records")
    reasons = {record.job_id: record.error for record in mill.records() if record.error}
    assert reasons == {"j0": f"delivered {n_kills} times without coming to an end"}
    # The record is written first: whoever dies between the two writes it again, and the same.
    await wait_until(lambda: bool(mill.dead()), 10, "the dead letter")
    async with mill.queue() as queue:
        letter = await find_letter(queue, poison.job_id)
        assert letter.reason == reasons["j0"]
        assert await retry_letter(queue, letter)
    await mill.all_is_over()
    assert {record.verdict for record in mill.records()} == {Verdict.ACCEPTED}
