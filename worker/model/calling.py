"""One call of the model: as many requests as its policies and its time allow, with waits between them."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar, cast

import structlog

from jobs.calls import CallClass
from jobs.clock import monotonic
from jobs.costs import Cost, sum_of
from jobs.models import ModelReply
from jobs.usage import Usage

from .faults import Fault, class_of, error_of, fault_in
from .options import GeminiOptions
from .policies import POLICIES, CountedAs

_log = structlog.get_logger(__name__)

# The longest own wait before the second try; it doubles with every further one. A short patience gets shorter waits,
# or it would be over after two.
_FIRST_BACKOFF_SECONDS = 1.0
_FIRST_BACKOFF_SHARE = 1 / 300
_MOST_BACKOFF_SECONDS = 60.0

_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Patience:
    """How long one call may take: no request starts after the waiting is over, and none takes longer than its time."""

    timeout_seconds: float
    """For one request."""
    max_wait_seconds: float
    """For all requests and waits before the last one; with that one's time it is the deadline of the call."""

    def until(self, began: float, now: float) -> float:
        """The seconds that a request may take which starts now."""
        deadline = began + self.max_wait_seconds + self.timeout_seconds
        return min(self.timeout_seconds, deadline - now)


@dataclass
class CallProgress:
    """What a call has come to so far."""

    patience: Patience
    began: float = field(default_factory=monotonic)
    tries: int = 0
    repeats: Counter[CallClass] = field(default_factory=Counter)
    thrown_away: Usage = field(default_factory=Usage)
    costs_thrown_away: list[Cost | None] = field(default_factory=list)

    def wait_seconds(self, seen: CallClass, wish_seconds: float | None) -> float | None:
        """How long to wait before another request; None where there is to be none."""
        most = POLICIES[seen].n_repeats
        if most is not None and self.repeats[seen] >= most:
            return None
        first_seconds = min(
            _FIRST_BACKOFF_SECONDS, self.patience.max_wait_seconds * _FIRST_BACKOFF_SHARE
        )
        backoff_seconds = min(first_seconds * 2 ** min(self.tries - 1, 30), _MOST_BACKOFF_SECONDS)
        # A random part on top of what the service asks for keeps workers from coming back together.
        seconds = (wish_seconds or 0.0) + random.uniform(0, backoff_seconds)  # noqa: S311  # no secret
        is_over = monotonic() + seconds > self.began + self.patience.max_wait_seconds
        return None if is_over else seconds

    def counted_as(self, name: CountedAs) -> int:
        """How many requests were repeated under this name."""
        return sum(n for seen, n in self.repeats.items() if POLICIES[seen].counted_as is name)

    def finish(self, reply: ModelReply) -> ModelReply:
        """The reply with what the whole call took: what was thrown away for it was paid for as well."""
        if self.tries == 1:
            return reply
        return reply.model_copy(
            update={
                "transport_tries": self.tries,
                "transport_retries": self.counted_as(CountedAs.RETRY),
                "resamples": self.counted_as(CountedAs.RESAMPLE),
                "usage": self.thrown_away + reply.usage,
                "thrown_away": self.thrown_away,
                "cost": sum_of([*self.costs_thrown_away, reply.cost]),
            }
        )

    def throw_away(self, reply: ModelReply) -> None:
        """Keep what it used, and nothing else of it."""
        self.thrown_away += reply.usage
        self.costs_thrown_away.append(reply.cost)


async def call(
    ask: Callable[[float], Awaitable[_Answer | Fault]],
    model: str,
    options: GeminiOptions,
    patience: Patience,
) -> tuple[_Answer, CallProgress]:
    """What `ask`, which is told how many seconds it has, answers in the end, and what that took.

    Raises:
        ModelError: there is no answer that can be used; the class says whether another call may help.
    """
    progress = CallProgress(patience)
    while True:
        progress.tries += 1
        answer = await ask(patience.until(progress.began, monotonic()))
        seen, fault = _read(answer)
        wait_seconds = progress.wait_seconds(seen, fault.wait_seconds if fault else None)
        if wait_seconds is None:
            if fault is not None:
                raise error_of(fault, model, options, tries=progress.tries)
            return cast("_Answer", answer), progress
        _log.warning(
            "model request repeated",
            model=model,
            because=seen.value,
            status=fault.status if fault else None,
            tries=progress.tries,
            wait_seconds=round(wait_seconds, 3),
        )
        progress.repeats[seen] += 1
        if isinstance(answer, ModelReply):
            progress.throw_away(answer)
        await asyncio.sleep(wait_seconds)


def _read(answer: object) -> tuple[CallClass, Fault | None]:
    """What an answer means, and the fault in it that leaves nothing to be used."""
    match answer:
        case Fault():
            return class_of(answer), answer
        case ModelReply():
            return answer.call_class, fault_in(answer)
        case _:
            return CallClass.OK, None
