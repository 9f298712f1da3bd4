"""Replies that were paid for once and are given again: to the same words, of the same model, for the same sample."""

import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import assert_never

import structlog
from pydantic import JsonValue, ValidationError
from redis.exceptions import RedisError

from jobs.calls import CallClass
from jobs.keys import CACHE_SECONDS, Keys
from jobs.models import ModelReply
from jobs.pipelining import Commands

from . import ModelClient, ModelRequest, ModelTurn, UserTurn

_log = structlog.get_logger(__name__)
# Part of every key: with another number nothing that was kept before is found.
_FORM = 1
# Of a turn of the model's: what it does not answer for, and what is signed anew for each reply.
_SIGNATURES = ("thoughtSignature", "thought_signature")


class CachedModel:
    """Asks another client for what is not in the cache, and keeps there what was answered well.

    Only requests that allow it are looked up and kept. It stands outside of whatever counts requests, tokens or money:
    a hit uses none of them. Redis going away costs hits and nothing else.
    """

    def __init__(
        self, model: ModelClient, redis: Commands, keys: Keys, asked: Mapping[str, JsonValue]
    ) -> None:
        """Stand before `model`; `asked` is all that changes its answers and is in no request."""
        self._model = model
        self._redis = redis
        self._keys = keys
        self._asked = dict(asked)

    @property
    def name(self) -> str:
        """That of the client behind it."""
        return self._model.name

    @property
    def simulated(self) -> bool:
        """That of the client behind it: what it kept was an answer of the same one."""
        return self._model.simulated

    async def check(self) -> None:
        """Find out whether the client behind it could answer.

        Raises:
            ModelError: it could not.
        """
        await self._model.check()

    async def generate(self, request: ModelRequest) -> ModelReply:
        """The reply that was kept, marked as such, or else one of the client behind it.

        Raises:
            ModelError: there is neither.
        """
        if not request.cache:
            return await self._model.generate(request)
        key = self._keys.reply(key_of(request, self._asked | {"model": request.model or self.name}))
        kept = await self._find(key)
        if kept is not None:
            return kept.model_copy(update={"cached": True})
        reply = await self._model.generate(request)
        # What was cut, blocked or empty may do better the next time.
        if reply.call_class is CallClass.OK:
            await self._keep(key, reply)
        return reply

    async def aclose(self) -> None:
        """Close the client behind it."""
        await self._model.aclose()

    async def _find(self, key: str) -> ModelReply | None:
        try:
            kept = await self._redis.execute_command("GET", key)
            return None if kept is None else ModelReply.model_validate_json(zlib.decompress(kept))
        except (RedisError, OSError) as error:
            _log.warning("cache not read", error=str(error))
        except (ValidationError, zlib.error):
            # Kept by another version: it is answered anew, and kept in the form of this one.
            _log.warning("reply in the cache not understood", key=key)
        return None

    async def _keep(self, key: str, reply: ModelReply) -> None:
        try:
            # A month of them lies in memory.
            packed = zlib.compress(reply.to_json().encode())
            await self._redis.execute_command("SET", key, packed, "EX", CACHE_SECONDS)
        except (RedisError, OSError) as error:
            _log.warning("reply not kept in the cache", error=str(error))


def key_of(request: ModelRequest, asked: Mapping[str, JsonValue]) -> str:
    """The hash of everything that the answer depends on.

    The sample is in it, since samples of one task must differ, and so is the conversation, since a restart wants
    another answer to the same words. The number of the attempt is not: whoever asks the same again gets the same.
    """
    said: JsonValue = {
        "form": _FORM,
        "asked": dict(asked),
        "system": request.system_instruction,
        "turns": [_said_in(turn) for turn in request.turns],
        "temperature": request.temperature,
        "code_execution": request.code_execution,
        "sample": request.sample,
        "conversation": request.conversation,
    }
    written = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(written.encode()).hexdigest()


def _said_in(turn: UserTurn | ModelTurn) -> JsonValue:
    match turn:
        case UserTurn(text=text):
            return {"user": text}
        case ModelTurn(content=content):
            return {"model": _visible(content)}
        case never:
            assert_never(never)


def _visible(content: dict[str, JsonValue]) -> JsonValue:
    """A turn without its thoughts and signatures, which differ between two replies that say the same."""
    parts = content.get("parts")
    listed = parts if isinstance(parts, list) else []
    return [
        {name: value for name, value in part.items() if name not in _SIGNATURES}
        if isinstance(part, dict)
        else part
        for part in listed
        if not (isinstance(part, dict) and part.get("thought"))
    ]
