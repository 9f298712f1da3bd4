"""One contract, three clients: whatever holds for the model's edge is asked of each that keeps it."""

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from jobs.models import ModelReply
from tests.standin.running import GOOD_KEY, Standin
from worker.model import ModelClient, ModelRequest, ModelTurn, UserTurn
from worker.model.gemini import GeminiModel
from worker.model.options import GeminiOptions
from worker.model.replay import ReplayModel, load_recordings
from worker.model.scripted import ScriptedModel

PROMPT = "Print a greeting."
FIRST, SECOND = "```python\nprin('hi')\n```", "```python\nprint('hi')\n```"


@pytest.fixture(params=["gemini", "replay", "scripted"])
async def client(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ModelClient]:
    """A client that answers FIRST, then SECOND."""
    async with aclosing(_client(request, tmp_path)) as opened:
        yield opened


def _client(request: pytest.FixtureRequest, directory: Path) -> ModelClient:
    match request.param:
        case "gemini":
            standin: Standin = request.getfixturevalue("standin")
            standin.says(FIRST, SECOND)
            return GeminiModel(
                GeminiOptions(name="gemini-3.8-flash", api_key=GOOD_KEY, base_url=standin.url)
            )
        case "replay":
            path = directory / "recordings.jsonl"
            rows = [
                {"prompt": PROMPT, "attempt": attempt, "reply": reply}
                for attempt, reply in enumerate((FIRST, SECOND), start=1)
            ]
            path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
            return ReplayModel(load_recordings(path), "replay")
        case _:
            return ScriptedModel(FIRST, SECOND)


def asked(attempt: int, *turns: UserTurn | ModelTurn) -> ModelRequest:
    return ModelRequest(
        prompt=PROMPT,
        task_id=None,
        sample=0,
        attempt=attempt,
        system_instruction="Be brief.",
        turns=(UserTurn(PROMPT), *turns),
    )


async def two_replies(client: ModelClient) -> tuple[ModelReply, ModelReply]:
    first = await client.generate(asked(1))
    assert first.content is not None
    return first, await client.generate(asked(2, ModelTurn(first.content), UserTurn("NameError")))


async def test_replies_come_in_the_order_of_the_attempts(client: ModelClient) -> None:
    """The feedback loop is tested with one client and run with another."""
    first, second = await two_replies(client)
    assert (first.text, second.text) == (FIRST, SECOND)


async def test_the_content_of_a_reply_is_a_model_turn_to_send_back(client: ModelClient) -> None:
    """The next request holds it as it is, whoever gave it."""
    first, _ = await two_replies(client)
    assert first.content == {"role": "model", "parts": [{"text": FIRST}]}


async def test_a_reply_survives_the_checkpoint(client: ModelClient) -> None:
    """A redelivered job reads its reply back from JSON and must not notice."""
    first, _ = await two_replies(client)
    assert ModelReply.model_validate_json(first.to_json()) == first


async def test_a_reply_that_ended_well_says_so_and_who_gave_it(client: ModelClient) -> None:
    """The loop runs only what is whole, and a record names who wrote it."""
    first, _ = await two_replies(client)
    assert first.finish_reason == "STOP"
    assert first.model_version


async def test_each_reply_owns_to_what_its_client_is(client: ModelClient) -> None:
    """Simulated records must never count for a model."""
    first, _ = await two_replies(client)
    assert first.simulated is client.simulated
    assert client.simulated is not isinstance(client, GeminiModel)


async def test_a_client_that_could_answer_passes_its_check(client: ModelClient) -> None:
    """A worker checks before it takes the first job."""
    await client.check()
    assert client.name


async def test_a_client_may_be_closed_twice(client: ModelClient) -> None:
    """A worker's shutdown may pass the same place twice: what the fixture does after this must raise nothing."""
    await client.aclose()
