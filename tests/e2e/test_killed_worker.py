"""A worker that is killed: its jobs go on elsewhere, and what was paid for is not paid for again."""

import signal

import pytest

from jobs.keys import Keys
from jobs.verdicts import Verdict
from tests.standin import steps
from tests.standin.running import Standin
from tests.standin.script import Rule
from tests.waiting import wait_until

from .programs import reply
from .project import Project, Running

pytestmark = pytest.mark.e2e

SLOW_AND_WRONG = reply("import time\ntime.sleep(3)\nraise ValueError('not yet')")
QUICK_AND_WRONG = reply("raise ValueError('not yet')")
RIGHT = reply("print(42)")


@pytest.fixture
def impatient(gemini: Project) -> Project:
    """A folder whose workers are missed after the shortest time that can be set."""
    gemini.environment["PROMPTMILL_WORKER__LEASE_SECONDS"] = "1"
    return gemini


def _is_checkpointed(project: Project, job_id: str, field: str) -> bool:
    with project.client() as client:
        return bool(client.hexists(Keys().checkpoint(job_id), field))


async def _kill(worker: Running) -> None:
    """SIGKILL the worker, and wait until nothing that it started is left."""
    below = worker.tree()
    worker.send(signal.SIGKILL)
    worker.ended()
    await wait_until(
        lambda: not any(process.is_alive for process in below), 10, "the end of the worker's tree"
    )


async def _finish(project: Project) -> None:
    await project.start_worker()
    await wait_until(lambda: len(project.records()) == 1, 30, "the record")


async def test_a_worker_killed_while_a_program_runs_costs_no_request(
    impatient: Project, standin: Standin
) -> None:
    """The reply was paid for and stored before its program ran, so another worker runs it again for nothing."""
    standin.says(SLOW_AND_WRONG, RIGHT)
    worker = await impatient.start_worker()
    job_id = impatient.submit("Print the answer.", "--expect", "42")
    await wait_until(
        lambda: _is_checkpointed(impatient, job_id, "reply:1") and len(worker.tree()) > 2,
        20,
        "the run of the first program",
    )
    await _kill(worker)
    assert impatient.records() == []

    await _finish(impatient)
    [record] = impatient.records()
    assert record.job_id == job_id
    assert (record.verdict, record.solved_at, record.deliveries) == (Verdict.ACCEPTED, 2, 2)
    assert standin.paid_twice() == []
    assert len(standin.requests) == 2


async def test_a_worker_killed_during_a_request_costs_that_request_alone(
    impatient: Project, standin: Standin
) -> None:
    """Nobody can know what came of a call whose caller is dead; the attempt before it is done and stays done."""
    standin.script(
        Rule(
            last="ValueError",
            steps=(steps.slow(steps.text(RIGHT), 30), steps.text(RIGHT)),
        ),
        Rule(steps=(steps.text(QUICK_AND_WRONG),)),
    )
    worker = await impatient.start_worker()
    job_id = impatient.submit("Print the answer.", "--expect", "42")
    await wait_until(lambda: len(standin.requests) == 2, 20, "the second request")
    assert _is_checkpointed(impatient, job_id, "attempt:1")
    await _kill(worker)

    await _finish(impatient)
    [record] = impatient.records()
    assert (record.verdict, record.solved_at, record.deliveries) == (Verdict.ACCEPTED, 2, 2)
    first, second, third = (request.body for request in standin.requests)
    assert first not in (second, third)
    assert second == third


async def test_what_a_finished_job_leaves_in_redis_expires(
    impatient: Project, standin: Standin
) -> None:
    """Redis coordinates and does not store: what no job needs any more would fill it for ever."""
    standin.says(SLOW_AND_WRONG, RIGHT)
    worker = await impatient.start_worker()
    job_id = impatient.submit("Print the answer.", "--expect", "42")
    await wait_until(
        lambda: _is_checkpointed(impatient, job_id, "reply:1"), 20, "the checkpoint of the reply"
    )
    await _kill(worker)
    await _finish(impatient)
    await wait_until(lambda: impatient.queued() == 0, 10, "an empty queue")
    left = impatient.kept_in_redis()
    assert Keys().checkpoint(job_id) not in left
    with impatient.client() as client:
        assert [key for key in left if client.ttl(key) == -1] == []
