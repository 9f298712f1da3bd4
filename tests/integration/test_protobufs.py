"""What is sent, and what the stand-in answers, held to Google's own description of both."""

import json
from contextlib import aclosing, suppress
from typing import Any

import httpx2
import pytest
from google.ai import generativelanguage_v1beta as google
from google.protobuf import json_format
from google.rpc import error_details_pb2, status_pb2
from pydantic import JsonValue

from tests.integration.asking_gemini import FINE, asked, gemini, options
from tests.standin import steps
from tests.standin.running import GOOD_KEY, Standin
from tests.standin.script import BatchPlan, Rule, Step
from worker.errors import ModelError
from worker.model import ModelRequest, ModelTurn, UserTurn
from worker.model.batches import GeminiBatches, line_of
from worker.model.gemini import body_of

# Newer than the published descriptions. Whatever else they do not know is a mistake of ours.
NEWER_FIELDS = {"id", "aFieldOfTomorrow"}
NEWER_WORDS: list[JsonValue] = ["CONTINUATION", "MISSING_THOUGHT_SIGNATURE"]

CODE: JsonValue = {"executableCode": {"language": "PYTHON", "code": "print(1)", "id": "e"}}
RESULT: JsonValue = {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n", "id": "e"}}
REPLIES = {
    "text": FINE,
    "thoughts": steps.parts(
        {"text": "hm", "thought": True}, {"text": "a", "thoughtSignature": "c2lnbmVk"}, thoughts=55
    ),
    "code": steps.parts({"text": "see"}, CODE, RESULT),
    "cut": steps.text("print(", finish_reason="MAX_TOKENS"),
    "all thoughts": steps.all_thoughts(),
    "no finish reason": steps.text("half", finish_reason=None),
    "withheld": steps.safety_block(),
    "prompt refused": steps.prompt_block(),
    "no candidates": steps.no_candidates(),
    "continuation": steps.text("half", finish_reason="CONTINUATION"),
    "no signature": steps.text("", finish_reason="MISSING_THOUGHT_SIGNATURE"),
}
ERRORS = {
    "rate limit": steps.rate_limited(),
    "rate limit without a wish": steps.rate_limited(None),
    "quota of the day": steps.daily_quota(),
    "no quota": steps.no_quota(),
    "bad key": steps.bad_key(),
}


def parsed(message: Any, body: JsonValue) -> dict[str, JsonValue]:
    """What a message of Google's holds once the body is strictly parsed into it; what is newer is left out, by name."""
    json_format.ParseDict(_without_what_is_newer(body), message)
    found: dict[str, JsonValue] = json_format.MessageToDict(message)
    return found


def _without_what_is_newer(value: JsonValue) -> JsonValue:
    match value:
        case dict():
            return {
                name: _without_what_is_newer(part)
                for name, part in value.items()
                if name not in NEWER_FIELDS and part not in NEWER_WORDS
            }
        case list():
            return [_without_what_is_newer(part) for part in value]
        case _:
            return value


@pytest.mark.parametrize("step", REPLIES.values(), ids=REPLIES)
async def test_each_reply_of_the_stand_in_is_one_that_google_could_send(
    standin: Standin, step: Step
) -> None:
    """A stand-in that says what the service never would proves nothing about us."""
    standin.says(step)
    async with aclosing(gemini(standin.url, max_wait_seconds=0)) as model:
        with suppress(ModelError):
            await model.generate(asked())
    [request, *_] = standin.requests
    assert isinstance(step.body, dict)
    body = step.body | {"modelVersion": "gemini-3.8-flash", "responseId": "r-1"}
    # An empty list is none to them.
    said = {name for name, value in body.items() if value}
    assert set(parsed(google.GenerateContentResponse.pb()(), body)) == said
    assert "contents" in parsed(google.GenerateContentRequest.pb()(), request.body)


@pytest.mark.parametrize("step", ERRORS.values(), ids=ERRORS)
def test_each_detail_of_an_error_is_one_that_google_could_send(step: Step) -> None:
    """How long to wait, and whether the day's quota is over, is read out of them."""
    body: Any = step.body
    for detail in body["error"]["details"]:
        name = detail["@type"].rpartition(".")[2]
        fields = {key: value for key, value in detail.items() if key != "@type"}
        assert set(parsed(getattr(error_details_pb2, name)(), fields)) == set(fields)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="plain"),
        pytest.param({"temperature": 0.5}, id="temperature"),
        pytest.param({"code_execution": True}, id="code execution"),
        pytest.param(
            {
                "turns": (
                    UserTurn("Add."),
                    ModelTurn({"role": "model", "parts": [{"text": "a"}, CODE, RESULT]}),
                    UserTurn("Again."),
                )
            },
            id="a conversation",
        ),
    ],
)
async def test_each_request_is_one_that_google_describes(
    standin: Standin, changes: dict[str, Any]
) -> None:
    """The service answers a field that it does not know with a 400, to every job."""
    standin.says(FINE)
    request = ModelRequest(**{**vars(asked()), **changes})
    async with aclosing(gemini(standin.url, max_output_tokens=100)) as model:
        await model.generate(request)
    [sent] = standin.requests
    assert isinstance(sent.body, dict)
    assert set(parsed(google.GenerateContentRequest.pb()(), sent.body)) == set(sent.body)


async def test_each_line_of_a_batch_is_one_that_google_describes(standin: Standin) -> None:
    """A line that the service cannot read is answered a day later, with an error. Of batches it describes no more."""
    standin.script(
        Rule(steps=(FINE,), repeats=True),
        batches=(BatchPlan(failing={1: steps.rate_limited()}),),
    )
    body = body_of(asked(), options(standin.url))
    lines = [line_of(key, body) for key in "ab"]
    async with aclosing(GeminiBatches(options(standin.url))) as wire:
        made = await wire.create("mine", "gemini-3.8-flash", b"".join(lines))
        while not (status := await wire.look(made.name)) or not status.is_over:
            pass
    for line in lines:
        request = json.loads(line)["request"]
        assert set(parsed(google.GenerateContentRequest.pb()(), request)) == set(request)
    with httpx2.Client(trust_env=False, verify=False) as client:
        url = f"{standin.url}/v1/{status.results}:download"
        results = client.get(url, headers={"x-goog-api-key": GOOD_KEY}).text.splitlines()
    told = {line["key"]: line for line in map(json.loads, results)}
    assert "candidates" in parsed(google.GenerateContentResponse.pb()(), told["a"]["response"])
    assert set(parsed(status_pb2.Status(), told["b"]["error"])) == {"code", "message"}


def test_what_the_stand_in_says_of_its_models_is_described_too(standin: Standin) -> None:
    """`model list` and every check read it."""
    headers = {"x-goog-api-key": GOOD_KEY}
    with httpx2.Client(trust_env=False, verify=False) as client:
        one = client.get(f"{standin.url}/v1/models/gemini-3.8-flash", headers=headers)
        several = client.get(f"{standin.url}/v1/models", headers=headers)
    told = parsed(google.Model.pb()(), one.json())
    assert told["name"] == "models/gemini-3.8-flash"
    models = parsed(google.ListModelsResponse.pb()(), several.json())["models"]
    assert isinstance(models, list)
    assert told in models


def test_what_google_does_not_know_is_noticed() -> None:
    """Or all of this would pass whatever was said."""
    with pytest.raises(json_format.ParseError):
        parsed(google.GenerateContentResponse.pb()(), {"candidate": []})
    with pytest.raises(json_format.ParseError):
        parsed(google.GenerateContentResponse.pb()(), json.loads('{"candidates": [{"finish": 1}]}'))
