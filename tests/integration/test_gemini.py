"""Gemini over the real SDK and real HTTP: what is a reply, what is tried again, what a person is told."""

import asyncio
import socket
from contextlib import aclosing
from typing import Any

import pytest
from pydantic import JsonValue

from tests.integration.asking_gemini import FINE, asked, gemini
from tests.standin import steps
from tests.standin.running import Standin
from tests.standin.script import Rule, Step
from tests.waiting import wait_until
from worker.errors import (
    ModelError,
    ModelKeyError,
    ModelNotFoundError,
    ModelQuotaError,
    ModelRejectedError,
    ModelUnavailableError,
)

CODE: JsonValue = {"executableCode": {"language": "PYTHON", "code": "print(1)"}}


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        pytest.param(FINE, {"text": "fine", "finish_reason": "STOP"}, id="text"),
        pytest.param(
            steps.parts({"text": "hm", "thought": True}, {"text": "a"}, {"text": "b"}),
            {"text": "ab", "finish_reason": "STOP"},
            id="thoughts are not text",
        ),
        pytest.param(
            steps.parts({"text": "see"}, CODE),
            {"text": "see", "code_parts": ("print(1)",)},
            id="code parts",
        ),
        pytest.param(
            steps.text("print(", finish_reason="MAX_TOKENS"),
            {"text": "print(", "finish_reason": "MAX_TOKENS"},
            id="cut",
        ),
        pytest.param(
            steps.all_thoughts(),
            {"text": "", "finish_reason": "MAX_TOKENS", "content": {"role": "model"}},
            id="all thoughts",
        ),
        pytest.param(
            steps.text("half", finish_reason=None),
            {"text": "half", "finish_reason": None},
            id="no finish reason",
        ),
        pytest.param(
            steps.text("odd", finish_reason="NEWER_THAN_US"),
            {"text": "odd", "finish_reason": "NEWER_THAN_US"},
            id="unknown finish reason",
        ),
        pytest.param(
            steps.safety_block(),
            {"text": "", "finish_reason": "SAFETY", "content": None},
            id="reply withheld",
        ),
        pytest.param(
            steps.prompt_block(),
            {"text": "", "finish_reason": None, "block_reason": "PROHIBITED_CONTENT"},
            id="prompt refused",
        ),
        pytest.param(
            steps.no_candidates(),
            {"text": "", "finish_reason": None, "content": None},
            id="no candidates",
        ),
        pytest.param(
            steps.empty_body(),
            {"text": "", "finish_reason": None, "content": None, "model_version": None},
            id="empty body",
        ),
        pytest.param(
            steps.parts({"text": "new", "future": {"a_b": 1}}),
            {"content": {"role": "model", "parts": [{"text": "new", "future": {"a_b": 1}}]}},
            id="unknown fields stay",
        ),
    ],
)
async def test_whatever_the_service_replies_is_a_reply(
    standin: Standin, step: Step, expected: dict[str, object]
) -> None:
    """A blocked or cut reply is the model's doing and costs its attempt; only silence is an error."""
    standin.says(step)
    async with aclosing(gemini(standin.url)) as model:
        reply = await model.generate(asked())
    assert {name: getattr(reply, name) for name in expected} == expected
    assert reply.transport_tries == len(standin.requests)
    assert not reply.simulated


async def test_a_reply_says_who_gave_it_and_what_it_cost(standin: Standin) -> None:
    """Reports count tokens, and Google's support asks for the response id."""
    standin.says(steps.text("fine", thoughts=55))
    async with aclosing(gemini(standin.url)) as model:
        reply = await model.generate(asked(model="gemini-3.1-pro-preview"))
    assert (reply.model_version, reply.response_id) == ("gemini-3.1-pro-preview", "r-1")
    usage = reply.usage
    assert (usage.prompt_token_count, usage.candidates_token_count) == (12, 11)
    assert (usage.thoughts_token_count, usage.total_token_count) == (55, 78)
    assert usage.cached_content_token_count is None
    assert 0 < reply.latency_seconds < 10


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(steps.rate_limited(), id="429 with RetryInfo"),
        pytest.param(steps.rate_limited(None), id="429 without"),
        pytest.param(steps.error(408, "CANCELLED", "late"), id="408"),
        pytest.param(steps.error(499, "CANCELLED", "gone"), id="499"),
        pytest.param(steps.server_error(), id="500"),
        pytest.param(Step(status=502, text="<h1>Bad Gateway</h1>"), id="502 in HTML"),
        pytest.param(steps.overloaded(), id="503"),
        pytest.param(Step(status=504, text=""), id="504 without a body"),
        pytest.param(Step(status=529, body=["odd"]), id="a gateway's own 5xx"),
        pytest.param(steps.not_json(), id="200 that is no JSON"),
        pytest.param(Step(body=[1]), id="200 that is no object"),
        pytest.param(steps.dropped(FINE), id="dropped connection"),
    ],
)
async def test_what_may_pass_is_tried_again_within_the_call(standin: Standin, step: Step) -> None:
    """A hiccup of the service must not use up an attempt of the job."""
    standin.says(step, step, FINE)
    async with aclosing(gemini(standin.url)) as model:
        reply = await model.generate(asked())
    assert reply.text == "fine"
    assert reply.transport_tries == len(standin.requests) == 3


async def test_who_waits_for_seconds_only_is_not_kept_waiting_for_one_of_them(
    standin: Standin,
) -> None:
    """With pauses made for minutes, a short patience would be over after two tries."""
    standin.says(*[steps.overloaded()] * 5, FINE)
    async with aclosing(gemini(standin.url, max_wait_seconds=3.0)) as model:
        reply = await model.generate(asked())
    assert reply.transport_tries == 6


@pytest.mark.parametrize(
    ("step", "error", "kind"),
    [
        pytest.param(steps.bad_key(), ModelKeyError, "model-key-invalid", id="bad key is a 400"),
        pytest.param(steps.no_key(), ModelKeyError, "model-key-invalid", id="403"),
        pytest.param(
            steps.error(401, "UNAUTHENTICATED", "no"), ModelKeyError, "model-key-invalid", id="401"
        ),
        pytest.param(
            steps.not_found("gemini-3.8-flash", "v1"),
            ModelNotFoundError,
            "model-not-found",
            id="404",
        ),
        pytest.param(
            steps.error(400, "INVALID_ARGUMENT", "no such field"),
            ModelRejectedError,
            "model-rejected",
            id="400",
        ),
        pytest.param(
            steps.error(501, "UNIMPLEMENTED", "no"), ModelRejectedError, "model-rejected", id="501"
        ),
        pytest.param(
            Step(status=302, text="", headers={"location": "http://127.0.0.1:9/"}),
            ModelRejectedError,
            "model-rejected",
            id="a redirect is not followed",
        ),
        pytest.param(steps.no_quota(), ModelKeyError, "model-key-invalid", id="429 limit 0"),
        pytest.param(
            steps.daily_quota(), ModelQuotaError, "model-quota-used-up", id="429 for today"
        ),
    ],
)
async def test_what_cannot_pass_is_told_after_one_request(
    standin: Standin, step: Step, error: type[ModelError], kind: str
) -> None:
    """Insisting would only spend the quota of those whose requests are good."""
    standin.says(step)
    async with aclosing(gemini(standin.url)) as model:
        with pytest.raises(error) as caught:
            await model.generate(asked())
    assert type(caught.value) is error
    assert caught.value.kind == kind
    assert len(standin.requests) == 1
    assert caught.value.facts["tried"] == "once"
    assert str(step.status) in caught.value.facts["Gemini"]


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(steps.rate_limited(0.3), id="RetryInfo"),
        pytest.param(
            steps.error(429, "RESOURCE_EXHAUSTED", "slow down", headers={"retry-after": "0.3"}),
            id="Retry-After",
        ),
        pytest.param(
            steps.error(429, "RESOURCE_EXHAUSTED", "Please retry in 0.3s."), id="in the words"
        ),
        pytest.param(
            steps.rate_limited(0.3).model_copy(update={"headers": {"retry-after": "60"}}),
            id="RetryInfo before Retry-After",
        ),
    ],
)
async def test_the_wait_that_the_service_asks_for_is_kept(standin: Standin, step: Step) -> None:
    """Coming back early earns another 429, and on some plans a longer one."""
    standin.says(step, FINE)
    async with aclosing(gemini(standin.url)) as model:
        await model.generate(asked())
    first, second = standin.requests
    assert 0.3 <= second.at_seconds - first.at_seconds < 3


async def test_a_wait_beyond_the_budget_is_handed_to_the_caller(standin: Standin) -> None:
    """A worker that sleeps for minutes holds a place that another job could use."""
    standin.says(steps.rate_limited(30))
    async with aclosing(gemini(standin.url)) as model:
        with pytest.raises(ModelUnavailableError) as caught:
            await model.generate(asked())
    assert caught.value.retry_after_seconds == 30
    assert len(standin.requests) == 1


async def test_trying_ends_with_the_budget_and_says_how_often(standin: Standin) -> None:
    """Without an end, one bad hour of the service would hold every worker."""
    standin.says(steps.overloaded())
    async with aclosing(gemini(standin.url, max_wait_seconds=0.2)) as model:
        with pytest.raises(ModelUnavailableError) as caught:
            await model.generate(asked())
    n_requests = len(standin.requests)
    assert n_requests > 1
    assert caught.value.facts["tried"] == f"{n_requests} times"
    assert "overloaded" in caught.value.facts["Gemini"]
    assert caught.value.retry_after_seconds is None


async def test_a_slow_reply_times_out(standin: Standin) -> None:
    """The SDK's default is to wait for ever."""
    standin.says(steps.slow(FINE, 5))
    async with aclosing(gemini(standin.url, timeout_seconds=0.2, max_wait_seconds=0)) as model:
        with pytest.raises(ModelUnavailableError) as caught:
            await model.generate(asked())
    assert "no answer within 0.2 s" in caught.value.facts["Gemini"]


async def test_the_server_is_never_given_a_deadline_that_it_refuses(standin: Standin) -> None:
    """Below ten seconds the service answers every request with a 400."""
    standin.says(FINE)
    async with aclosing(gemini(standin.url, timeout_seconds=0.9)) as short:
        await short.generate(asked())
    async with aclosing(gemini(standin.url, timeout_seconds=30.5)) as long:
        await long.generate(asked())
    assert [r.headers["x-server-timeout"] for r in standin.requests] == ["10", "31"]


async def test_a_refused_connection_is_unavailable_and_names_the_address() -> None:
    """A mistyped base_url and a service that is down look the same: the address tells them apart."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        async with aclosing(gemini(url, max_wait_seconds=0)) as model:
            with pytest.raises(ModelUnavailableError) as caught:
                await model.generate(asked())
    assert caught.value.facts["asked"] == url
    assert "ConnectError" in caught.value.facts["Gemini"]
    assert "model.base_url" in " ".join(caught.value.fixes)


@pytest.mark.parametrize(
    ("changes", "model_name"),
    [
        pytest.param({"base_url": "ftp://127.0.0.1"}, None, id="address"),
        pytest.param({}, "gemini?key=1", id="model name"),
    ],
)
async def test_a_request_that_cannot_be_sent_is_rejected_at_once(
    standin: Standin, changes: dict[str, Any], model_name: str | None
) -> None:
    """A mistake in the settings does not pass with time."""
    async with aclosing(gemini(standin.url, **changes)) as model:
        with pytest.raises(ModelRejectedError) as caught:
            await model.generate(asked(model=model_name))
    assert caught.value.facts["Gemini"].startswith("not sent: ")
    assert not standin.log()


async def test_a_refused_request_is_told_in_the_services_words_in_one_line(
    standin: Standin,
) -> None:
    """`job list` has no more room than that, and only these words say what is to be changed."""
    standin.says(steps.error(400, "INVALID_ARGUMENT", "maxOutputTokens is out of range"))
    async with aclosing(gemini(standin.url)) as model:
        with pytest.raises(ModelRejectedError) as caught:
            await model.generate(asked())
    assert "maxOutputTokens is out of range" in caught.value.in_one_line


async def test_a_cancelled_call_leaves_the_client_usable(standin: Standin) -> None:
    """Jobs are cancelled and workers drain; the next job uses the same client."""
    standin.script(
        Rule(first="slow", steps=(steps.slow(FINE, 5),)), Rule(steps=(FINE,), repeats=True)
    )
    async with aclosing(gemini(standin.url, max_connections=1)) as model:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await model.generate(asked("slow"))
        assert (await model.generate(asked("next"))).text == "fine"


@pytest.mark.slow
async def test_as_many_calls_run_at_once_as_connections_were_asked_for(standin: Standin) -> None:
    """With the SDK's own hundred connections, the calls beyond wait and then time out."""
    standin.says(steps.slow(FINE, 60))
    async with aclosing(gemini(standin.url, max_connections=150, timeout_seconds=60)) as model:
        calls = [asyncio.create_task(model.generate(asked(f"{n}"))) for n in range(150)]
        await wait_until(lambda: len(standin.requests) == 150, 40, "all calls to be under way")
        for each in calls:
            each.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
