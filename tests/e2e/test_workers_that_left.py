"""Commands that counted on a worker which is not there any more."""

import pytest

from jobs.languages import Language
from tests.standin.running import Standin

from .ghosts import forsaken, leave_a_ghost
from .programs import reply
from .project import Project
from .surroundings import without_node
from .told import told_by

pytestmark = pytest.mark.e2e


async def test_an_evaluation_goes_on_by_itself_when_its_workers_have_gone(
    gemini: Project, standin: Standin
) -> None:
    """A worker that was killed still shines for a while; nobody should have to type the command twice."""
    standin.says(reply("print(1)"))
    gemini.write_rows("one.jsonl", [{"id": "one", "prompt": "Print 1."}])
    leave_a_ghost(gemini)
    ended = await forsaken(gemini, gemini.start("eval", "one.jsonl"))
    assert ended.code == 0, ended.err
    assert "going on with one of our own" in ended.err
    assert len(gemini.records()) == 1


async def test_an_evaluation_does_not_replay_what_its_workers_were_to_ask_gemini(
    project: Project,
) -> None:
    """Without a key here each job would fail for good, for want of a recording, in a run that says it asks Gemini."""
    project.write_rows("one.jsonl", [{"id": "one", "prompt": "Print 1."}])
    leave_a_ghost(project)
    told = told_by(await forsaken(project, project.start("eval", "one.jsonl")))
    assert (told.kind, told.code, told.retryable) == ("no-worker", 3, True)
    assert "replay" in told.body
    assert "gemini-3.8-flash" in told.body
    assert (project.records(), project.queued()) == ([], 1)


async def test_an_evaluation_does_not_go_on_without_the_interpreter_that_its_workers_had(
    gemini: Project, standin: Standin
) -> None:
    """Answers would be paid for that nothing here can run, and the jobs would fail for good."""
    standin.says(reply("console.log(1)"))
    row = {"id": "one", "prompt": "Print 1.", "language": "javascript"}
    gemini.write_rows("one.jsonl", [row])
    leave_a_ghost(gemini, Language.JAVASCRIPT)
    command = gemini.start_program(*without_node("promptmill", "eval", "one.jsonl"))
    told = told_by(await forsaken(gemini, command))
    assert (told.kind, told.code) == ("no-worker", 3)
    assert "javascript" in told.body
    assert (gemini.records(), gemini.queued(), len(standin.requests)) == ([], 1, 0)


async def test_an_evaluation_that_names_its_model_goes_on_with_that_one(
    gemini: Project, standin: Standin
) -> None:
    """Its jobs never asked for the model that the workers would have chosen."""
    standin.says(reply("print(1)"))
    gemini.write_rows("one.jsonl", [{"id": "one", "prompt": "Print 1."}])
    leave_a_ghost(gemini)
    command = gemini.start("eval", "one.jsonl", "--model", "gemini-3.1-pro-preview")
    ended = await forsaken(gemini, command)
    assert ended.code == 0, ended.err
    assert "going on with one of our own" in ended.err
    assert [record.requested_model for record in gemini.records()] == ["gemini-3.1-pro-preview"]


def test_a_model_that_is_named_without_a_worker_stays_with_the_job(
    gemini: Project, standin: Standin
) -> None:
    """Whoever names a model must not be answered by another one because no worker was there yet."""
    standin.says(reply("print(1)"))
    gemini.submit("Print 1.", "--model", "gemini-3.1-pro-preview")
    assert gemini.run("worker", "--burst").code == 0
    [record] = gemini.records()
    assert record.requested_model == "gemini-3.1-pro-preview"
    assert "gemini-3.1-pro-preview" in standin.requests[0].path


@pytest.mark.parametrize("words", [("submit", "caf\udce9"), ("submit", "x", "--expect", "\udce9")])
def test_an_argument_that_is_not_text_is_refused_before_it_is_queued(
    gemini: Project, words: tuple[str, ...]
) -> None:
    """A job that no record can hold would be paid for again and again, and end without a trace."""
    ended = gemini.run(*words)
    assert ended.code == 2, ended.err
    assert "cannot be used" in ended.err
    assert "unicode" in ended.err
    assert gemini.queued() == 0
