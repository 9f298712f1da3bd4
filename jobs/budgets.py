"""What a run may use, and what it has used: both stand in its hash in Redis, and outlive every command and worker."""

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import Field

from .wire import Wire

NANO = 1_000_000_000
"""Money is counted in whole parts of a dollar as small as this: sums of fractions drift."""

BUDGET = "budget-reached"
"""The cause of the pause of a run whose budget is used up."""

UNPRICED = "price-unknown"
"""The cause of the pause of a run that may cost so much, and asks a model of which nobody knows what it costs."""


class Budget(Wire):
    """What a run may use; None is as much as it takes."""

    requests: Annotated[int, Field(ge=1, le=10**9)] | None = None
    """Requests to the model, repeated ones among them."""
    tokens: Annotated[int, Field(ge=1, le=10**12)] | None = None
    """Of prompts, thoughts and answers together."""
    usd: Annotated[float, Field(gt=0, le=1_000_000)] | None = None
    """By list prices."""
    seconds: Annotated[float, Field(gt=0, le=10**9)] | None = None
    """Since its first request, without the time for which it was paused."""

    @property
    def is_set(self) -> bool:
        """Whether there is any limit."""
        return self != Budget()

    def fields(self) -> dict[str, str | int]:
        """What is set, as the hash of a run keeps it."""
        nano = None if self.usd is None else max(1, round(self.usd * NANO))
        kept = {
            "requests": self.requests,
            "tokens": self.tokens,
            "nanoUsd": nano,
            "seconds": None if self.seconds is None else repr(self.seconds),
        }
        return {f"max:{name}": value for name, value in kept.items() if value is not None}

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> "Budget":
        """The budget in the hash of a run."""
        given = {
            name: fields.get(f"max:{name}") for name in ("requests", "tokens", "nanoUsd", "seconds")
        }
        nano = given.pop("nanoUsd")
        return cls.model_validate(given | {"usd": None if nano is None else int(nano) / NANO})


class Spent(Wire):
    """What a run has used so far."""

    requests: int = 0
    tokens: int = 0
    usd: float = 0.0
    unpriced: int = 0
    """Replies whose price is unknown, which `usd` does not hold."""
    seconds: float = 0.0

    @classmethod
    def of(cls, fields: Mapping[str, str], now_ms: float) -> "Spent":
        """What the hash of a run says of it at this time."""
        since = fields.get("ranSince")
        running_ms = 0.0 if since is None else max(0.0, now_ms - float(since))
        return cls(
            requests=int(fields.get("used:requests", 0)),
            tokens=int(fields.get("used:tokens", 0)),
            usd=int(fields.get("used:nanoUsd", 0)) / NANO,
            unpriced=int(fields.get("used:unpriced", 0)),
            seconds=(int(fields.get("ranMs", 0)) + running_ms) / 1000,
        )

    def reaches(self, budget: Budget) -> Iterator[str]:
        """The flags of what is used up of the budget."""
        pairs = (
            ("--max-requests", self.requests, budget.requests),
            ("--max-tokens-total", self.tokens, budget.tokens),
            ("--max-usd", self.usd, budget.usd),
            ("--max-duration", self.seconds, budget.seconds),
        )
        return (flag for flag, used, most in pairs if most is not None and used >= most)
