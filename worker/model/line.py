"""Those of one worker who want to ask one model: admitted in the order in which they came, many in one step."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from jobs.clock import monotonic
from worker.errors import ModelBusyError, ModelError

from .throttle import Toll

WORTH_WAITING_SECONDS = 5.0
"""Who would have to wait for longer gives the job's place in the worker to another."""
_MOST_AT_ONCE = 50
_WEIGHT_OF_LAST = 0.3


@dataclass(frozen=True)
class Request:
    """One that is to be sent."""

    request_id: str
    toll: Toll


Answer: TypeAlias = ModelError | float | None
"""That a request may be sent, why it may not, or how long it has to wait."""


class Line:
    """One waits for Redis on behalf of all: were each to ask, those who ask most often would be served."""

    def __init__(
        self,
        model: str,
        ask: Callable[[Sequence[Request]], Awaitable[Sequence[Answer]]],
        give_back: Callable[[Request], None],
    ) -> None:
        """Ask by `ask`, which answers no further than to the first that has to wait; who is gone is given back."""
        self._model = model
        self._ask = ask
        self._give_back = give_back
        self._waiting: deque[tuple[Request, asyncio.Future[None]]] = deque()
        self._porter: asyncio.Task[None] | None = None
        self._closed_until = 0.0
        self._waited_at: float | None = None
        self._n_since = 0
        self.pace_seconds = 0.0
        """The time from one who is admitted to the next, as of late; 0 where nobody has to wait."""

    @property
    def n_waiting(self) -> int:
        """How many stand here."""
        return len(self._waiting)

    @property
    def closed_seconds(self) -> float:
        """For how long nobody is admitted, as far as is known."""
        return max(0.0, self._closed_until - monotonic())

    def close(self, seconds: float) -> None:
        """Know that nobody is admitted for so long."""
        self._closed_until = max(self._closed_until, monotonic() + seconds)

    async def stand(self, request: Request) -> None:
        """Return when the request may be sent.

        Raises:
            ModelError: it may not.
        """
        admitted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, admitted))
        if self._porter is None:
            self._porter = asyncio.create_task(self._admit_all())
        try:
            await admitted
        except asyncio.CancelledError:
            if not admitted.cancelled():
                # Admitted in the very moment in which it was cancelled.
                self._give_back(request)
            raise

    async def _admit_all(self) -> None:
        try:
            while self._waiting:
                await self._admit_some()
        except Exception as error:  # noqa: BLE001  (whatever it is, somebody waits for an answer)
            for request, _ in islice(self._waiting, _MOST_AT_ONCE):
                # Some may have been admitted, of which nothing was heard.
                self._give_back(request)
            self._turn_all_away(error)
        finally:
            self._porter, self._waited_at, self.pace_seconds = None, None, 0.0

    async def _admit_some(self) -> None:
        asked = [request for request, _ in islice(self._waiting, _MOST_AT_ONCE)]
        for answer in await self._ask(asked):
            if isinstance(answer, float):
                await self._wait(answer)
                return
            request, admitted = self._waiting.popleft()
            self._n_since += 1
            if admitted.done():
                if answer is None:
                    self._give_back(request)
            elif answer is None:
                admitted.set_result(None)
            else:
                admitted.set_exception(answer)

    async def _wait(self, seconds: float) -> None:
        if seconds > WORTH_WAITING_SECONDS:
            self.close(seconds)
            self._turn_all_away(ModelBusyError(self._model, seconds))
            return
        now = monotonic()
        if self._waited_at is not None and self._n_since:
            pace = (now + seconds - self._waited_at) / self._n_since
            self.pace_seconds += _WEIGHT_OF_LAST * (pace - self.pace_seconds)
        if self._waited_at is None or self._n_since:
            self._waited_at, self._n_since = now + seconds, 0
        await asyncio.sleep(seconds)

    def _turn_all_away(self, error: Exception) -> None:
        while self._waiting:
            _, admitted = self._waiting.popleft()
            if not admitted.done():
                admitted.set_exception(error)
