"""Every way a call can end, through the real SDK: what it is taken for, what is sent again, and what the job pays."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, cast

import pytest
from pydantic import JsonValue
from structlog.testing import capture_logs

from jobs.calls import BY_FINISH, CallClass
from jobs.clock import utcnow
from jobs.models import ModelReply
from jobs.verdicts import Verdict
from tests.integration.asking_gemini import asked, gemini
from tests.integration.delivering import JOB, Bench
from tests.programs import GOOD
from tests.standin import steps
from tests.standin.running import Standin
from tests.standin.script import Step
from worker.consumer.endings import PutBack, Recorded
from worker.errors import ModelError
from worker.model.gemini import GeminiModel
from worker.model.prices import cost_of

FINE = steps.text(GOOD)
ONE_ATTEMPT = JOB.model_copy(update={"max_attempts": 1})


@dataclass(frozen=True)
class Row:
    """What the service does, and what must come of it."""

    name: str
    steps: tuple[Step, ...]
    ends: CallClass
    repeated: tuple[CallClass, ...] = ()
    """For what each further request was made."""
    attempts: int = 1
    """Of one that a job has: without a reply none is used."""
    wait_seconds: float = 0.0
    """The least between two requests."""
    options: dict[str, Any] = field(default_factory=dict)


def once(name: str, step: Step, ends: CallClass, attempts: int = 1) -> Row:
    return Row(name, (step,), ends, attempts=attempts)


def passing(name: str, step: Step, seen: CallClass, wait_seconds: float = 0.0) -> Row:
    """It passes: the second request is answered."""
    return Row(name, (step, FINE), CallClass.OK, (seen,), wait_seconds=wait_seconds)


def stubborn(name: str, step: Step, ends: CallClass, n_repeats: int, attempts: int = 1) -> Row:
    """It does not pass: the budget is used up."""
    options = {"max_wait_seconds": 3.0}
    return Row(name, (step,), ends, (ends,) * n_repeats, attempts=attempts, options=options)


def finished(reason: str) -> Step:
    return steps.text(GOOD, finish_reason=reason)


SLOW = steps.slow(FINE, 30)
BLOCKED = [reason for reason, seen in BY_FINISH.items() if seen is CallClass.BLOCKED_OUTPUT]
WRONG = [reason for reason, seen in BY_FINISH.items() if seen is CallClass.RESAMPLE]
TRANSIENT = {
    "408": steps.error(408, "CANCELLED", "late"),
    "499": steps.error(499, "CANCELLED", "gone"),
    "500": steps.server_error(),
    "502 in HTML": Step(status=502, text="<h1>Bad Gateway</h1>"),
    "503": steps.overloaded(),
    "504 without a body": Step(status=504, text=""),
    "529 of a gateway": Step(status=529, body=["odd"]),
    "200 that is no JSON": steps.not_json(),
    "200 that is no object": Step(body=[1]),
    "dropped connection": steps.dropped(FINE),
}
REFUSED = {
    "bad key": steps.bad_key(),
    "no key": steps.no_key(),
    "401": steps.error(401, "UNAUTHENTICATED", "no"),
    "403": steps.error(403, "PERMISSION_DENIED", "no"),
    "429, limit 0": steps.no_quota(),
    "PUP_LIMITED_DISABLED": finished("PUP_LIMITED_DISABLED"),
}
PERMANENT = {
    "400": steps.error(400, "INVALID_ARGUMENT", "no such field"),
    "404": steps.not_found("gemini-3.8-flash", "v1"),
    "501": steps.error(501, "UNIMPLEMENTED", "no"),
}
RATE_LIMITED = {
    "RetryInfo": steps.rate_limited(0.3),
    "Retry-After": steps.error(429, "RESOURCE_EXHAUSTED", "slow", headers={"retry-after": "0.3"}),
    "in the words": steps.error(429, "RESOURCE_EXHAUSTED", "Please retry in 0.3s."),
    "RetryInfo first": steps.rate_limited(0.3).model_copy(
        update={"headers": {"retry-after": "60"}}
    ),
}

ROWS = [
    once("text", FINE, CallClass.OK),
    once("thoughts", steps.text(GOOD, thoughts=55), CallClass.OK),
    once(
        "a code part",
        steps.parts({"executableCode": {"language": "PYTHON", "code": "print(1)"}}),
        CallClass.OK,
    ),
    once("newer than us", finished("NEWER_THAN_US"), CallClass.UNKNOWN_FINISH),
    once("token limit", finished("MAX_TOKENS"), CallClass.TRUNCATED),
    once("all thoughts", steps.all_thoughts(), CallClass.TRUNCATED),
    once("no finish reason", steps.text(GOOD, finish_reason=None), CallClass.TRUNCATED),
    once("continuation", finished("CONTINUATION"), CallClass.TRUNCATED),
    once("prompt refused", steps.prompt_block(), CallClass.BLOCKED_PROMPT),
    once(
        "prompt refused as a jailbreak", steps.prompt_block("JAILBREAK"), CallClass.BLOCKED_PROMPT
    ),
    once("signature", finished("MISSING_THOUGHT_SIGNATURE"), CallClass.BUG, attempts=0),
    once("no image", finished("NO_IMAGE"), CallClass.BUG, attempts=0),
    passing("no candidates", steps.no_candidates(), CallClass.EMPTY),
    passing("empty body", steps.empty_body(), CallClass.EMPTY),
    passing("no text", steps.text(" \n"), CallClass.EMPTY),
    stubborn("always empty", steps.no_candidates(), CallClass.EMPTY, 2),
    *(passing(reason, finished(reason), CallClass.RESAMPLE) for reason in WRONG),
    stubborn("always OTHER", finished("OTHER"), CallClass.RESAMPLE, 2),
    *(passing(reason, finished(reason), CallClass.BLOCKED_OUTPUT) for reason in BLOCKED),
    stubborn("always SAFETY", steps.safety_block(), CallClass.BLOCKED_OUTPUT, 1),
    *(passing(name, step, CallClass.TRANSIENT) for name, step in TRANSIENT.items()),
    stubborn("always 503", steps.overloaded(), CallClass.TRANSIENT, 8, attempts=0),
    *(once(name, step, CallClass.AUTH, 0) for name, step in REFUSED.items()),
    *(once(name, step, CallClass.PERMANENT, 0) for name, step in PERMANENT.items()),
    once("quota of the day", steps.daily_quota(), CallClass.QUOTA_DAY, attempts=0),
    *(passing(name, step, CallClass.RATE_LIMIT, 0.3) for name, step in RATE_LIMITED.items()),
    once("a long wait", steps.rate_limited(30), CallClass.RATE_LIMIT, attempts=0),
    Row(
        "many rate limits",
        (*[steps.rate_limited(0.01)] * 6, FINE),
        CallClass.OK,
        (CallClass.RATE_LIMIT,) * 6,
        options={"max_wait_seconds": 3.0},
    ),
    Row(
        "slow once",
        (SLOW, FINE),
        CallClass.OK,
        (CallClass.TIMEOUT,),
        options={"timeout_seconds": 2.0},
    ),
    Row(
        "slow",
        (SLOW,),
        CallClass.TIMEOUT,
        (CallClass.TIMEOUT,),
        attempts=0,
        # Longer than the SDK's own start takes: a request that is not sent is not slow.
        options={"timeout_seconds": 2.0},
    ),
]


RESAMPLED = {CallClass.EMPTY, CallClass.RESAMPLE, CallClass.BLOCKED_OUTPUT}
EACH_ROW = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


@EACH_ROW
async def test_each_ending_is_taken_for_what_it_is(standin: Standin, row: Row) -> None:
    """One of these mistaken for another is money spent twice, or a job lost that would have been solved."""
    standin.says(*row.steps)
    with capture_logs() as events:
        async with aclosing(gemini(standin.url, **row.options)) as model:
            ended = await _end_of(model)
    if isinstance(ended, ModelReply):
        _check_counters(ended, row)
    assert _class_of(ended) is row.ends
    because = [event["because"] for event in events if event["event"] == "model request repeated"]
    assert because == [seen.value for seen in row.repeated]
    requests = standin.requests
    assert len(requests) == 1 + len(row.repeated)
    waits = [later.at_seconds - one.at_seconds for one, later in pairwise(requests)]
    assert all(wait >= row.wait_seconds for wait in waits)


async def _end_of(model: GeminiModel) -> ModelReply | ModelError:
    try:
        return await model.generate(asked())
    except ModelError as error:
        return error


def _class_of(ended: ModelReply | ModelError) -> CallClass:
    if isinstance(ended, ModelReply):
        return ended.call_class
    return CallClass(ended.facts["class"])


def _check_counters(reply: ModelReply, row: Row) -> None:
    n_resamples = sum(seen in RESAMPLED for seen in row.repeated)
    n_limits = row.repeated.count(CallClass.RATE_LIMIT)
    assert reply.transport_tries == 1 + len(row.repeated)
    assert reply.resamples == n_resamples
    assert reply.transport_retries == len(row.repeated) - n_resamples - n_limits


@EACH_ROW
async def test_each_ending_uses_the_attempts_that_it_should(
    standin: Standin, bench: Bench, row: Row
) -> None:
    """An attempt is a chance of the model's, and none is spent on what is not its doing."""
    standin.says(*row.steps)
    async with aclosing(gemini(standin.url, **row.options)) as model:
        ending = await bench.deliver(model, job=ONE_ATTEMPT)
    attempts = (await bench.store.get("j")).attempts if isinstance(ending, Recorded) else ()
    assert len(attempts) == row.attempts
    is_usable = row.ends in {CallClass.OK, CallClass.UNKNOWN_FINISH}
    for attempt in attempts:
        assert attempt.call_class is row.ends
        assert attempt.verdict is (Verdict.ACCEPTED if is_usable else Verdict.NO_CODE)


async def test_a_call_without_a_free_connection_is_told_from_a_slow_service(
    standin: Standin,
) -> None:
    """The one is mended by a setting of ours, and costs nothing; the other may be billed."""
    standin.says(steps.slow(FINE, 30))
    async with aclosing(
        gemini(standin.url, max_connections=1, timeout_seconds=1.0, max_wait_seconds=0)
    ) as model:
        ended = await asyncio.gather(_end_of(model), _end_of(model))
    assert {_class_of(each) for each in ended} == {CallClass.LOCAL_OVERLOAD, CallClass.TIMEOUT}
    assert len(standin.requests) == 1


async def test_replies_that_were_thrown_away_are_paid_for(standin: Standin) -> None:
    """They are billed like any other, and a sum without them is wrong."""
    standin.says(finished("OTHER"), FINE)
    async with aclosing(gemini(standin.url)) as model:
        reply = await model.generate(asked())
    assert (reply.usage.prompt_token_count, reply.usage.candidates_token_count) == (24, 22)
    assert reply.thrown_away.prompt_token_count == 12
    whole = cost_of(reply.usage, ["gemini-3.8-flash"], utcnow())
    assert reply.cost is not None
    assert whole is not None
    assert reply.cost.usd == pytest.approx(whole.usd)


async def test_a_reply_whose_tokens_cannot_be_priced_is_used(standin: Standin) -> None:
    """It is paid for: what its counts leave open is its price, and nothing is asked again for that."""
    odd = {"promptTokenCount": 5, "cachedContentTokenCount": 9, "totalTokenCount": 5}
    body = {**cast("dict[str, JsonValue]", FINE.body), "usageMetadata": odd}
    standin.says(FINE.model_copy(update={"body": body}))
    async with aclosing(gemini(standin.url)) as model:
        reply = await model.generate(asked())
    assert (reply.call_class, reply.cost) == (CallClass.OK, None)
    assert len(standin.requests) == 1


async def test_a_job_without_a_reply_waits_or_fails_but_is_never_lost(
    standin: Standin, bench: Bench
) -> None:
    """What cannot be answered yet is delivered again; what never will be has a record that says why."""
    standin.says(steps.overloaded())
    async with aclosing(gemini(standin.url, max_wait_seconds=0)) as model:
        assert isinstance(await bench.deliver(model), PutBack)
    standin.says(finished("MISSING_THOUGHT_SIGNATURE"))
    with capture_logs() as events:
        async with aclosing(gemini(standin.url)) as model:
            ending = await bench.deliver(model)
    record = await bench.store.get("j")
    assert record.verdict is Verdict.INTERNAL_ERROR
    assert "MISSING_THOUGHT_SIGNATURE" in (record.error or "")
    assert "print(1)" in str(record.unusable_reply), "the raw reply is kept"
    assert "print(1)" not in f"{events} {ending}", "and told nowhere else"
