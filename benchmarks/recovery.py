"""How soon the jobs of a killed worker run elsewhere, and how soon a submitted job is begun with.

    python -m benchmarks.recovery --repeats 5

Workers are processes of their own on an embedded server of their own, and answer by recordings. Nearly all of a
recovery is the lease, for which nobody else may have the jobs, less the time since it was last renewed.
"""

import argparse
import asyncio
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from jobs.clock import monotonic, new_id
from jobs.events import JobEvent, JobFinished, JobStarted, follow
from jobs.models import PromptJob
from jobs.queue import JobQueue
from worker.model.recorded import Recording

_PROMPTMILL = Path(sysconfig.get_path("scripts")) / "promptmill"
_LEASES_SECONDS = (15, 3)
_N_HELD = 20
_N_BESIDE = 40
_LATENCIES_A_REPEAT = 10
_LONG, _SHORT = "Take a long time.", "Take a short time."
_PROGRAMS = {
    _LONG: "import time; time.sleep(600)",
    _SHORT: "sum(range(1_000_000))",
}


@dataclass(frozen=True)
class Measured:
    """Seconds of one thing that happened several times."""

    name: str
    seconds: tuple[float, ...]

    def line(self) -> str:
        """Its line of the table."""
        return f"  {self.name:52}{statistics.median(self.seconds):>10.3f}{max(self.seconds):>10.3f}"


class Mill:
    """A folder with an embedded server and recordings, and the workers that are started there."""

    def __init__(self, folder: Path, queue: JobQueue, lease_seconds: float) -> None:
        """Work in `folder`; an unrenewed claim is good for `lease_seconds`."""
        self._folder, self._queue = folder, queue
        self._environment = {
            **os.environ,
            "PROMPTMILL_STORE__DIRECTORY": str(folder),
            "PROMPTMILL_MODEL__NAME": f"replay:{folder / 'recordings.jsonl'}",
            "PROMPTMILL_WORKER__LEASE_SECONDS": str(lease_seconds),
            "PROMPTMILL_WORKER__DRAIN_SECONDS": "0",
            "PROMPTMILL_SANDBOX__REQUIRE": "rlimits",
        }
        rows = [
            Recording(prompt=prompt, attempt=1, reply=f"```python\n{program}\n```")
            for prompt, program in _PROGRAMS.items()
        ]
        lines = "".join(f"{row.to_json()}\n" for row in rows)
        (folder / "recordings.jsonl").write_text(lines, "utf-8")

    @asynccontextmanager
    async def worker(self) -> AsyncIterator["subprocess.Popen[bytes]"]:
        """A worker that serves the queue, until the block ends at the latest."""
        before = {each.worker_id for each in await self._queue.live_workers()}
        worker = self._start()
        try:
            while {each.worker_id for each in await self._queue.live_workers()} <= before:
                if worker.poll() is not None:
                    raise SystemExit((self._folder / "log").read_text("utf-8"))
                await asyncio.sleep(0.05)
            yield worker
        finally:
            with suppress(ProcessLookupError):
                worker.send_signal(signal.SIGTERM)
            await asyncio.to_thread(worker.wait)

    def _start(self) -> "subprocess.Popen[bytes]":
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                [_PROMPTMILL, "worker"], env=self._environment, cwd=self._folder, stderr=log
            )

    async def submit(self, prompt: str, n: int, run_id: str) -> None:
        """Queue so many jobs with this prompt."""
        jobs = [PromptJob(prompt=prompt, run_id=run_id, max_attempts=1) for _ in range(n)]
        await self._queue.submit_all(jobs)

    async def started(self, run_id: str, n: int, delivery: int = 1) -> float:
        """The time when so many jobs of the run have been begun with for the `delivery`th time."""
        return await self._told(
            run_id, n, lambda event: isinstance(event, JobStarted) and event.delivery == delivery
        )

    async def finished(self, run_id: str, n: int) -> float:
        """The time when so many jobs of the run have ended."""
        return await self._told(run_id, n, lambda event: isinstance(event, JobFinished))

    async def _told(self, run_id: str, n: int, is_it: Callable[[JobEvent | None], bool]) -> float:
        seen = 0
        async for event in follow(self._queue.redis, self._queue.keys, run_id):
            seen += is_it(event)
            if seen == n:
                return monotonic()
        raise AssertionError("it is followed for ever")

    async def forget(self) -> None:
        """Let nothing that is queued be done any more."""
        await self._queue.redis.flushdb()


@asynccontextmanager
async def _mill(lease_seconds: float) -> AsyncIterator[Mill]:
    folder = tempfile.mkdtemp(prefix="promptmill-recovery-")
    try:
        async with JobQueue(f"embedded:{folder}") as queue:
            yield Mill(Path(folder), queue, lease_seconds)
    finally:
        await asyncio.to_thread(_remove, Path(folder))


def _remove(folder: Path) -> None:
    # The server ends a little later than its last user, and writes until then.
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.1)


async def recovery(lease_seconds: float, repeats: int) -> Measured:
    """From the SIGKILL of a worker until the last of its jobs runs on another, which waited for work."""
    found = []
    async with _mill(lease_seconds) as mill:
        for _ in range(repeats):
            run_id = new_id("run")
            async with mill.worker() as killed:
                await mill.submit(_LONG, _N_HELD, run_id)
                await mill.started(run_id, _N_HELD)
                async with mill.worker():
                    killed.kill()
                    began = monotonic()
                    found.append(await mill.started(run_id, _N_HELD, delivery=2) - began)
                    await mill.forget()
    return Measured(f"{_N_HELD} jobs of a killed worker, lease {lease_seconds} s", tuple(found))


async def pick_up(repeats: int, *, is_loaded: bool) -> Measured:
    """From the submission of a job until a worker has begun with it; a loaded one has others, and room for more."""
    found = []
    async with _mill(15) as mill, mill.worker():
        beside = asyncio.create_task(_keep_loaded(mill)) if is_loaded else None
        for _ in range(repeats * _LATENCIES_A_REPEAT):
            run_id = new_id("run")
            began = monotonic()
            await mill.submit(_SHORT, 1, run_id)
            found.append(await mill.started(run_id, 1) - began)
        if beside is not None:
            beside.cancel()
            await asyncio.wait([beside])
        await mill.forget()
    kind = f"a loaded worker ({_N_BESIDE} jobs beside)" if is_loaded else "an idle worker"
    return Measured(f"a submitted job, {kind}", tuple(found))


async def _keep_loaded(mill: Mill) -> None:
    while True:
        run_id = new_id("run")
        await mill.submit(_SHORT, _N_BESIDE, run_id)
        await mill.finished(run_id, _N_BESIDE)


async def measure(repeats: int) -> list[Measured]:
    """All of it."""
    print(
        f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}\n\n{'':54}{'median s':>10}{'worst s':>10}"
    )
    found = []
    for lease_seconds in _LEASES_SECONDS:
        found.append(await recovery(lease_seconds, repeats))
        print(found[-1].line(), flush=True)
    for is_loaded in (False, True):
        found.append(await pick_up(repeats, is_loaded=is_loaded))
        print(found[-1].line(), flush=True)
    return found


def main() -> None:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.recovery",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--repeats", type=int, default=5, help="workers that are killed (5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write each single time as well")
    arguments = parser.parse_args()
    found = asyncio.run(measure(arguments.repeats))
    if arguments.json:
        words = {each.name: each.seconds for each in found}
        arguments.json.write_text(json.dumps(words, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
