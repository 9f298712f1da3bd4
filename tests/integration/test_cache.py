"""Replies that are paid for once: what is found again, what is not, and that losing Redis costs nothing but hits."""

import zlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from arq.connections import ArqRedis

from jobs.connection import open_redis
from jobs.keys import CACHE_SECONDS, Keys
from jobs.models import ModelReply
from tests.standin import steps
from tests.standin.running import Standin
from worker.model import ModelRequest, ModelTurn, UserTurn
from worker.model.cache import CachedModel, key_of
from worker.model.options import GeminiOptions
from worker.model.scripted import ScriptedModel, spoken

from .asking_gemini import asked, gemini

ASKED = replace(asked(), cache=True)
SHAPING = GeminiOptions(name="gemini-3.8-flash").shaping


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[ArqRedis]:
    async with open_redis(redis_url, Keys()) as opened:
        yield opened


async def replies(
    redis: ArqRedis, standin: Standin, *requests: ModelRequest, **changes: Any
) -> list[ModelReply]:
    """What a worker of its own gives, one after the other."""
    options = GeminiOptions(name="gemini-3.8-flash", base_url=standin.url, **changes)
    async with aclosing(gemini(standin.url, **changes)) as model:
        cached = CachedModel(model, redis, Keys(), options.shaping)
        return [await cached.generate(request) for request in requests]


async def test_a_reply_is_paid_for_once_whoever_asks_again(
    redis: ArqRedis, standin: Standin
) -> None:
    """A run that is resumed or repeated, on any machine, costs only what is new in it."""
    standin.says(steps.parts({"text": "one", "thoughtSignature": "EjRm+/8="}), "two")
    [first] = await replies(redis, standin, ASKED)
    [again] = await replies(redis, standin, ASKED)
    assert (first.cached, again.cached) == (False, True)
    assert again == first.model_copy(update={"cached": True})
    assert len(standin.requests) == 1


async def test_a_live_job_neither_takes_nor_leaves_anything(
    redis: ArqRedis, standin: Standin
) -> None:
    """Whoever asks again by hand wants another answer."""
    standin.says("one", "two")
    live = asked()
    given = await replies(redis, standin, live, live)
    assert [reply.text for reply in given] == ["one", "two"]
    assert [key async for key in redis.scan_iter("promptmill:reply:*")] == []


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"sample": 1}, id="another sample"),
        pytest.param({"conversation": 2}, id="asked anew"),
        pytest.param({"model": "gemini-3.1-pro-preview"}, id="another model"),
        pytest.param({"temperature": 0.5}, id="another temperature"),
        pytest.param({"system_instruction": "Be long."}, id="another instruction"),
        pytest.param({"turns": (UserTurn("Subtract."),)}, id="another prompt"),
    ],
)
async def test_another_question_is_another_question(
    redis: ArqRedis, standin: Standin, change: dict[str, Any]
) -> None:
    """Samples that came out of one reply would make pass@k a lie."""
    standin.says("fine")
    given = await replies(redis, standin, ASKED, replace(ASKED, **change))
    assert [reply.cached for reply in given] == [False, False]


async def test_the_workers_own_defaults_are_part_of_the_question(
    redis: ArqRedis, standin: Standin
) -> None:
    """Two workers of other settings would hand each other's answers on."""
    standin.says("fine")
    await replies(redis, standin, ASKED)
    [other] = await replies(redis, standin, ASKED, max_output_tokens=99)
    [same] = await replies(redis, standin, ASKED, timeout_seconds=30.0)
    assert (other.cached, same.cached) == (False, True)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"finish_reason": "MAX_TOKENS"}, id="cut"),
        pytest.param({"finish_reason": "SAFETY", "text": ""}, id="withheld"),
        pytest.param({"finish_reason": None, "block_reason": "SAFETY"}, id="blocked"),
        pytest.param({"text": " "}, id="empty"),
        pytest.param({"finish_reason": None}, id="broken off"),
    ],
)
async def test_only_a_reply_that_ended_well_is_kept(
    redis: ArqRedis, change: dict[str, Any]
) -> None:
    """A bad one that is kept for a month would be bad for a month."""
    bad = spoken("half").model_copy(update=change)
    cached = CachedModel(ScriptedModel(bad, "fine"), redis, Keys(), SHAPING)
    given = [await cached.generate(ASKED) for _ in range(2)]
    assert [reply.cached for reply in given] == [False, False]


async def test_a_kept_reply_is_gone_after_a_month(redis: ArqRedis, standin: Standin) -> None:
    """Redis holds no history, and models change under their names."""
    standin.says("fine")
    await replies(redis, standin, ASKED)
    [key] = [key async for key in redis.scan_iter("promptmill:reply:*")]
    assert 0 < await redis.ttl(key) <= CACHE_SECONDS == 30 * 24 * 3600


@pytest.mark.parametrize("kept", [b"torn", zlib.compress(b'{"of": "tomorrow"}')])
async def test_what_cannot_be_read_is_answered_anew(
    redis: ArqRedis, standin: Standin, kept: bytes
) -> None:
    """Another version may have kept it: that must cost a call, and not the job."""
    standin.says("fine")
    await replies(redis, standin, ASKED)
    [key] = [key async for key in redis.scan_iter("promptmill:reply:*")]
    await redis.set(key, kept)
    given = await replies(redis, standin, ASKED, ASKED)
    assert [reply.cached for reply in given] == [False, True]


async def test_a_full_redis_costs_hits_and_no_job(redis: ArqRedis) -> None:
    """A cache that stops the work it is to save would be worse than none."""
    model = ScriptedModel(spoken("fine"))
    await redis.config_set("maxmemory", "1")
    try:
        reply = await CachedModel(model, redis, Keys(), SHAPING).generate(ASKED)
    finally:
        await redis.config_set("maxmemory", "0")
    assert (reply.text, reply.cached) == ("fine", False)


def test_thoughts_and_signatures_are_no_part_of_the_question() -> None:
    """They differ from reply to reply; with them no second attempt would ever be found."""

    def with_parts(*parts: Any) -> ModelRequest:
        said = ModelTurn({"role": "model", "parts": list(parts)})
        return replace(ASKED, turns=(UserTurn("Add."), said, UserTurn("again")))

    plain = key_of(with_parts({"text": "x"}), SHAPING)
    signed = {"text": "x", "thoughtSignature": "AQL_"}
    assert key_of(with_parts({"text": "hm", "thought": True}, signed), SHAPING) == plain
    assert key_of(with_parts({"text": "y"}), SHAPING) != plain
