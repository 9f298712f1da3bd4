"""Commands that counted on a worker which is not there any more."""

import pytest

from jobs.keys import Keys
from jobs.languages import Language
from jobs.presence import WorkerPresence
from tests.standin.running import Standin

from .programs import reply
from .project import Project

pytestmark = pytest.mark.e2e

_LAST_BEAT_SECONDS = 4


def _leave_a_ghost(project: Project) -> None:
    ghost = WorkerPresence(
        worker_id="ghost", model="gemini-3.8-flash", simulated=False, languages=(Language.PYTHON,)
    )
    with project.client() as client:
        client.set(Keys().worker("ghost"), ghost.to_json(), ex=_LAST_BEAT_SECONDS)


def test_an_evaluation_goes_on_by_itself_when_its_workers_have_gone(
    gemini: Project, standin: Standin
) -> None:
    """A worker that was killed still shines for a while; nobody should have to type the command twice."""
    standin.says(reply("print(1)"))
    gemini.write_rows("one.jsonl", [{"id": "one", "prompt": "Print 1."}])
    _leave_a_ghost(gemini)
    ended = gemini.run("eval", "one.jsonl")
    assert ended.code == 0, ended.err
    assert "going on with one of our own" in ended.err
    assert len(gemini.records()) == 1


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
