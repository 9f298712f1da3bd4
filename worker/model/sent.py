"""What a run has sent to Gemini in batches, in Redis: written down before it is sent, so that nobody sends it again."""

from collections.abc import Sequence
from functools import partial

from pydantic import AwareDatetime

from jobs.keys import RUN_SECONDS, Keys
from jobs.outages import through_outages
from jobs.pipelining import Commands
from jobs.wire import Wire

_PATIENCE_SECONDS = 600.0


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


class SentBatches:
    """The batches of one run."""

    def __init__(self, redis: Commands, keys: Keys, run_id: str) -> None:
        """Keep them beside the run."""
        self.run_id = run_id
        self._redis = redis
        self._key = keys.sent(run_id)

    async def all(self) -> Sequence[SentBatch]:
        """Those that were written down and not forgotten, by number.

        Raises:
            RedisError, OSError: Redis did not answer for ten minutes; so it is with the others.
        """
        found: dict[bytes, bytes] = await self._run("HGETALL", self._key)
        kept = map(SentBatch.model_validate_json, found.values())
        return sorted(kept, key=lambda batch: batch.number)

    async def note(self, batch: SentBatch) -> None:
        """Write one down, or what is known of it by now."""
        await self._run("HSET", self._key, batch.own_id, batch.to_json())
        await self._run("EXPIRE", self._key, RUN_SECONDS)

    async def forget(self, batch: SentBatch) -> None:
        """Take one out that will bring nothing."""
        await self._run("HDEL", self._key, batch.own_id)

    async def forget_all(self) -> None:
        """The run is over."""
        await self._run("DEL", self._key)

    async def _run(self, *words: str | int) -> dict[bytes, bytes]:
        command = partial(self._redis.execute_command, *words)
        answer: dict[bytes, bytes] = await through_outages(command, _PATIENCE_SECONDS)
        return answer
