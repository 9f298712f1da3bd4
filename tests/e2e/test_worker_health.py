"""What a worker answers to whoever watches it."""

import re
import signal
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from jobs.models import PromptJob
from jobs.queue import JobQueue
from tests.programs import GOOD
from tests.redis_server import free_port
from tests.scheduling import add
from tests.standin import steps
from tests.standin.running import Standin
from tests.standin.script import Rule
from tests.waiting import wait_until

from .project import Project, Running

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]

# A counter has a row for each value of its label that has occurred.
LABELS = {"verdict", "ending", "fate", "queue", "kind"}
N_JOBS = 40
ENDED = ("jobs", "attempts", "schedule_instants", "model_tokens", "deliveries")


def asked(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


async def until_loaded(gemini: Project, standin: Standin, address: str) -> Running:
    """A worker that has dozens of jobs under way, some that have ended, and a schedule to look after."""
    slow = steps.text(GOOD).model_copy(update={"delay_seconds": 60.0})
    standin.script(
        Rule(first="Print 2.", steps=(slow,), repeats=True),
        Rule(steps=(steps.text(GOOD),), repeats=True),
    )
    gemini.environment["PROMPTMILL_WORKER__LISTEN"] = address
    jobs = [PromptJob(prompt="Print 2.", run_id="slow", sample=n) for n in range(N_JOBS)]
    records = gemini.folder / ".promptmill" / "records"
    async with JobQueue(str(gemini.redis_url), records=records) as queue:
        await queue.submit_all(jobs)
        await add(queue, "* * * * * *", n_jobs=1)
    worker = await gemini.start_worker()

    def is_at_it() -> bool:
        text = asked(f"http://{address}/metrics")[1]
        n_held = re.search(r"^promptmill_jobs_in_flight (\d+)", text, re.MULTILINE)
        ended = all(f"promptmill_{name}_total{{" in text for name in ENDED)
        return ended and n_held is not None and int(n_held[1]) >= N_JOBS

    await wait_until(is_at_it, 60, "dozens of jobs under way, and some that have ended")
    return worker


async def test_a_worker_under_load_tells_every_number_that_the_page_names(
    gemini: Project, standin: Standin, repository: Path
) -> None:
    """A dashboard is built from the page, and an id in a label would be a new series for each job."""
    address = f"127.0.0.1:{free_port()}"
    worker = await until_loaded(gemini, standin, address)
    status, text = asked(f"http://{address}/metrics")
    assert status == 200
    page = (repository / "docs/operations.md").read_text()
    named = set(re.findall(r"^\| `(promptmill_\w+)", page, re.MULTILINE))
    told = set(re.findall(r"^(?:# TYPE )?(promptmill_\w+)", text, re.MULTILINE))
    assert len(named) >= 8
    assert named == told
    assert set(re.findall(r"[{,](\w+)=\"", text)) == LABELS
    assert not re.search(r"job_\w|slow|nightly", text)
    assert asked(f"http://{address}/healthz") == (200, "ok\n")
    assert asked(f"http://{address}/readyz") == (200, "ok\n")
    assert asked(f"http://{address}/")[0] == 404
    assert gemini.run("worker", "--check").code == 0
    # It finishes what it holds, and nobody is to send it more.
    worker.send(signal.SIGTERM)
    await wait_until(lambda: asked(f"http://{address}/readyz")[0] == 503, 20, "no readiness")
    assert "it is stopping" in asked(f"http://{address}/readyz")[1]


def test_a_check_of_a_worker_that_is_not_there_says_so(project: Project) -> None:
    """A probe that is green without a worker hides the outage."""
    ended = project.run("worker", "--check", PROMPTMILL_WORKER__LISTEN=f"127.0.0.1:{free_port()}")
    assert ended.code == 3
    assert "no worker answers" in ended.err
    ended = project.run("worker", "--check")
    assert ended.code == 2
    assert "PROMPTMILL_WORKER__LISTEN" in ended.err
