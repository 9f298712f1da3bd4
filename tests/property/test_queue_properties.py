"""Whatever people and workers do to a run at the same time, each of its jobs ends exactly once."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from jobs.errors import UsageError
from jobs.events import JobFinished
from jobs.lanes import lanes_served
from jobs.models import PromptJob
from jobs.payloads import job_in
from jobs.queue import JobQueue
from jobs.records.memory import MemoryRecordStore
from jobs.run_control import begin_run, cancel_run, pause_run, resume_run
from jobs.runs import find_run
from jobs.verdicts import Verdict
from tests.making import a_record
from tests.queueing import ids_queued
from worker.consumer.claims import Claim, Claims
from worker.consumer.endings import Cancelled, Ending, Endings, PutAside, PutBack, Recorded

N_JOBS = 6
RUN = "r"
STEPS = (
    "submit",
    "pause",
    "resume",
    "cancel",
    "begin",
    "cancel one",
    "take",
    "finish",
    "put back",
    "put aside",
)


class Bench:
    """A queue, a worker's hands, and what came of each job."""

    def __init__(self, queue: JobQueue) -> None:
        lanes = lanes_served(["default"], "replay")
        self.queue = queue
        self.claims = Claims(queue.redis, queue.keys, "w", lanes, 60)
        self.endings = Endings(queue.redis, queue.keys, queue.records, "w")
        self.held: list[Claim] = []
        self.ended: Counter[str] = Counter()

    async def do(self, step: str) -> None:
        steps: dict[str, Callable[[], Awaitable[object]]] = {
            "submit": lambda: self.queue.submit_all([a_job(number) for number in range(N_JOBS)]),
            "pause": lambda: pause_run(self.queue, RUN, ""),
            "resume": lambda: resume_run(self.queue, RUN),
            "cancel": lambda: cancel_run(self.queue, RUN, ""),
            "begin": lambda: begin_run(self.queue, RUN),
            "cancel one": self.queue.handle("j0", stream=RUN).cancel,
            "take": self.take,
            "finish": lambda: self.let_go(self.finished),
            "put back": lambda: self.let_go(self.put_back),
            "put aside": lambda: self.let_go(self.put_aside),
        }
        with suppress(UsageError):
            await steps[step]()

    async def take(self) -> None:
        self.held += (await self.claims.take(2)).claims

    async def let_go(self, how: Callable[[Claim], Awaitable[Ending]]) -> None:
        if self.held:
            claim = self.held.pop(0)
            ending = await how(claim)
            is_ended = await self.endings.end(claim, ending)
            if is_ended and isinstance(ending, Recorded) and not ending.already_counted:
                self.ended[claim.job_id] += 1

    async def finished(self, claim: Claim) -> Ending:
        job = job_of(claim)
        # Who submits sees what is recorded, and then queues: a job that ends in between is queued once more.
        is_first = await self.queue.records.put(a_record(job, Verdict.ACCEPTED))
        event = JobFinished(job_id=job.job_id, verdict=Verdict.ACCEPTED, solved_at=1)
        return Recorded(job, event, already_counted=not is_first)

    async def put_back(self, claim: Claim) -> Ending:
        return await self._cancelled(claim) or PutBack()

    async def put_aside(self, claim: Claim) -> Ending:
        return await self._cancelled(claim) or PutAside(job_of(claim))

    async def _cancelled(self, claim: Claim) -> Ending | None:
        is_wished = await self.queue.redis.exists(self.queue.keys.cancelled(claim.job_id))
        return Cancelled(job_of(claim)) if is_wished else None

    async def work_off(self) -> None:
        """What workers come to in the end: those who are asked to stop do, the rest is finished."""
        await self.do("resume")
        while True:
            await self.take()
            if not self.held:
                return
            while self.held:
                await self.do("finish")


def a_job(number: int) -> PromptJob:
    return PromptJob(prompt="Print 1.", job_id=f"j{number}", run_id=RUN, model="replay")


def job_of(claim: Claim) -> PromptJob:
    assert claim.payload is not None, f"{claim.job_id} was handed over without its job"
    return job_in(claim.payload)


async def _play(url: str, rounds: Sequence[Sequence[str]]) -> None:
    async with JobQueue(url, records=MemoryRecordStore()) as queue:
        await queue.redis.flushdb()
        bench = Bench(queue)
        for steps in rounds:
            await asyncio.gather(*map(bench.do, steps))
        await bench.work_off()
        await _check(bench)


async def _check(bench: Bench) -> None:
    queue = bench.queue
    run = await find_run(queue, RUN)
    if run is not None:
        assert run.held == 0
        assert run.open == 0
        assert run.submitted == run.cancelled + run.ended
    assert await ids_queued(queue) == []
    left = {name.decode() async for name in queue.redis.scan_iter()}
    assert left <= {queue.keys.run(RUN), queue.keys.runs, queue.keys.events(RUN)}
    assert all(n == 1 for n in bench.ended.values()), bench.ended


@settings(
    max_examples=60,
    # The database is emptied for each example.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example(rounds=[["take"], ["finish", "submit", "finish"]])
@given(rounds=st.lists(st.lists(st.sampled_from(STEPS), min_size=1, max_size=4), max_size=12))
def test_no_job_is_lost_or_ends_twice_whatever_is_done_at_once(
    redis_url: str, rounds: list[list[str]]
) -> None:
    """Pauses, cancellations, deliveries and submissions meet in every order, on many machines."""
    asyncio.run(_play(redis_url, [["submit"], *rounds]))
