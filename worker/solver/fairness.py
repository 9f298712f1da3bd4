"""Runs a program so that it is not blamed for a busy machine: what is over its time is run once more, alone."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import structlog

from jobs.clock import monotonic
from jobs.limits import Limits
from jobs.models import Attempt, ExecutableCode, Execution, Rerun
from worker.sandbox import NO_FILES, Files, Harness, Sandbox, Verification

from .machine import Machine
from .turns import Turns

_log = structlog.get_logger(__name__)
_Result = TypeVar("_Result", Execution, Verification)
_KEPT_CHARACTERS = 1_024


@dataclass
class FairRunner:
    """The sandbox for the runs of one program, each in its turn.

    One that is over its time is repeated with no other program of this worker beside it, and the second run counts. A
    program that was over its time alone as well is never repeated again: what does not end costs one run more.
    """

    sandbox: Sandbox
    turns: Turns
    machine: Machine
    is_known: bool = False
    """Whether it was over its time alone before."""
    reruns: list[Rerun] = field(default_factory=list)
    """What was repeated so far."""

    async def run(
        self, code: ExecutableCode, limits: Limits, *, stdin: str, harness: Harness, files: Files
    ) -> Execution:
        """What came of one run, or of its repetition."""

        def once() -> Awaitable[Execution]:
            return self.sandbox.run(code, limits, stdin=stdin, harness=harness, files=files)

        return await self._fairly(once)

    async def verify(
        self, code: ExecutableCode, tests: str, limits: Limits, *, stdin: str, files: Files
    ) -> Verification:
        """The same of one run beside its tests."""

        def once() -> Awaitable[Verification]:
            return self.sandbox.verify(code, tests, limits, stdin=stdin, files=files)

        return await self._fairly(once)

    async def ask(self, code: ExecutableCode, limits: Limits, *, harness: Harness) -> Execution:
        """What came of a run of what belongs to the check. Over its time it is repeated alone as well, and it is no
        program whose repetitions are told.
        """

        def once() -> Awaitable[Execution]:
            return self.sandbox.run(code, limits, stdin="", harness=harness, files=NO_FILES)

        async with self.turns.one():
            first = await once()
        if not _is_over_time(first):
            return first
        async with self._alone(first):
            return await once()

    async def _fairly(self, once: Callable[[], Awaitable[_Result]]) -> _Result:
        async with self.turns.one():
            mark = self.machine.mark()
            first = await once()
        if self.is_known or not _is_over_time(first):
            return first
        load = self.machine.load_since(mark)
        async with self._alone(first):
            mark = self.machine.mark()
            again = await once()
        self.is_known = _is_over_time(again)
        rerun = Rerun(
            first=_shortened(_execution_of(first)),
            again=_shortened(_execution_of(again)),
            is_over_again=self.is_known,
            load=load,
            load_again=self.machine.load_since(mark),
        )
        self.reruns.append(rerun)
        return again

    @asynccontextmanager
    async def _alone(self, first: Execution | Verification) -> AsyncIterator[None]:
        """A turn of one's own. The other programs of this worker stand still for it, and its log says for what."""
        wall_seconds = round(_execution_of(first).wall_seconds, 1)
        _log.info(
            "no other program is run beside one that was over its time", wall_seconds=wall_seconds
        )
        asked_at = monotonic()
        try:
            async with self.turns.alone():
                yield
        finally:
            stood_still_seconds = round(monotonic() - asked_at, 1)
            _log.info("other programs may be run again", stood_still_seconds=stood_still_seconds)


def is_known_to_last(code: ExecutableCode, attempts: Sequence[Attempt]) -> bool:
    """Whether one of these attempts has shown that the program is over its time alone as well."""
    return any(
        attempt.executable_code == code and any(rerun.is_over_again for rerun in attempt.reruns)
        for attempt in attempts
    )


def _is_over_time(result: Execution | Verification) -> bool:
    is_late = _execution_of(result).limit_hit in {"cpu", "wall"}
    if isinstance(result, Execution):
        return is_late
    return is_late or result.end in {"out_of_time", "tests_over_limit"}


def _execution_of(result: Execution | Verification) -> Execution:
    return result if isinstance(result, Execution) else result.execution


def _shortened(execution: Execution) -> Execution:
    """Without most of what it printed, which stands with the run that counts."""
    out, err = execution.stdout, execution.stderr
    return execution.model_copy(
        update={
            "stdout": out[:_KEPT_CHARACTERS],
            "stderr": err[-_KEPT_CHARACTERS:],
            "stdout_base64": None,
            "stderr_base64": None,
            "stdout_truncated": execution.stdout_truncated or len(out) > _KEPT_CHARACTERS,
            "stderr_truncated": execution.stderr_truncated or len(err) > _KEPT_CHARACTERS,
            "returned": None,
            "artefacts": (),
        }
    )
