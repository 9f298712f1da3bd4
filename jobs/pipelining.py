"""Commands of many jobs in one round trip."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

from arq.connections import ArqRedis

from .gathering import Gathering

_Command: TypeAlias = tuple[str | bytes | float, ...]


class Commands(Protocol):
    """Whoever can be given a command of Redis."""

    async def execute_command(self, *words: str | bytes | float) -> Any:  # noqa: ANN401  (what Redis answers)
        """Its answer."""


class Pipelining:
    """Gathers commands for one connection to send together; each is still one step of its own."""

    def __init__(self, redis: ArqRedis) -> None:
        """Send them by this client."""
        self._redis = redis
        self._gathering: Gathering[_Command, Any] = Gathering(self._send)

    async def execute_command(self, *words: str | bytes | float) -> Any:  # noqa: ANN401  (what Redis answers)
        """The answer to one command, which goes out with those of others.

        Raises:
            RedisError, OSError: this one failed, or none of them could be sent.
        """
        answer = await self._gathering.ask(words)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _send(self, commands: Sequence[_Command]) -> list[Any]:
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for words in commands:
                    pipe.execute_command(*words)
                answers: list[Any] = await pipe.execute(raise_on_error=False)
        except Exception as error:  # noqa: BLE001  (whatever it is, somebody waits for each of the answers)
            return [error] * len(commands)
        return answers
