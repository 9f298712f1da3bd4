"""What a run has sent to Gemini in batches, in Redis: written down before it is sent, so that nobody sends it again."""

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

from arq.connections import ArqRedis
from pydantic import AwareDatetime

from jobs.budgets import NANO, Spent
from jobs.keys import RUN_SECONDS, Keys
from jobs.outages import through_outages
from jobs.runs import RunState
from jobs.scripts import run_script
from jobs.wire import Wire
from worker.errors import RunHeldError

from .admission import RAISE_MOST, words_of
from .reserving import RESERVE
from .throttle import Toll

_PATIENCE_SECONDS = 600.0
_NUMBER = "number"
"""Where the number of the newest batch stands, among batches by their own ids, which hold more than one word."""
# A run, a batch of it, what its replies have used, and the dearest of them. The mark lives as long as the counters do.
_COUNT = f"""
local run, batch, requests, tokens, nano, unpriced, most_tokens, most_nano = unpack(ARGV)
{RAISE_MOST}
for _, words in ipairs(redis.call('ZRANGE', SPOKEN_FOR .. run, 0, -1)) do
    if string.sub(words, 1, #batch + 1) == batch .. ':' then redis.call('ZREM', SPOKEN_FOR .. run, words) end
end
if redis.call('HSETNX', RUN .. run, 'counted:' .. batch, 1) == 0 then return end
count(run, 'used:requests', requests)
count(run, 'used:tokens', tokens)
count(run, 'used:nanoUsd', nano)
if unpriced ~= '0' then count(run, 'used:unpriced', unpriced) end
raise_most(run, 'most:tokens', tonumber(most_tokens))
raise_most(run, 'most:nanoUsd', tonumber(most_nano))
"""


class SentBatch(Wire):
    """A batch that was made, or is about to be, or was about to be when its command died."""

    own_id: str
    """What it is called at the server beside the name that the server gives it."""
    number: int = 0
    """From 1, within the run, those that were forgotten included; 0 until it is written down."""
    model: str
    keys: tuple[str, ...]
    sent_at: AwareDatetime
    name: str | None = None
    """The server's name for it; None until it is known to be there."""
    file: str | None = None
    """What was uploaded for it, where that is ours to delete."""


class SentBatches:
    """The batches of one run."""

    def __init__(self, redis: ArqRedis, keys: Keys, run_id: str) -> None:
        """Keep them beside the run."""
        self.run_id = run_id
        self._redis = redis
        self._keys = keys
        self._key = keys.sent(run_id)

    async def all(self) -> Sequence[SentBatch]:
        """Those that were written down and not forgotten, by number.

        Raises:
            RedisError, OSError: Redis did not answer for ten minutes; so it is with the others.
        """
        found: dict[bytes, bytes] = await self._run("HGETALL", self._key)
        found.pop(_NUMBER.encode(), None)
        kept = map(SentBatch.model_validate_json, found.values())
        return sorted(kept, key=lambda batch: batch.number)

    async def reserve(self, wanted: SentBatch, tolls: Sequence[Toll]) -> SentBatch | None:
        """Write down a batch that is to be made, of those of its requests that the run can pay for, and set that aside.

        `tolls` are those of its keys. Its number is one that no batch of the run has had. None is that nothing can be
        paid for, for as long as other requests are under way.

        Raises:
            RunHeldError: the run stands still: its budget is used up, or somebody wished it.
        """
        told = json.dumps([words_of(toll) for toll in tolls])
        words = [self.run_id, self._key, _NUMBER, wanted.to_json(), told]
        step = partial(run_script, self._redis, self._keys, RESERVE, words)
        kept: bytes | int = await through_outages(step, _PATIENCE_SECONDS)
        if isinstance(kept, bytes):
            return SentBatch.model_validate_json(kept)
        if kept < 0:
            raise RunHeldError(self.run_id)
        return None

    async def is_cancelled(self) -> bool:
        """Whether the run is cancelled, so that nothing is to be left with Gemini."""
        state: bytes | None = await self._run("HGET", self._keys.run(self.run_id), "state")
        return state == RunState.CANCELLED.encode()

    async def note(self, batch: SentBatch) -> None:
        """Write down what is known of one by now."""
        await self._run("HSET", self._key, batch.own_id, batch.to_json())
        await self._run("EXPIRE", self._key, RUN_SECONDS)

    async def count(self, batch: SentBatch, spent: Spent, dearest: Spent) -> None:
        """Count what a batch has used as used by the run, in the place of what was set aside for it.

        `dearest` is the most that one reply of it used. A second time, by whoever it is, changes nothing.
        """
        words: list[str | int] = [self.run_id, batch.own_id]
        words += [spent.requests, spent.tokens, round(spent.usd * NANO), spent.unpriced]
        words += [dearest.tokens, round(dearest.usd * NANO)]
        step = partial(run_script, self._redis, self._keys, _COUNT, words)
        await through_outages(step, _PATIENCE_SECONDS)

    async def forget(self, batch: SentBatch) -> None:
        """Take one out that will bring nothing."""
        await self._run("HDEL", self._key, batch.own_id)

    async def forget_all(self) -> None:
        """The run is over."""
        await self._run("DEL", self._key)

    async def _run(self, *words: str | int) -> Any:  # noqa: ANN401  (each command answers in its own way)
        command = partial(self._redis.execute_command, *words)
        return await through_outages(command, _PATIENCE_SECONDS)
