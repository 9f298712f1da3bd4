"""What a run has sent to Gemini in batches, in Redis: written down before it is sent, so that nobody sends it again."""

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

_PATIENCE_SECONDS = 600.0
_NUMBER = "number"
"""Where the number of the newest batch stands, among batches by their own ids, which hold more than one word."""
# A run, a batch of it, and what its replies have used. The mark lives as long as the counters do.
_COUNT = """
local run, batch, requests, tokens, nano, unpriced = unpack(ARGV)
if redis.call('HSETNX', RUN .. run, 'counted:' .. batch, 1) == 0 then return end
count(run, 'used:requests', requests)
count(run, 'used:tokens', tokens)
count(run, 'used:nanoUsd', nano)
if unpriced ~= '0' then count(run, 'used:unpriced', unpriced) end
"""


class SentBatch(Wire):
    """A batch that was made, or is about to be, or was about to be when its command died."""

    own_id: str
    """What it is called at the server beside the name that the server gives it."""
    number: int
    """From 1, within the run."""
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

    async def is_held(self) -> bool:
        """Whether the run is paused or cancelled, so that nothing more is to be sent for it."""
        return bool(await self._run("HGET", self._keys.run(self.run_id), "state"))

    async def is_cancelled(self) -> bool:
        """Whether the run is cancelled, so that nothing is to be left with Gemini."""
        state: bytes | None = await self._run("HGET", self._keys.run(self.run_id), "state")
        return state == RunState.CANCELLED.encode()

    async def next_number(self) -> int:
        """One that no batch of the run has had, those that were forgotten included."""
        number: int = await self._run("HINCRBY", self._key, _NUMBER, 1)
        await self._run("EXPIRE", self._key, RUN_SECONDS)
        return number

    async def note(self, batch: SentBatch) -> None:
        """Write one down, or what is known of it by now."""
        await self._run("HSET", self._key, batch.own_id, batch.to_json())
        await self._run("EXPIRE", self._key, RUN_SECONDS)

    async def count(self, batch: SentBatch, spent: Spent) -> None:
        """Count what a batch has used as used by the run; a second time, by whoever it is, changes nothing."""
        nano = round(spent.usd * NANO)
        words: list[str | int] = [self.run_id, batch.own_id]
        words += [spent.requests, spent.tokens, nano, spent.unpriced]
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
