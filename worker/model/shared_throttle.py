"""The throttle that all workers share, on all machines: through Redis, with one in line for each worker and model."""

import asyncio
import json
import math
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import structlog
from arq.connections import ArqRedis
from pydantic import JsonValue
from redis.exceptions import RedisError

from jobs.budgets import NANO
from jobs.clock import monotonic
from jobs.keys import Keys
from jobs.outages import through_outages
from jobs.scripts import run_script
from worker.errors import ModelBusyError, ModelQuotaError, RunHeldError

from .admission import ADMIT, PAUSE, SETTLE
from .quota_days import quota_day
from .throttle import Passage, Toll

_log = structlog.get_logger(__name__)
_WORTH_WAITING_SECONDS = 5.0
"""Who would have to wait for longer gives the job's place in the worker to another."""
_SETTLING_SECONDS = 600.0
_MARGIN_SECONDS = 30.0
_BURST_SHARE = 10
_WEIGHT_OF_LAST = 0.3


@dataclass(frozen=True)
class ModelLimits:
    """What all workers with one account may ask of one model, together; None is no limit of ours."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    """Of prompts."""
    requests_per_day: int | None = None
    concurrency: int | None = None
    """Requests under way at one time."""
    burst: int = 5
    """Requests that may follow each other at once after a quiet time."""

    @property
    def pace_seconds(self) -> float:
        """The time from one request to the next, after a burst."""
        return 60 / self.requests_per_minute if self.requests_per_minute else 0.0

    @property
    def burst_tokens(self) -> int:
        """Tokens that may be sent at once after a quiet time."""
        return max(1, (self.tokens_per_minute or 0) // _BURST_SHARE)

    def as_words(self) -> dict[str, JsonValue]:
        """What is set, as the scripts read it."""
        words: dict[str, JsonValue] = {
            "requestsPerMinute": self.requests_per_minute,
            "tokensPerMinute": self.tokens_per_minute,
            "perDay": self.requests_per_day,
            "concurrency": self.concurrency,
        }
        return _without_none(words | {"burst": self.burst, "burstTokens": self.burst_tokens})


@dataclass
class _Line:
    """Those of this worker who want to ask one model: the first asks Redis, the others wait for it."""

    first: asyncio.Lock = field(default_factory=asyncio.Lock)
    n_waiting: int = 0
    closed_until: float = 0.0
    """By our own clock: it was told that nobody is admitted before."""
    pace_seconds: float = 0.0
    """The time from one who is admitted to the next, where somebody waits: a mean of the last few."""
    last_admitted_at: float | None = None
    """None where nobody waited then."""

    def admit(self) -> None:
        now = monotonic()
        if self.last_admitted_at is not None:
            seconds = min(now - self.last_admitted_at, _WORTH_WAITING_SECONDS)
            self.pace_seconds += _WEIGHT_OF_LAST * (seconds - self.pace_seconds)
        self.last_admitted_at = now if self.n_waiting > 1 else None

    def close(self, seconds: float) -> None:
        self.closed_until = max(self.closed_until, monotonic() + seconds)

    @property
    def closed_seconds(self) -> float:
        return max(0.0, self.closed_until - monotonic())


class SharedThrottle:
    """Keeps to the limits of an account, model by model, together with everybody else who asks with it."""

    def __init__(self, redis: ArqRedis, keys: Keys, account: str, limits: ModelLimits) -> None:
        """Keep to `limits`; who asks with the same `account` shares them."""
        self._redis = redis
        self._keys = keys
        self._account = account
        self._limits = limits
        self._lines: defaultdict[str, _Line] = defaultdict(_Line)

    def room(self) -> int | None:
        """How many jobs more are worth taking: as many as can be served soon. None is any number.

        A model that may not be asked keeps jobs in the queue, where they are of use to other workers and are counted.
        """
        rooms = [self._room_in(line) for line in self._lines.values()]
        known = [room for room in rooms if room is not None]
        return min(known, default=None)

    @asynccontextmanager
    async def passing(self, toll: Toll) -> AsyncIterator[Passage]:
        """Wait until the request may be sent; what it came to is told when the block ends.

        Raises:
            ModelBusyError: that would take too long; it says when to come again.
            ModelQuotaError: as many were sent today as may be.
            RunHeldError: its run stands still, for want of budget or because somebody wished it.
        """
        request_id = secrets.token_hex(8)
        await self._admit(request_id, toll)
        passage = Passage()
        try:
            yield passage
        finally:
            await self._settle(request_id, toll, passage)

    async def pause(self, model: str, told_seconds: float | None) -> float:
        """Let nobody send to this model for so long, or for a growing time where none was told; gives that time.

        Raises:
            ModelBusyError: it is longer than is worth waiting for.
        """
        told = "" if told_seconds is None else math.ceil(told_seconds * 1000)
        ask = partial(run_script, self._redis, self._keys, PAUSE, [self._place_of(model), told])
        paused_ms, is_new = await through_outages(ask)
        seconds: float = paused_ms / 1000
        if is_new:
            _log.warning(
                "all workers leave the model alone", model=model, seconds=round(seconds, 1)
            )
        self._lines[model].close(seconds)
        if seconds > _WORTH_WAITING_SECONDS:
            raise ModelBusyError(model, seconds)
        return seconds

    async def _admit(self, request_id: str, toll: Toll) -> None:
        line = self._lines[toll.model]
        self._turn_away_if_hopeless(toll, line)
        line.n_waiting += 1
        try:
            async with line.first:
                if line.closed_seconds > _WORTH_WAITING_SECONDS:
                    raise ModelBusyError(toll.model, line.closed_seconds)
                await self._ask_until_admitted(request_id, toll, line)
            line.admit()
        finally:
            line.n_waiting -= 1

    def _turn_away_if_hopeless(self, toll: Toll, line: _Line) -> None:
        n_after_burst = max(0, line.n_waiting - self._limits.burst)
        expected = max(
            line.closed_seconds,
            line.n_waiting * line.pace_seconds,
            n_after_burst * self._limits.pace_seconds,
        )
        if expected > _WORTH_WAITING_SECONDS:
            raise ModelBusyError(toll.model, expected)

    async def _ask_until_admitted(self, request_id: str, toll: Toll, line: _Line) -> None:
        give_up_at = monotonic() + _WORTH_WAITING_SECONDS
        while True:
            words = [self._place_of(toll.model), request_id, toll.run_id or "", self._spelled(toll)]
            ask = partial(run_script, self._redis, self._keys, ADMIT, words)
            answer, wait_ms = await through_outages(ask)
            seconds = wait_ms / 1000
            match answer:
                case b"go":
                    return
                case b"held":
                    raise RunHeldError(toll.run_id or "")
                case b"day":
                    raise self._day_is_over(toll.model)
                case b"later":
                    # Of this run alone: whoever stands behind it may be of another.
                    raise ModelBusyError(toll.model, seconds)
                case _ if monotonic() + seconds > give_up_at:
                    line.close(seconds)
                    raise ModelBusyError(toll.model, seconds)
                case _:
                    await asyncio.sleep(seconds)

    async def _settle(self, request_id: str, toll: Toll, passage: Passage) -> None:
        words = [
            *(self._place_of(toll.model), request_id, toll.run_id or ""),
            json.dumps(self._came_of(toll, passage)),
        ]
        settle = partial(run_script, self._redis, self._keys, SETTLE, words)
        try:
            # A reply is in hand, and its checkpoint waits as long.
            await through_outages(settle, _SETTLING_SECONDS)
        except (RedisError, OSError) as error:
            _log.warning("not told what a request came to", model=toll.model, error=str(error))

    def _came_of(self, toll: Toll, passage: Passage) -> dict[str, JsonValue]:
        reply = passage.reply
        if reply is None:
            return {"replied": False}
        usage, cost = reply.usage, reply.cost
        came: dict[str, JsonValue] = {
            "promptTokens": usage.prompt_token_count,
            "nanoUsd": None if cost is None else round(cost.usd * NANO),
            "tokensPerMinute": self._limits.tokens_per_minute,
            "replied": True,
            "tokens": usage.total_token_count or usage.prompt_token_count or 0,
            "reckonedTokens": toll.prompt_tokens,
            "burstTokens": self._limits.burst_tokens,
        }
        return _without_none(came)

    def _spelled(self, toll: Toll) -> str:
        words: dict[str, JsonValue] = {
            "model": toll.model,
            "day": quota_day(),
            "promptTokens": toll.prompt_tokens,
            "tokens": toll.most_tokens,
            "nanoUsd": None if toll.most_usd is None else round(toll.most_usd * NANO),
            "mostMs": math.ceil((toll.most_seconds + _MARGIN_SECONDS) * 1000),
        }
        return json.dumps(_without_none(words | self._limits.as_words()))

    def _place_of(self, model: str) -> str:
        return f"{self._account}:{model}"

    def _room_in(self, line: _Line) -> int | None:
        if line.closed_seconds:
            return 0
        paces = (line.pace_seconds, self._limits.pace_seconds)
        known = [math.ceil(_WORTH_WAITING_SECONDS / pace) for pace in paces if pace]
        if self._limits.concurrency is not None:
            known.append(self._limits.concurrency)
        return max(0, min(known) - line.n_waiting) if known else None

    def _day_is_over(self, model: str) -> ModelQuotaError:
        return ModelQuotaError(
            f"{self._limits.requests_per_day} requests were sent to {model!r} today, as many as may be",
            fixes=(
                "start again when the day is over, at midnight Pacific time",
                "or raise model.limits.requests_per_day",
            ),
        )


def _without_none(words: dict[str, JsonValue]) -> dict[str, JsonValue]:
    # Lua takes JSON's null for something.
    return {name: value for name, value in words.items() if value is not None}
