"""Whether programs run here: found out by running one."""

import asyncio

from jobs.clock import monotonic
from jobs.languages import Language
from worker.sandbox import Sandbox
from worker.sandbox.selfcheck import check_language

_PATIENCE_SECONDS = 5.0
_HOLDS_SECONDS = 5.0
"""Strangers may ask as often as they like, and each answer would be a run."""


class Trial:
    """Tries a sandbox when somebody wants to know, and believes what came of it for some seconds."""

    def __init__(self, sandbox: Sandbox) -> None:
        """Try this one."""
        self._sandbox = sandbox
        self._trying = asyncio.Lock()
        self._found: str | None = None
        self._holds_till = 0.0

    async def fault(self) -> str | None:
        """Why no program runs; None if one does. Nothing is raised."""
        async with self._trying:
            if monotonic() >= self._holds_till:
                self._found = await self._try()
                self._holds_till = monotonic() + _HOLDS_SECONDS
            return self._found

    async def _try(self) -> str | None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                check = await check_language(self._sandbox, Language.PYTHON)
        except TimeoutError:
            return f"no program ran to its end within {_PATIENCE_SECONDS:.0f} s"
        except OSError as error:
            return f"no program can be run: {error}"
        return None if check.ok else f"no program can be run: {check.detail}"
