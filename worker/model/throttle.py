"""Who may send a request now: what a client of a model asks before each one, and tells after it."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from jobs.models import ModelReply


@dataclass(frozen=True)
class Toll:
    """What one request is expected to use."""

    model: str
    run_id: str | None
    """The run whose budget pays for it, if any."""
    prompt_tokens: int
    """Reckoned from its length."""
    most_tokens: int
    """Its answer, as long as it may be, included."""
    most_usd: float | None
    """What that would cost; None where the price is unknown."""
    most_seconds: float
    """For how long it may be under way."""


@dataclass
class Passage:
    """A request that may be sent."""

    reply: ModelReply | None = None
    """What it brought, set by whoever sent it; None is that it brought none."""


class Throttle(Protocol):
    """Whoever admits requests."""

    def passing(self, toll: Toll) -> AbstractAsyncContextManager[Passage]:
        """Wait until the request may be sent; it is under way until the block ends.

        Raises:
            ModelBusyError: that would take too long; it says when to come again.
            ModelQuotaError: no more may be sent today.
            RunHeldError: the run of the request stands still, for want of budget or because somebody wished it.
        """

    async def pause(self, model: str, told_seconds: float | None) -> float:
        """Nobody sends to this model for so long, after a 429; where no time was told, a growing one. It is given.

        Raises:
            ModelBusyError: it is longer than is worth waiting for.
        """


class Unlimited:
    """Admits everything at once: for a client that shares its key with nobody."""

    @asynccontextmanager
    async def passing(self, toll: Toll) -> AsyncIterator[Passage]:
        """Nothing is waited for."""
        yield Passage()

    async def pause(self, model: str, told_seconds: float | None) -> float:
        """Nobody else would hear of it."""
        return told_seconds or 0.0
