"""What goes over the wire to Gemini, and that nothing around us changes it."""

import json
import subprocess
import sys
from contextlib import aclosing

import pytest
from pydantic import JsonValue

from tests.standin import steps
from tests.standin.running import GOOD_KEY, Standin
from worker.errors import ModelRejectedError
from worker.model import ModelRequest, ModelTurn, UserTurn
from worker.model.gemini import GeminiModel
from worker.model.options import GeminiOptions

# Everything the SDK likes to change: standard base64, fields it does not know, snake case, an odd order.
AS_RECEIVED: dict[str, JsonValue] = {
    "parts": [
        {"thought": True, "text": "let me see"},
        {"thoughtSignature": "EjRm+/9v8A==", "text": "```python\nprint(1)\n```\u2028"},
        {"newer_than_us": {"a_b": [1, None, 1.0]}, "executableCode": {"code": "x", "id": "e1"}},
    ],
    "role": "model",
    "futureField": {"k": "v"},
}
TURNS = (UserTurn("Add 1 and 1."), ModelTurn(AS_RECEIVED), UserTurn("Attempt 1 failed: é\u2028"))


def options(url: str, temperature: float | None = None) -> GeminiOptions:
    return GeminiOptions(
        name="gemini-3.8-flash",
        api_key=GOOD_KEY,
        base_url=url,
        max_output_tokens=16384,
        temperature=temperature,
        max_wait_seconds=0,
    )


def asked(temperature: float | None = None) -> ModelRequest:
    return ModelRequest(
        prompt="Add 1 and 1.",
        task_id="t",
        sample=0,
        attempt=2,
        system_instruction="Be brief.",
        turns=TURNS,
        temperature=temperature,
    )


async def sent_body(standin: Standin, options: GeminiOptions, request: ModelRequest) -> JsonValue:
    standin.says("fine")
    async with aclosing(GeminiModel(options)) as model:
        await model.generate(request)
    return standin.requests[-1].body


async def test_the_whole_request_is_what_we_mean_and_no_more(standin: Standin) -> None:
    """Tools, safety settings or continuation that slip in change what is measured and billed."""
    body = await sent_body(standin, options(standin.url), asked())
    assert body == {
        "contents": [
            {"role": "user", "parts": [{"text": TURNS[0].text}]},
            AS_RECEIVED,
            {"role": "user", "parts": [{"text": "Attempt 1 failed: é\u2028"}]},
        ],
        "systemInstruction": {"role": "user", "parts": [{"text": "Be brief."}]},
        "generationConfig": {"maxOutputTokens": 16384},
    }


async def test_the_models_own_turn_goes_back_exactly_as_it_came(standin: Standin) -> None:
    """A rebuilt turn loses thought signatures, which newer models answer with a 400."""
    standin.says(steps.parts(*_parts(AS_RECEIVED)), "fine")
    async with aclosing(GeminiModel(options(standin.url))) as model:
        reply = await model.generate(asked())
        assert reply.content is not None
        turns = (UserTurn("Add 1 and 1."), ModelTurn(reply.content), UserTurn("again"))
        await model.generate(ModelRequest("Add 1 and 1.", "t", 0, 2, "", turns))
    body = standin.requests[-1].body
    assert isinstance(body, dict)
    assert isinstance(body["contents"], list)
    assert json.dumps(body["contents"][1]) == json.dumps(
        {"role": "model", "parts": AS_RECEIVED["parts"]}
    )


@pytest.mark.parametrize(
    ("ours", "the_jobs", "sent"),
    [
        pytest.param(None, None, None, id="nobody's"),
        pytest.param(0.7, None, 0.7, id="the worker's"),
        pytest.param(0.7, 0.0, 0.0, id="the job's, zero included"),
    ],
)
async def test_the_jobs_temperature_goes_before_the_workers(
    standin: Standin, ours: float | None, the_jobs: float | None, sent: float | None
) -> None:
    """Zero is a temperature: taking it for unset would make an evaluation unrepeatable."""
    body = await sent_body(standin, options(standin.url, ours), asked(the_jobs))
    assert isinstance(body, dict)
    config = body["generationConfig"]
    assert isinstance(config, dict)
    assert config.get("temperature") == sent


async def test_no_environment_variable_of_the_sdk_changes_a_request(
    standin: Standin, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A stray variable on one machine would redirect or re-bill that machine's share of a run."""
    stray = {
        "GEMINI_API_KEY": "stray",
        "GOOGLE_API_KEY": "stray",
        "GOOGLE_CLOUD_LOCATION": "mars",
        "GOOGLE_CLOUD_PROJECT": "stray",
        "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9",
        "GOOGLE_GENAI_API_VERSION": "beta",
        "GOOGLE_GENAI_CLIENT_MODE": "replay",
        "GOOGLE_GENAI_REPLAYS_DIRECTORY": "/nowhere",
        "GOOGLE_GENAI_REPLAY_ID": "a/b/mldev",
        "GOOGLE_GENAI_USE_ENTERPRISE": "true",
        "GOOGLE_GENAI_USE_VERTEXAI": "true",
        "GOOGLE_VERTEX_BASE_URL": "http://127.0.0.1:9",
    }
    for name, value in stray.items():
        monkeypatch.setenv(name, value)
    await sent_body(standin, options(standin.url), asked())
    request = standin.requests[0]
    assert request.key_matched
    assert request.path == "/v1/models/gemini-3.8-flash:generateContent"
    assert "GOOGLE_API_KEY" not in caplog.text


async def test_a_http_client_that_is_not_there_is_told_with_its_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The SDK's own ImportError names a package that nobody here ever chose."""
    monkeypatch.setenv("GOOGLE_GENAI_HTTP_CLIENT", "httpx")
    with pytest.raises(ModelRejectedError) as caught:
        GeminiModel(options("http://127.0.0.1:9"))
    assert caught.value.fixes == ("unset GOOGLE_GENAI_HTTP_CLIENT",)


def test_the_sdk_is_loaded_only_by_who_asks_gemini() -> None:
    """It takes most of a second and fifty megabytes, which producers and replays need not pay."""
    program = (
        "import sys\n"
        "from worker.model.opening import open_model\n"
        "from worker.model.options import GeminiOptions\n"
        "from jobs.records.memory import MemoryRecordStore\n"
        "import worker.model.replay, worker.model.scripted, worker.model.replies\n"
        "print('google.genai' in sys.modules)\n"
        "open_model('gemini-3.8-flash', GeminiOptions(name='gemini-3.8-flash', api_key='k'), MemoryRecordStore())\n"
        "print('google.genai' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "True"]


def _parts(content: dict[str, JsonValue]) -> list[JsonValue]:
    parts = content["parts"]
    assert isinstance(parts, list)
    return parts
