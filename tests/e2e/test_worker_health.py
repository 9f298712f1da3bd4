"""What a worker answers to whoever watches it."""

import re
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.redis_server import free_port
from tests.waiting import wait_until

from .project import Project

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]

# A counter has a row for each value of its label that has occurred.
LABELS = {"verdict", "ending", "fate", "queue", "kind"}


def asked(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


async def test_a_worker_under_load_tells_every_number_that_the_page_names(
    project: Project, repository: Path
) -> None:
    """A dashboard is built from the page, and an id in a label would be a new series for each job."""
    address = f"127.0.0.1:{free_port()}"
    project.environment |= {
        "PROMPTMILL_WORKER__LISTEN": address,
        "PROMPTMILL_SANDBOX__REQUIRE": "rlimits",
        "PROMPTMILL_MODEL__NAME": "replay",
    }
    await project.start_worker()
    assert project.run("schedule", "add", "s", "* * * * * *", "--prompt", "Print 1.").code == 0
    ids = [project.submit("Print the first 20 primes.") for _ in range(2)]

    def has_ended() -> bool:
        text = asked(f"http://{address}/metrics")[1]
        return "promptmill_jobs_total{" in text and "promptmill_schedule_instants_total{" in text

    await wait_until(has_ended, 40, "a job that ended and an instant")
    status, text = asked(f"http://{address}/metrics")
    assert status == 200
    page = (repository / "docs/operations.md").read_text()
    named = set(re.findall(r"^\| `(promptmill_\w+)", page, re.MULTILINE))
    told = set(re.findall(r"^(?:# TYPE )?(promptmill_\w+)", text, re.MULTILINE))
    assert len(named) >= 8
    assert named == told
    assert set(re.findall(r"[{,](\w+)=\"", text)) <= LABELS
    assert not any(job_id in text for job_id in ids)
    assert asked(f"http://{address}/healthz") == (200, "ok\n")
    assert asked(f"http://{address}/readyz") == (200, "ok\n")
    assert asked(f"http://{address}/")[0] == 404
    assert project.run("worker", "--check").code == 0


def test_a_check_of_a_worker_that_is_not_there_says_so(project: Project) -> None:
    """A probe that is green without a worker hides the outage."""
    ended = project.run("worker", "--check", PROMPTMILL_WORKER__LISTEN=f"127.0.0.1:{free_port()}")
    assert ended.code == 3
    assert "no worker answers" in ended.err
    ended = project.run("worker", "--check")
    assert ended.code == 2
    assert "PROMPTMILL_WORKER__LISTEN" in ended.err
