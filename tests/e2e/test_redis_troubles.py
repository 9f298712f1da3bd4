"""Redis is full, or refuses us when a command begins: told for what it is, and worth another try."""

import pytest
from redis import Redis

from .project import Project
from .told import told_by

pytestmark = pytest.mark.e2e


@pytest.fixture
def gemini(gemini: Project, own_redis_url: str) -> Project:
    """The folder of the other tests, but with a Redis that the test may maltreat."""
    gemini.redis_url = gemini.environment["PROMPTMILL_REDIS__URL"] = own_redis_url
    return gemini


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
