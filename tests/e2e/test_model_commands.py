"""`promptmill model` and `doctor --live`: who answers, whether it does, and what it understands."""

import pytest

from tests.standin import steps
from tests.standin.running import Standin
from tests.standin.script import Rule

from .programs import reply
from .project import Project
from .told import told_as_json_by, told_by

pytestmark = pytest.mark.e2e


def test_a_check_says_that_the_model_can_be_asked_and_where(
    gemini: Project, standin: Standin
) -> None:
    """A key is checked before a night's run is started, and checking it costs nothing."""
    ended = gemini.run("model", "check")
    assert (ended.code, ended.out) == (0, f"gemini-3.8-flash  can be asked at {standin.url}\n")
    told = gemini.run("model", "check", "--json").json()
    assert told == {"model": "gemini-3.8-flash", "simulated": False, "asked": standin.url}
    assert not standin.requests


@pytest.mark.parametrize(
    ("words", "environment", "kind", "code"),
    [
        pytest.param((), {"GEMINI_API_KEY": "wrong-key-W3rQ"}, "model-key-invalid", 4, id="key"),
        pytest.param(("--model", "gemini-2.0-flash"), {}, "model-not-found", 4, id="model"),
        pytest.param(
            (), {"PROMPTMILL_MODEL__PROJECT": "p"}, "usage", 2, id="a project without Vertex AI"
        ),
        pytest.param(
            (), {"PROMPTMILL_MODEL__BACKEND": "vertex"}, "usage", 2, id="Vertex AI without project"
        ),
    ],
)
def test_a_check_that_fails_says_what_to_mend(
    gemini: Project, words: tuple[str, ...], environment: dict[str, str], kind: str, code: int
) -> None:
    """Its exit code is what a script goes by before it starts anything."""
    told = told_by(gemini.run("model", "check", *words, **environment))
    assert (told.kind, told.code) == (kind, code)
    assert "fix" in told.body
    assert (
        told_as_json_by(gemini.run("model", "check", *words, "--json", **environment)).kind == kind
    )


def test_a_check_of_recordings_says_that_they_are_some(project: Project) -> None:
    """Nobody should take a replay for a model, least of all where it is asked about."""
    ended = project.run("model", "check")
    assert (ended.code, ended.out) == (0, "replay  answers are RECORDINGS, not a model's\n")


def test_the_models_are_listed_and_the_one_that_is_meant_is_marked(gemini: Project) -> None:
    """Names change by the month, and a retired one is an error of every job."""
    lines = gemini.run("model", "list").out.splitlines()
    assert lines[0].startswith("* gemini-3.8-flash ")
    assert "1,048,576 tokens in" in lines[0]
    assert lines[1].startswith("  gemini-3.1-pro-preview ")
    told = gemini.run("model", "list", "--json").json()
    assert told[0] == {
        "name": "gemini-3.8-flash",
        "inputTokens": 1048576,
        "outputTokens": 65536,
        "isMeant": True,
    }


def test_a_list_needs_a_key(project: Project) -> None:
    """There is no list of ours that could go out of date."""
    assert told_by(project.run("model", "list")).kind == "model-key-missing"
    assert told_by(project.run("model", "list", "--model", "replay")).code == 2


def test_doctor_asks_the_model_only_when_told_to(gemini: Project, standin: Standin) -> None:
    """Whoever looks for what is wrong has not decided to spend anything."""
    standin.script(
        Rule(
            last="corrected",
            steps=(steps.error(400, "INVALID_ARGUMENT", "no such part"),),
            repeats=True,
        ),
        Rule(steps=(steps.text(reply("print(42)"), thoughts=5),), repeats=True),
    )
    assert not any(line["group"] == "live" for line in gemini.run("doctor", "--json").json())
    assert not standin.requests
    live = [
        line for line in gemini.run("doctor", "--live", "--json").json() if line["group"] == "live"
    ]
    assert [(line["name"], line["status"]) for line in live] == [
        ("a program", "ok"),
        ("results as parts", "warn"),
    ]
    assert live[0]["detail"].startswith("ok, by gemini-3.8-flash, 28 tokens, 5 of them thoughts")
    assert "no such part" in live[1]["detail"]
