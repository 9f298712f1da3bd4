"""Whether the model answers this worker: shut by a refusal that every job would meet, open again when that is over."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from math import inf
from typing import NoReturn

import structlog

from jobs.clock import monotonic, utcnow
from worker.errors import ModelClosedError, ModelError, ModelQuotaError
from worker.model.quota_days import renewal_of_quota

_log = structlog.get_logger(__name__)
_FIRST_LOOK_SECONDS = 1.0
_LONGEST_LOOK_SECONDS = 300.0
# A check may pass where a question is refused. Who was refused again so soon looks less often than before.
_CALM_SECONDS = 3600.0


class ModelGate:
    """Kept by one worker, which takes no jobs while it is shut."""

    def __init__(
        self,
        check: Callable[[], Awaitable[None]],
        renewal: Callable[[datetime], datetime] = renewal_of_quota,
    ) -> None:
        """Go by `check`, which raises while the model refuses us, and by when the quota of a day is renewed."""
        self._check = check
        self._renewal = renewal
        self._refusal: ModelClosedError | None = None
        self._is_shut = asyncio.Event()

    def shut(self, refusal: ModelClosedError) -> None:
        """Take no more jobs; the first refusal is the one that is told."""
        if self._refusal is None:
            self._refusal = refusal
            self._is_shut.set()

    def obstacle(self) -> str | None:
        """Why no job may be taken now, if there is a reason."""
        return None if self._refusal is None else self._refusal.in_one_line

    async def run(self) -> NoReturn:
        """Open the gate whenever what has shut it is over."""
        seconds, opened_at = _FIRST_LOOK_SECONDS, -inf
        while True:
            await self._is_shut.wait()
            if monotonic() - opened_at > _CALM_SECONDS:
                seconds = _FIRST_LOOK_SECONDS
            if isinstance(self._refusal, ModelQuotaError):
                # The check would pass: a description of the model is no part of the quota.
                now = utcnow()
                await asyncio.sleep((self._renewal(now) - now).total_seconds())
            is_answered = False
            while not is_answered:
                await asyncio.sleep(seconds)
                seconds = min(2 * seconds, _LONGEST_LOOK_SECONDS)
                is_answered = await self._is_answered()
            self._refusal, opened_at = None, monotonic()
            self._is_shut.clear()

    async def _is_answered(self) -> bool:
        try:
            await self._check()
        except ModelError as error:
            _log.warning("model still refuses", reason=error.message)
            return False
        return True
