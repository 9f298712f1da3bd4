"""Ctrl-C during a run: it ends at once, keeps what it has, and says how to go on."""

import re
import shlex

import pytest

from jobs.clock import derived_id
from jobs.events import JobCancelled
from jobs.keys import Keys
from tests.standin import steps
from tests.standin.running import Standin
from tests.standin.script import Rule
from tests.waiting import wait_until

from .programs import reply
from .project import Project, Running
from .told import told_as_json_by

pytestmark = pytest.mark.e2e

GO_ON = re.compile(r"^stopped; .*Go on with:  (promptmill .+)$", re.MULTILINE)


@pytest.fixture
async def interrupted(gemini: Project, standin: Standin) -> Running:
    """A run of three jobs that was stopped when two of them had their records."""
    standin.script(
        Rule(first="Print slowly", steps=(steps.slow(steps.text(reply("print(3)")), 40),)),
        Rule(steps=(steps.text(reply("print(1)")),)),
    )
    rows = [
        {"id": name, "prompt": name} for name in ("Print at once.", "Print too.", "Print slowly.")
    ]
    gemini.write_rows("three rows.jsonl", rows)
    run = gemini.start("eval", "three rows.jsonl", "--max-attempts", "2")
    await wait_until(
        lambda: len(gemini.records()) == 2 and len(standin.requests) == 3,
        30,
        "two records, and one request without an answer",
    )
    run.interrupt_group()
    return run


async def test_an_interrupted_run_says_how_to_go_on(gemini: Project, interrupted: Running) -> None:
    """Whoever stops a run of hours wants to know that nothing is lost, and what to type tomorrow."""
    ended = interrupted.ended(within_seconds=15)
    assert ended.code == 130
    assert "Traceback" not in ended.said
    assert GO_ON.search(ended.err) is not None, ended.err
    assert len(gemini.records()) == 2


async def test_an_interrupted_run_is_told_to_programs_too(
    gemini: Project, standin: Standin
) -> None:
    """Nothing on standard output is not JSON, and whoever reads it would blame the wrong thing."""
    standin.says(steps.slow(steps.text(reply("print(3)")), 40))
    gemini.write_rows("one.jsonl", [{"id": "one", "prompt": "Print 1."}])
    run = gemini.start("eval", "one.jsonl", "--run", "mine", "--json")
    await wait_until(lambda: len(standin.requests) == 1, 30, "a request without an answer")
    run.interrupt_group()
    told = told_as_json_by(run.ended(within_seconds=15))
    assert (told.kind, told.code) == ("stopped", 130)
    assert "promptmill eval one.jsonl --run mine --json" in told.body


def test_a_run_of_one_job_shows_that_it_is_done(gemini: Project, standin: Standin) -> None:
    """Off a terminal its last line is what tells a finished run from one that hangs."""
    standin.says(reply("print(1)"))
    gemini.write_rows("one.jsonl", [{"id": "one", "prompt": "Print 1."}])
    ended = gemini.run("eval", "one.jsonl", "--run", "mine")
    assert "run      mine   1 job   model" in ended.err
    assert "mine  1/1  solved=1" in ended.err
    assert ended.out.startswith("run mine   1 record in")


async def test_an_interrupted_run_goes_on_without_asking_again(
    gemini: Project, standin: Standin, interrupted: Running
) -> None:
    """What is recorded was paid for; only the request that nobody waited for is made once more."""
    said = GO_ON.search(interrupted.ended(within_seconds=15).err)
    assert said is not None
    before = {record.job_id: record for record in gemini.records()}
    standin.says(reply("print(3)"))
    standin.forget()
    again = gemini.run_program(*shlex.split(said[1]))
    assert again.code == 0, again.err
    after = {record.job_id: record for record in gemini.records()}
    assert len(after) == 3
    assert {job_id: after[job_id] for job_id in before} == before
    [request] = standin.requests
    assert "Print slowly." in str(request.body)
    assert re.search(r"at the first attempt\s+3 / 3 ", again.out), "all three are in the report"


def test_a_job_that_was_cancelled_earlier_is_run_when_its_run_goes_on(
    gemini: Project, standin: Standin
) -> None:
    """The stream of the run still tells of the cancellation, and the run would end before its job did."""
    standin.says(reply("print(1)"))
    gemini.write_rows("one.jsonl", [{"id": "one", "prompt": "Print 1."}])
    earlier = JobCancelled(job_id=derived_id("job", "r", "one", 0))
    with gemini.client() as client:
        client.xadd(Keys().events("r"), {"event": earlier.to_json()})
    ended = gemini.run("eval", "one.jsonl", "--run", "r")
    assert ended.code == 0, ended.err
    assert "cancelled" not in ended.err
    assert len(gemini.records()) == 1
