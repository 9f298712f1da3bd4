"""All of it at once: workers, Redis and the model fail again and again, and the books balance.

`TESTS_CHAOS_JOBS=10000 pytest tests/faults/test_chaos.py` takes its time.
"""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import cycle, islice

import pytest
from pydantic import JsonValue

from jobs.checkers import Case, MatchesOutput
from jobs.clock import monotonic
from jobs.models import PromptJob
from tests.e2e.processes import Process
from tests.e2e.programs import reply
from tests.e2e.project import Running
from tests.standin import steps
from tests.standin.script import Request, Rule, Step
from tests.waiting import wait_until

from .mill import RIGHT, RUN, Mill

N_JOBS = int(os.environ.get("TESTS_CHAOS_JOBS", "400"))
# More than twice what two busy cores need.
_DEADLINE_SECONDS = 200 + N_JOBS * 0.5
_N_WORKERS = 4
_KILL_EVERY_SECONDS = 2
_N_RESTARTS = 3
_WORKERS_LEFT = 2

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.timeout(_DEADLINE_SECONDS + 120),
]

_GOOD, _WRONG = steps.text(RIGHT), steps.text(reply("print(2)"))
_BUSY, _LIMITED, _CUT = steps.overloaded(), steps.rate_limited(), steps.dropped(_GOOD)
KINDS: dict[str, tuple[Step, ...]] = {
    "plain": (_GOOD,),
    "quick": (_GOOD,),
    "long": (steps.slow(_GOOD, 0.5),),
    "busy": (_BUSY, _GOOD),
    "limited": (_LIMITED, _GOOD),
    "broken": (_CUT, _GOOD),
    "wrong": (_WRONG, _GOOD),
    "unlucky": (_BUSY, _CUT, _WRONG, _LIMITED, _GOOD),
}
"""What the model does about each kind of job: of all calls, three in ten have no answer."""


def _jobs() -> list[PromptJob]:
    checker = MatchesOutput(cases=(Case(expect="1"),))
    return [
        PromptJob(
            prompt=f"Print 1; this is the {kind} job {number}.",
            job_id=f"{kind}-{number}",
            run_id=RUN,
            checker=checker,
            max_attempts=5,
        )
        for number, kind in enumerate(islice(cycle(KINDS), N_JOBS))
    ]


class _Reaper:
    """Keeps a number of workers at work, and kills the oldest of them again and again."""

    def __init__(self, mill: Mill) -> None:
        self.n_killed = 0
        self.dying: set[Process] = set()
        self._mill = mill
        self._starting: set[asyncio.Task[Running]] = set()

    async def fill_up(self) -> None:
        """Start what is missing; it is ready when it is."""
        self._starting = {task for task in self._starting if not task.done()}
        for _ in range(_N_WORKERS - len(self._mill.working) - len(self._starting)):
            self._starting.add(asyncio.create_task(self._mill.worker()))
            # Each in a file of its own.
            await asyncio.sleep(0)

    async def go_on(self) -> None:
        """Kill one whenever it is time, unless too few are left that could do something meanwhile."""
        while True:
            await asyncio.sleep(_KILL_EVERY_SECONDS)
            if len(self._mill.working) > _WORKERS_LEFT:
                oldest = self._mill.working[0]
                self.dying |= oldest.tree()
                await self._mill.kill(oldest)
                self.n_killed += 1
            await self.fill_up()

    async def end(self) -> None:
        """Wait for those that are still starting: they are to end like the others."""
        if self._starting:
            await asyncio.wait(self._starting)


@asynccontextmanager
async def _reaping(mill: Mill) -> AsyncIterator[_Reaper]:
    reaper = _Reaper(mill)
    await reaper.fill_up()
    going_on = asyncio.create_task(reaper.go_on())
    try:
        yield reaper
    finally:
        going_on.cancel()
        await asyncio.wait([going_on])
        await reaper.end()


async def test_nothing_is_lost_and_nothing_done_twice_while_everything_dies(
    mill: Mill, capsys: pytest.CaptureFixture[str]
) -> None:
    """One record a job, one count a record, and no reply is asked for again that was kept."""
    scratch = mill.project.folder / "scratch"
    scratch.mkdir()
    mill.project.environment |= {
        "TMPDIR": str(scratch),
        "PROMPTMILL_SANDBOX__SLOTS": "1",
        "PROMPTMILL_WORKER__JOBS_IN_FLIGHT": "16",
        # Here it is never a job that brings its worker down.
        "PROMPTMILL_WORKER__MAX_DELIVERIES": "1000",
    }
    mill.standin.script(
        *(Rule(first=f"the {kind} job", steps=taken, repeats=True) for kind, taken in KINDS.items())
    )
    await mill.submit(*_jobs())
    began = monotonic()
    async with _reaping(mill) as reaper:
        for part in range(1, _N_RESTARTS + 1):
            goal = N_JOBS * part // (_N_RESTARTS + 1)
            await wait_until(lambda n=goal: mill.n_recorded() >= n, _DEADLINE_SECONDS, f"{goal}")  # type: ignore[misc]
            await _restart(mill)
        await wait_until(lambda: mill.n_recorded() >= N_JOBS, _DEADLINE_SECONDS, "all records")
    took_seconds = monotonic() - began
    await mill.all_is_over(within_seconds=120)
    assert not any(process.is_alive for process in reaper.dying)
    assert list(scratch.iterdir()) == []
    story = _told(mill)
    assert story.pop("asked again") == 0
    figures = f"{N_JOBS} jobs in {took_seconds:.0f} s, {reaper.n_killed} workers killed"
    with capsys.disabled():
        sys.stdout.write(f"\nchaos: {figures}, {_N_RESTARTS} restarts of Redis; {story}\n")


async def _restart(mill: Mill) -> None:
    await mill.until_on_disk()
    mill.server.kill()
    mill.server.start()


def _told(mill: Mill) -> dict[str, int]:
    """What the model's own log says, held against the replies in the records."""
    kept = {
        (record.job.prompt, attempt.number): attempt.reply.response_id
        for record in mill.records()
        for attempt in record.attempts
    }
    counts: Counter[str] = Counter()
    for number, request in enumerate(mill.standin.log(), 1):
        if request.method != "POST":
            continue
        counts["calls"] += 1
        counts["refused"] += request.status != 200
        place = int((kept[_asked_for(request)] or "").removeprefix("r-"))
        # What is in the record was kept, so nobody may have asked for it once more.
        counts["asked again"] += number > place
    counts["deliveries"] = sum(record.deliveries for record in mill.records())
    counts["attempts"] = len(kept)
    return dict(counts)


def _asked_for(request: Request) -> tuple[str, int]:
    """The prompt, and the number of the attempt."""
    assert isinstance(request.body, dict)
    turns = request.body["contents"]
    assert isinstance(turns, list)
    return _text_of(turns[0]).partition("\n")[0], (len(turns) + 1) // 2


def _text_of(turn: JsonValue) -> str:
    assert isinstance(turn, dict)
    parts = turn["parts"]
    assert isinstance(parts, list)
    first = parts[0]
    assert isinstance(first, dict)
    return str(first["text"])
