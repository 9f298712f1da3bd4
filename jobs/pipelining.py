"""Commands of many jobs in one round trip: whatever comes while one is under way goes with the next."""

import asyncio
from typing import Any, Protocol

from arq.connections import ArqRedis

_MOST_AT_ONCE = 500


class Commands(Protocol):
    """Whoever can be given a command of Redis."""

    async def execute_command(self, *words: str | bytes | float) -> Any:  # noqa: ANN401  (what Redis answers)
        """Its answer."""


class Pipelining:
    """Gathers commands for one connection to send together; each is still one step of its own."""

    def __init__(self, redis: ArqRedis) -> None:
        """Send them by this client."""
        self._redis = redis
        self._waiting: list[tuple[tuple[str | bytes | float, ...], asyncio.Future[Any]]] = []
        self._sending: asyncio.Task[None] | None = None

    async def execute_command(self, *words: str | bytes | float) -> Any:  # noqa: ANN401  (what Redis answers)
        """The answer to one command, which goes out with those of others.

        Raises:
            RedisError, OSError: this one failed, or none of them could be sent.
        """
        answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((words, answered))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_all())
        return await answered

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                batch = self._waiting[:_MOST_AT_ONCE]
                del self._waiting[: len(batch)]
                answers = await self._send([words for words, _ in batch])
                for (_, answered), answer in zip(batch, answers, strict=True):
                    if answered.done():
                        continue
                    if isinstance(answer, Exception):
                        answered.set_exception(answer)
                    else:
                        answered.set_result(answer)
        finally:
            self._sending = None

    async def _send(self, commands: list[tuple[str | bytes | float, ...]]) -> list[Any]:
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for words in commands:
                    pipe.execute_command(*words)
                answers: list[Any] = await pipe.execute(raise_on_error=False)
        except Exception as error:  # noqa: BLE001  (whatever it is, somebody waits for each of the answers)
            return [error] * len(commands)
        return answers
