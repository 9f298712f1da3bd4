"""The key of Gemini: never said, refused in words a person can act on, and checked free of charge."""

import logging
from contextlib import aclosing
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.integration.asking_gemini import FINE, asked, everything_said, gemini
from tests.standin import steps
from tests.standin.running import GOOD_KEY, Standin
from tests.standin.script import Rule, Step
from worker.errors import (
    ModelError,
    ModelKeyError,
    ModelNotFoundError,
    ModelUnavailableError,
)
from worker.model.options import GeminiOptions


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(steps.bad_key(), id="bad key"),
        pytest.param(steps.overloaded(), id="overloaded"),
        pytest.param(steps.error(400, "INVALID_ARGUMENT", f"not {GOOD_KEY}!"), id="quoted in JSON"),
        pytest.param(Step(status=400, text=f"<p>{GOOD_KEY}</p>"), id="quoted by a proxy"),
    ],
)
async def test_the_key_is_in_no_message_and_no_log(
    standin: Standin, caplog: pytest.LogCaptureFixture, step: Step
) -> None:
    """Messages and logs are pasted into tickets."""
    standin.says(step)
    caplog.set_level(logging.DEBUG)
    with capture_logs() as events:
        model = gemini(standin.url, max_wait_seconds=0.1)
        async with aclosing(model):
            with pytest.raises(ModelError) as caught:
                await model.generate(asked())
    assert caught.value.__cause__ is caught.value.__context__ is None
    said = [everything_said(caught.value), caplog.text, str(events), repr(model)]
    said += [repr(GeminiOptions(name="m", api_key=GOOD_KEY))]
    assert all(GOOD_KEY not in words for words in said)


async def test_a_refused_key_is_told_by_length_and_ending(standin: Standin) -> None:
    """Enough to see which of two keys was used, not enough to use it."""
    async with aclosing(gemini(standin.url, api_key="another-key-of-somebody-9zQ1")) as model:
        with pytest.raises(ModelKeyError) as caught:
            await model.generate(asked())
    facts = caught.value.facts
    assert facts["key"] == "28 characters, ends in …9zQ1"
    assert "GEMINI_API_KEY" in facts["set in"]
    assert "reason API_KEY_INVALID" in facts["Gemini"]
    assert "promptmill model check" in " ".join(caught.value.fixes)


@pytest.mark.parametrize("key", ["two words-x4Qk", "line\nbreak-x4Qk", "ключ-x4Qk"])
def test_a_key_that_can_be_none_is_refused_unsaid(key: str) -> None:
    """The HTTP library would refuse it too, in an error that quotes it."""
    with pytest.raises(ModelKeyError) as caught:
        gemini("http://127.0.0.1:9", api_key=key)
    assert key not in everything_said(caught.value)


async def test_an_alias_on_the_wrong_version_is_told_where_it_exists(standin: Standin) -> None:
    """Since version 3 the SDK asks v1, where the names that most examples use are unknown."""
    async with aclosing(gemini(standin.url)) as model:
        with pytest.raises(ModelNotFoundError) as caught:
            await model.generate(asked(model="gemini-flash-latest"))
    assert "v1beta" in " ".join(caught.value.fixes)
    standin.says(FINE)
    async with aclosing(gemini(standin.url, api_version="v1beta")) as model:
        assert (await model.generate(asked(model="gemini-flash-latest"))).text == "fine"


async def test_a_check_asks_for_the_model_and_costs_nothing(standin: Standin) -> None:
    """Doctor checks the key of people who have not decided to spend anything yet."""
    async with aclosing(gemini(standin.url)) as model:
        await model.check()
    assert [r.path for r in standin.log()] == ["/v1/models/gemini-3.8-flash"]
    assert not standin.requests


@pytest.mark.parametrize(
    ("changes", "step", "error"),
    [
        pytest.param({"api_key": "wrong"}, None, ModelKeyError, id="key"),
        pytest.param({"name": "gemini-2.0-flash"}, None, ModelNotFoundError, id="model"),
        pytest.param({"max_wait_seconds": 0}, steps.overloaded(), ModelUnavailableError, id="503"),
        pytest.param(
            {"max_wait_seconds": 0}, steps.not_json(), ModelUnavailableError, id="a proxy's page"
        ),
    ],
)
async def test_a_failed_check_tells_what_a_call_would(
    standin: Standin, changes: dict[str, Any], step: Step | None, error: type[ModelError]
) -> None:
    """A check that passes where calls fail is worse than none."""
    if step is not None:
        standin.script(Rule(on="metadata", steps=(step,), repeats=True))
    async with aclosing(gemini(standin.url, **changes)) as model:
        with pytest.raises(error):
            await model.check()
