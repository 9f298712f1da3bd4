"""Redis goes away, is full, or refuses us while commands work: told for what it is, and worth another try."""

import pytest
from redis import Redis

from tests.redis_server import stop_server
from tests.standin import steps
from tests.standin.running import Standin
from tests.waiting import wait_until

from .programs import reply
from .project import Project
from .told import told_by

pytestmark = pytest.mark.e2e


@pytest.fixture
def gemini(gemini: Project, own_redis_url: str) -> Project:
    """The folder of the other tests, but with a Redis that the test may maltreat."""
    gemini.redis_url = gemini.environment["PROMPTMILL_REDIS__URL"] = own_redis_url
    return gemini


async def test_a_worker_whose_redis_goes_away_says_so(gemini: Project, own_redis: Redis) -> None:
    """Who restarts workers has to tell an outage, which passes, from a defect, which does not."""
    worker = await gemini.start_worker()
    stop_server(own_redis)
    told = told_by(worker.ended())
    assert (told.kind, told.code, told.retryable) == ("redis-unreachable", 3, True)


async def test_a_worker_whose_redis_goes_away_while_it_holds_a_job_says_so(
    gemini: Project, own_redis: Redis, standin: Standin
) -> None:
    """What is left of the job is cleaned up without Redis, and that must not hide why."""
    standin.says(steps.slow(steps.text(reply("print(1)")), 40))
    worker = await gemini.start_worker()
    gemini.submit("Print 1.")
    await wait_until(lambda: len(standin.requests) == 1, 20, "the request")
    stop_server(own_redis)
    told = told_by(worker.ended())
    assert (told.kind, told.code) == ("redis-unreachable", 3)


def test_a_worker_whose_redis_is_full_says_so(gemini: Project, own_redis: Redis) -> None:
    """A server without room answers, and refuses what it is asked to keep."""
    own_redis.config_set("maxmemory", 1)
    told = told_by(gemini.run("worker"))
    assert (told.kind, told.code, told.retryable) == ("redis-unreachable", 3, True)
    assert "maxmemory" in told.message


def test_the_doctor_survives_a_redis_that_refuses_to_be_examined(
    gemini: Project, own_redis: Redis
) -> None:
    """Hosted servers often grant no INFO, and a check-up that dies of what it finds is none."""
    own_redis.acl_setuser("default", enabled=True, nopass=True, commands=["-info"])
    ended = gemini.run("doctor", "--json")
    [failed] = [row for row in ended.json() if row["status"] == "fail"]
    assert (ended.code, failed["group"]) == (1, "redis")
    assert "info" in failed["detail"]
