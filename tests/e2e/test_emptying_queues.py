"""`promptmill queue drain` and `queue purge`: a queue that is empty in the end, one way or the other."""

import pytest

from .project import Project

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]


async def test_a_queue_is_waited_for_until_workers_have_worked_it_off(project: Project) -> None:
    """A deployment begins when nothing is under way."""
    for _ in range(2):
        project.submit("Print the first 20 primes.", "--queue", "big", "--model", "replay")
    waiting = project.start("queue", "drain", "big")
    await waiting.until_it_says("2 jobs to go")
    settings = {"PROMPTMILL_WORKER__QUEUES": "big", "PROMPTMILL_SANDBOX__REQUIRE": "rlimits"}
    await project.start_worker("--model", "replay", **settings)
    ended = waiting.ended()
    assert ended.code == 0, ended.err
    assert project.queued() == 0
    assert len(project.records()) == 2


def test_a_paused_queue_is_not_waited_for(project: Project) -> None:
    """A command that would wait for ever says what keeps it."""
    project.submit("Print 1.", "--queue", "big", "--model", "replay")
    assert project.run("queue", "pause", "big").code == 0
    ended = project.run("queue", "drain", "big")
    assert ended.code == 2
    assert "promptmill queue resume big" in ended.err


def test_a_queue_is_purged_once_it_is_meant(project: Project) -> None:
    """What is purged is gone: a name that was typed by habit must not be enough."""
    for queue in ("big", "big", "small"):
        project.submit("Print 1.", "--queue", queue, "--model", "replay")
    asked = project.run("queue", "purge", "big")
    assert (asked.code, project.queued()) == (2, 3)
    assert "--yes" in asked.err
    purged = project.run("queue", "purge", "big", "--yes", "--json")
    assert purged.json() == {"queue": "big", "cancelled": 2, "running": 0}
    assert project.queued() == 1


def test_a_name_that_nobody_knows_is_told_with_those_there_are(project: Project) -> None:
    """A queue may be named before there is one, and is misspelt more often."""
    project.submit("Print 1.", "--queue", "big", "--model", "replay")
    says = "nothing is queued in bgi, and no live worker takes from it; queues there are: big"
    for words in (("drain", "bgi"), ("pause", "bgi"), ("purge", "bgi", "--yes")):
        ended = project.run("queue", *words)
        assert ended.code == 0
        assert says in ended.err
    assert "note:" not in project.run("queue", "purge", "big", "--yes").err
