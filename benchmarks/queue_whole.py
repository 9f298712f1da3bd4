"""Ours as a whole: how soon an idle worker takes a job, what it costs while it waits, how many jobs eight workers hold,
and what everything around a run in the sandbox comes to.
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pydantic import JsonValue

from config.logs import configure_logging
from config.settings import RedisSettings, Settings, StoreSettings
from jobs.events import JobFinished
from jobs.identifiers import DEFAULT_QUEUE
from jobs.keys import Keys
from jobs.lanes import lanes_served
from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import ExecutableCode, PromptJob
from jobs.presence import WorkerPresence
from jobs.queue import JobQueue
from jobs.records.files import FileRecordStore
from jobs.records.memory import MemoryRecordStore
from jobs.verdicts import Verdict
from worker.consumer.claims import Claim, Claims
from worker.consumer.delivery import Consumer, DeliveryPolicy
from worker.consumer.endings import Ending, Endings, Recorded
from worker.consumer.feeder import Feeder
from worker.consumer.heartbeat import Heart
from worker.consumer.records import Provenance
from worker.consumer.ticker import Ticker
from worker.consumer.worker import Handler, JobWorker, WorkerOptions
from worker.main import Engine, make_worker
from worker.model.scripted import ScriptedModel
from worker.sandbox import Sandbox
from worker.sandbox.opening import open_sandbox
from worker.solver.loop import FeedbackLoop
from worker.solver.turns import Turns

from .figures import Budget, Ratio, Series, ratio
from .servers import empty

_IDLE_SECONDS = 5.0
_N_PICK_UPS = 60
_N_WORKERS, _N_SLOTS = 8, 50
_N_JOBS = 150
_LEASE_SECONDS = 15
_PROGRAM = "print(1)"


@dataclass
class Whole:
    """What was measured of it."""

    series: list[Series] = field(default_factory=list)
    budgets: list[Budget] = field(default_factory=list)


async def measure_whole(url: str, rounds: int, noop_of_arq: Series) -> Whole:
    """All of it, on this server, beside what a job that does nothing takes arq with as many at one time."""
    # As a worker has it whose log goes to a file.
    with Path(os.devnull).open("w") as log:  # noqa: ASYNC230  (it is nothing)
        configure_logging("json", "info", stream=log)
        return await _measure(url, rounds, noop_of_arq)


async def _measure(url: str, rounds: int, noop_of_arq: Series) -> Whole:
    whole = Whole()
    empty(url)
    idle_percent = [await _idle_percent(url) for _ in range(max(1, rounds // 2))]
    whole.budgets.append(
        Budget("CPU of an idle worker, per cent", _spread(idle_percent), 1, is_upper=True)
    )
    waits = await _pick_ups(url)
    whole.series.append(Series("from submit to an idle worker's job", tuple(waits)))
    in_ms = [seconds * 1000 for seconds in waits]
    whole.budgets.append(Budget("job pick-up, ms", _spread(in_ms), 20, is_upper=True))
    n_running = [float(await _most_at_once(url)) for _ in range(max(1, rounds // 2))]
    what = f"jobs that run in {_N_WORKERS} workers of {_N_SLOTS} slots"
    whole.budgets.append(Budget(what, _spread(n_running), _N_WORKERS * _N_SLOTS, is_upper=False))
    await _overhead(url, rounds, noop_of_arq, whole)
    return whole


def _spread(values: list[float]) -> Ratio:
    low, _, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
    return Ratio(statistics.median(values), low, high)


def _worker(queue: JobQueue, handler: Handler, max_jobs: int, name: str = "w") -> JobWorker:
    lanes = lanes_served([DEFAULT_QUEUE], "gemini")
    return JobWorker(
        Claims(queue.redis, queue.keys, name, lanes, _LEASE_SECONDS),
        Endings(queue.redis, queue.keys, queue.records, name),
        handler,
        WorkerOptions(max_jobs=max_jobs, drain_seconds=0),
    )


@asynccontextmanager
async def _at_work(*workers: JobWorker) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(worker.run_to_end()) for worker in workers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def _ended(payload: dict[str, JsonValue]) -> Recorded:
    job = PromptJob.model_validate(payload)
    return Recorded(job, JobFinished(job_id=job.job_id, verdict=Verdict.ACCEPTED, solved_at=1))


async def _idle_percent(url: str) -> float:
    async def nothing(claim: Claim, payload: dict[str, JsonValue], queued_at: datetime) -> Ending:
        return _ended(payload)

    async with (
        JobQueue(url, records=MemoryRecordStore()) as queue,
        _at_work(_worker(queue, nothing, _N_SLOTS)),
    ):
        # What its start costs is not what its waiting costs.
        await asyncio.sleep(1)
        began, cpu_began = time.perf_counter(), time.process_time()
        await asyncio.sleep(_IDLE_SECONDS)
        used = time.process_time() - cpu_began
        return 100 * used / (time.perf_counter() - began)


async def _pick_ups(url: str) -> list[float]:
    taken: asyncio.Queue[float] = asyncio.Queue()

    async def note(claim: Claim, payload: dict[str, JsonValue], queued_at: datetime) -> Ending:
        taken.put_nowait(time.perf_counter())
        return _ended(payload)

    waits: list[float] = []
    async with (
        JobQueue(url, records=MemoryRecordStore()) as queue,
        _at_work(_worker(queue, note, _N_SLOTS)),
    ):
        await asyncio.sleep(1)
        for number in range(_N_PICK_UPS):
            began = time.perf_counter()
            await queue.submit(PromptJob(prompt="x", job_id=f"p{number}"))
            waits.append(await taken.get() - began)
            # Till the worker sleeps again.
            await asyncio.sleep(0.02)
    return waits


async def _most_at_once(url: str) -> int:
    empty(url)
    running, most, may_end = 0, 0, asyncio.Event()

    async def wait(claim: Claim, payload: dict[str, JsonValue], queued_at: datetime) -> Ending:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if most == _N_WORKERS * _N_SLOTS:
            may_end.set()
        await may_end.wait()
        running -= 1
        return _ended(payload)

    async with JobQueue(url, records=MemoryRecordStore()) as queue:
        await queue.submit_all(
            PromptJob(prompt="x", job_id=f"m{n}") for n in range(2 * _N_WORKERS * _N_SLOTS)
        )
        workers = [_worker(queue, wait, _N_SLOTS, f"w{n}") for n in range(_N_WORKERS)]
        async with _at_work(*workers):
            try:
                async with asyncio.timeout(10):
                    await may_end.wait()
            except TimeoutError:
                may_end.set()
    empty(url)
    return most


async def _overhead(url: str, rounds: int, noop_of_arq: Series, whole: Whole) -> None:
    """A job with an instant model and a trivial program, beside a job of arq's that does nothing and the run alone."""
    kept: dict[str, list[float]] = {"whole": [], "noop": [], "run": []}
    async with await open_sandbox("contained") as sandbox:
        await _run_alone(sandbox)
        for number in range(rounds):
            kept["run"].append(await _timed(lambda: _run_alone(sandbox)))
            kept["noop"].append(await _jobs(url, f"n{number}", None))
            kept["whole"].append(await _jobs(url, f"w{number}", sandbox))
    jobs, noops, runs = (Series(name, tuple(seconds)) for name, seconds in kept.items())
    both = Series(
        "a no-op job of arq's and a run alone",
        tuple(sum(pair) for pair in zip(noop_of_arq.seconds, runs.seconds, strict=True)),
    )
    whole.series += [
        Series("instant model and print(1)", jobs.seconds),
        Series("no-op of ours", noops.seconds),
        Series("print(1) in the sandbox alone", runs.seconds),
    ]
    what = "instant model and print(1), x (arq's no-op + run)"
    whole.budgets.append(Budget(what, ratio(jobs, both), 1.5, is_upper=True))


async def _timed(step: Callable[[], Awaitable[None]]) -> float:
    began = time.perf_counter()
    await step()
    return (time.perf_counter() - began) / _N_JOBS


async def _run_alone(sandbox: Sandbox) -> None:
    slots = asyncio.Semaphore(os.cpu_count() or 1)
    code = ExecutableCode(language=Language.PYTHON, code=_PROGRAM)

    async def run() -> None:
        async with slots:
            execution = await sandbox.run(code, Limits())
            if execution.exit_code != 0:
                raise AssertionError(execution.stderr)

    await asyncio.gather(*(run() for _ in range(_N_JOBS)))


async def _jobs(url: str, prefix: str, sandbox: Sandbox | None) -> float:
    """Seconds of one job of many: given a sandbox, of one that is solved, else of one that is not."""
    empty(url)
    with tempfile.TemporaryDirectory() as folder:
        store = FileRecordStore(Path(folder))
        settings = Settings(redis=RedisSettings(url=url), store=StoreSettings())
        async with JobQueue(url, records=store) as queue:
            await queue.submit_all(
                PromptJob(prompt="x", job_id=f"{prefix}-{n}", run_id=prefix, sample=n)
                for n in range(_N_JOBS)
            )
            worker = _solving(queue, store, sandbox, settings) if sandbox else _doing_nothing(queue)
            return await _timed(worker.run_to_end)


def _doing_nothing(queue: JobQueue) -> JobWorker:
    async def nothing(claim: Claim, payload: dict[str, JsonValue], queued_at: datetime) -> Ending:
        return _ended(payload)

    worker = _worker(queue, nothing, _N_SLOTS)
    worker.burst = True
    return worker


def _solving(
    queue: JobQueue, store: FileRecordStore, sandbox: Sandbox, settings: Settings
) -> JobWorker:
    model = ScriptedModel(f"```python\n{_PROGRAM}\n```")
    loop = FeedbackLoop(
        model,
        sandbox,
        calls=asyncio.Semaphore(settings.worker.calls_in_flight),
        turns=Turns(os.cpu_count() or 1),
    )
    consumer = Consumer(
        queue.redis,
        Keys(),
        store,
        loop,
        Provenance("w", model.name, model.simulated, sandbox.isolation),
        DeliveryPolicy(settings.limits, settings.ceiling, settings.worker.max_deliveries),
    )
    presence = WorkerPresence(
        worker_id="w", model=model.name, simulated=True, languages=tuple(Language)
    )
    engine = Engine(
        queue.redis,
        queue.keys,
        store,
        model,
        consumer,
        consumer.take,
        Feeder(queue.redis, queue.keys, store, settings.queue.high_water),
        Ticker(queue),
        sandbox,
        presence,
        Heart(presence),
    )
    return make_worker(engine, settings, burst=True)
