"""The throttle that all workers share, on all machines: through Redis, with one line for each worker and model."""

import asyncio
import json
import math
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import structlog
from arq.connections import ArqRedis
from pydantic import JsonValue

from jobs.budgets import NANO
from jobs.gathering import Gathering
from jobs.keys import Keys
from jobs.outages import through_outages
from jobs.scripts import run_script
from worker.errors import ModelBusyError, ModelQuotaError, RunHeldError

from .admission import ADMIT, PAUSE, SETTLE, words_of
from .line import WORTH_WAITING_SECONDS, Answer, Line, Request
from .quota_days import quota_day
from .throttle import Passage, Toll

_log = structlog.get_logger(__name__)
_SETTLING_SECONDS = 600.0
_MARGIN_SECONDS = 30.0
_BURST_SHARE = 10


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


class SharedThrottle:
    """Keeps to the limits of an account, model by model, together with everybody else who asks with it."""

    def __init__(self, redis: ArqRedis, keys: Keys, account: str, limits: ModelLimits) -> None:
        """Keep to `limits`; who asks with the same `account` shares them."""
        self._redis = redis
        self._keys = keys
        self._account = account
        self._limits = limits
        self._lines: dict[str, Line] = {}
        self._over: Gathering[str, None] = Gathering(self._settle)
        self._teller = secrets.token_hex(8)
        self._n_messages = 0
        self._telling: set[asyncio.Task[None]] = set()

    def room(self, model: str) -> int | None:
        """How many jobs more are worth taking that ask this model: as many as can be served soon. None is any number.

        A model that may not be asked keeps jobs in the queue, where they are of use to other workers and are counted.
        """
        line = self._lines.get(model)
        return None if line is None else self._room_in(line)

    @asynccontextmanager
    async def passing(self, toll: Toll) -> AsyncIterator[Passage]:
        """Wait until the request may be sent; what it came to is told when the block ends.

        Raises:
            ModelBusyError: that would take too long; it says when to come again.
            ModelQuotaError: as many were sent today as may be.
            RunHeldError: its run stands still, for want of budget or because somebody wished it.
        """
        line, request = self._line_of(toll.model), Request(secrets.token_hex(8), toll)
        self._turn_away_if_hopeless(toll, line)
        await line.stand(request)
        passage = Passage()
        try:
            yield passage
        finally:
            # Told to its end, though nobody should wait for that any more.
            await asyncio.shield(self._tell(request, passage))

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
        self._line_of(model).close(seconds)
        if seconds > WORTH_WAITING_SECONDS:
            raise ModelBusyError(model, seconds)
        return seconds

    def _turn_away_if_hopeless(self, toll: Toll, line: Line) -> None:
        n_after_burst = max(0, line.n_waiting - self._limits.burst)
        expected = max(
            line.closed_seconds,
            line.n_waiting * line.pace_seconds,
            n_after_burst * self._limits.pace_seconds,
        )
        if expected > WORTH_WAITING_SECONDS:
            raise ModelBusyError(toll.model, expected)

    def _line_of(self, model: str) -> Line:
        if model not in self._lines:
            self._lines[model] = Line(model, partial(self._ask, model), self._give_back)
        return self._lines[model]

    async def _ask(self, model: str, requests: Sequence[Request]) -> list[Answer]:
        words = [self._place_of(model), f"[{','.join(map(self._spelled, requests))}]"]
        ask = partial(run_script, self._redis, self._keys, ADMIT, words)
        answers = await through_outages(ask)
        return [
            self._answer_to(request.toll, word, wait_ms / 1000)
            for request, (word, wait_ms) in zip(requests, answers, strict=False)
        ]

    def _answer_to(self, toll: Toll, word: bytes, seconds: float) -> Answer:
        match word:
            case b"go":
                return None
            case b"held":
                return RunHeldError(toll.run_id or "")
            case b"day":
                return self._day_is_over(toll.model)
            case b"later":
                # Of this run alone: whoever stands behind it may be of another.
                return ModelBusyError(toll.model, seconds)
            case _:
                return seconds

    def _give_back(self, request: Request) -> None:
        self._tell(request, Passage())

    def _tell(self, request: Request, passage: Passage) -> "asyncio.Task[None]":
        telling = asyncio.create_task(self._over.ask(self._came_of(request, passage)))
        self._telling.add(telling)
        telling.add_done_callback(self._telling.discard)
        return telling

    async def _settle(self, came: Sequence[str]) -> list[None]:
        self._n_messages += 1
        words: list[str | int] = [self._teller, self._n_messages, f"[{','.join(came)}]"]
        settle = partial(run_script, self._redis, self._keys, SETTLE, words)
        try:
            # Replies are in hand, and their checkpoints wait as long.
            await through_outages(settle, _SETTLING_SECONDS)
        except Exception as error:  # noqa: BLE001  (whatever it is, somebody waits for each of the answers)
            _log.warning("not told what requests came to", requests=len(came), error=str(error))
        return [None] * len(came)

    def _came_of(self, request: Request, passage: Passage) -> str:
        toll, reply = request.toll, passage.reply
        came: dict[str, JsonValue] = {
            "place": self._place_of(toll.model),
            "id": request.request_id,
            "run": toll.run_id or "",
            "replied": reply is not None,
        }
        if reply is not None:
            usage, cost = reply.usage, reply.cost
            came |= {
                "promptTokens": usage.prompt_token_count,
                "nanoUsd": None if cost is None else round(cost.usd * NANO),
                "tokensPerMinute": self._limits.tokens_per_minute,
                "tokens": usage.total_token_count or usage.prompt_token_count or 0,
                "reckonedTokens": toll.prompt_tokens,
                "burstTokens": self._limits.burst_tokens,
            }
        return json.dumps(_without_none(came))

    def _spelled(self, request: Request) -> str:
        toll = request.toll
        words: dict[str, JsonValue] = {
            "id": request.request_id,
            "run": toll.run_id or "",
            "day": quota_day(),
            "promptTokens": toll.prompt_tokens,
            "mostMs": math.ceil((toll.most_seconds + _MARGIN_SECONDS) * 1000),
        }
        return json.dumps(words | words_of(toll) | self._limits.as_words())

    def _place_of(self, model: str) -> str:
        return f"{self._account}:{model}"

    def _room_in(self, line: Line) -> int | None:
        if line.closed_seconds:
            return 0
        paces = (line.pace_seconds, self._limits.pace_seconds)
        known = [math.ceil(WORTH_WAITING_SECONDS / pace) for pace in paces if pace]
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
