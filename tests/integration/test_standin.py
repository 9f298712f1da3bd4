"""The stand-in itself: a test that leans on it must be able to trust it."""

import signal
import subprocess
import sys

import httpx2
import pytest
from pydantic import JsonValue

from tests.standin import steps
from tests.standin.running import GOOD_KEY, Standin
from tests.standin.script import Rule

PATH = "/v1/models/gemini-3.8-flash:generateContent"


def ask(url: str, *texts: str, path: str = PATH, **headers: str) -> httpx2.Response:
    """One request whose turns are these, the user's and the model's in turn."""
    contents = [
        {"role": ("user", "model")[number % 2], "parts": [{"text": text}]}
        for number, text in enumerate(texts)
    ]
    return post(url + path, {"contents": contents}, **headers)


def post(url: str, body: object, **headers: str) -> httpx2.Response:
    given = {"x-goog-api-key": GOOD_KEY} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    with httpx2.Client(trust_env=False, verify=False) as client:
        return client.post(url, json=body, headers=given)


def said(response: httpx2.Response) -> JsonValue:
    """The text of a reply, or the message of an error."""
    body = response.json()
    if "error" in body:
        return str(body["error"]["message"])
    return str(body["candidates"][0]["content"]["parts"][0]["text"])


def test_rules_match_by_the_first_and_the_last_user_text(standin: Standin) -> None:
    """A test says what the job asked and what must have been fed back, and gets its answer only then."""
    standin.script(
        Rule(first="primes", last="failed", steps=(steps.text("repaired"),)),
        Rule(first="primes", steps=(steps.text("broken"),)),
        Rule(steps=(steps.text("other"),), repeats=True),
    )
    assert said(ask(standin.url, "primes, please")) == "broken"
    assert said(ask(standin.url, "primes, please", "broken", "it failed")) == "repaired"
    assert said(ask(standin.url, "primes in the model's turn", "x", "ok")) == "broken"
    assert said(ask(standin.url, "hello", "primes", "failed")) == "other"


def test_each_conversation_hears_the_steps_from_the_start(standin: Standin) -> None:
    """Jobs run at the same time and must not take each other's answers."""
    standin.script(Rule(steps=(steps.text("1"), steps.text("2"))))
    asked = ("a", "b", "b", "a")
    assert [said(ask(standin.url, text)) for text in asked] == ["1", "1", "2", "2"]


def test_a_request_too_many_is_told_so(standin: Standin) -> None:
    """A silent repetition would hide that a caller pays twice."""
    standin.script(Rule(steps=(steps.text("1"),)))
    ask(standin.url, "a")
    answer = ask(standin.url, "a")
    assert answer.status_code == 400
    assert "nothing left to say to 'a'" in str(said(answer))


def test_the_log_holds_requests_without_the_key(standin: Standin) -> None:
    """The log is printed when a test fails."""
    standin.says("x")
    ask(standin.url, "a")
    ask(standin.url, "b", x_goog_api_key="another-key")
    first, second = standin.requests
    assert (first.key_matched, first.status) == (True, 200)
    assert (second.key_matched, second.status) == (False, 400)
    assert first.body == {"contents": [{"role": "user", "parts": [{"text": "a"}]}]}
    assert GOOD_KEY not in first.to_json()
    assert "another-key" not in second.to_json()


def test_what_was_paid_for_twice_is_found(standin: Standin) -> None:
    """After a crash nothing may be asked again that was answered before; a refused request may."""
    standin.script(
        Rule(first="a", steps=(steps.overloaded(), steps.text("x"))),
        Rule(steps=(steps.text("x"),), repeats=True),
    )
    for text in ("a", "a", "b"):
        ask(standin.url, text)
    assert standin.paid_twice() == []
    ask(standin.url, "b")
    assert len(standin.paid_twice()) == 1
    standin.forget()
    assert standin.log() == ()


@pytest.mark.parametrize(
    ("path", "body", "headers", "expected"),
    [
        pytest.param(PATH, {"contents": []}, {}, (400, "contents is not"), id="no contents"),
        pytest.param(
            PATH, {"contents": [1], "streem": 1}, {}, (400, "Unknown name"), id="unknown field"
        ),
        pytest.param(
            PATH, {}, {"x_server_timeout": "5"}, (400, "Minimum allowed"), id="short deadline"
        ),
        pytest.param(PATH, {}, {"x_goog_api_key": "no"}, (400, "not valid"), id="bad key"),
        pytest.param(
            "/v1/models/gemini-2.0-flash:generateContent", {}, {}, (404, "v1, or"), id="retired"
        ),
    ],
)
def test_it_refuses_what_the_service_refuses(
    standin: Standin, path: str, body: object, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    """A stand-in that takes everything lets a bad request through to the real service."""
    standin.says("x")
    answer = post(standin.url + path, body, **headers)
    assert answer.status_code == expected[0]
    assert expected[1] in str(said(answer))


def test_it_lists_its_models_to_who_has_the_key(standin: Standin) -> None:
    """`curl` with a key is the first thing that somebody tries."""
    with httpx2.Client(trust_env=False, verify=False) as client:
        refused = client.get(standin.url + "/v1beta/models")
        listed = client.get(standin.url + "/v1beta/models", headers={"x-goog-api-key": GOOD_KEY})
    assert refused.status_code == 403
    assert "models/gemini-3.8-flash" in [model["name"] for model in listed.json()["models"]]


@pytest.mark.e2e
def test_it_runs_as_a_process_of_its_own() -> None:
    """Installed commands are tested against it, and their tests start it like any program."""
    command = [sys.executable, "-m", "tests.standin", "--key", "other-key"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            Standin(url).says("hello")
            assert said(ask(url, "a", x_goog_api_key="other-key")) == "hello"
        finally:
            process.terminate()
        assert process.wait(10) in {0, -signal.SIGTERM}
