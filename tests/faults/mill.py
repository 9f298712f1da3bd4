"""Workers as processes of their own on a Redis of their own, and what must hold when all of it is over."""

import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import cast

from jobs.checkers import Case, MatchesOutput
from jobs.keys import Keys
from jobs.models import PromptJob, Record
from jobs.queue import JobQueue
from jobs.records.files import FileRecordStore
from jobs.runs import find_run
from jobs.verdicts import Verdict
from tests.e2e.processes import Process
from tests.e2e.programs import reply
from tests.e2e.project import Project, Running
from tests.orphans import LASTS
from tests.redis_server import PrivateServer
from tests.standin import steps
from tests.standin.running import Standin
from tests.standin.script import Rule, Step
from tests.waiting import wait_until

LEASE_SECONDS = 2
RUN = "r"
RIGHT = reply("print(1)")
_KEYS = Keys()
_KEPT_FOR_A_WHILE = (
    _KEYS.run(""),
    _KEYS.events(""),
    _KEYS.worker(""),
    _KEYS.dead_letter(""),
    _KEYS.runs,
    _KEYS.asked("", "", "").removesuffix("::"),
    _KEYS.limit("", "").removesuffix(":"),
    _KEYS.under_way("", "").removesuffix(":"),
    _KEYS.settled(""),
    _KEYS.places,
)


def some_jobs(n: int, *, prefix: str = "j", run_id: str | None = RUN) -> list[PromptJob]:
    """Jobs of one run, each with a prompt of its own: the stand-in tells them apart by it."""
    checker = MatchesOutput(cases=(Case(expect="1"),))
    return [
        PromptJob(
            prompt=f"Print 1, please; this is {prefix}{number}.",
            job_id=f"{prefix}{number}",
            run_id=run_id,
            checker=checker,
        )
        for number in range(n)
    ]


class Mill:
    """A project, its Redis and its stand-in, the workers that a test starts and maltreats, and the jobs it submits."""

    def __init__(self, project: Project, server: PrivateServer, standin: Standin) -> None:
        self.project, self.server, self.standin = project, server, standin
        self.jobs: dict[str, PromptJob] = {}
        self.working: list[Running] = []
        self._started: set[Process] = set()
        self._n_killed = 0

    def use(self, server: PrivateServer) -> None:
        """Look at this server from here on."""
        self.server = server
        self.project.redis_url = server.url

    async def worker(self, **environment: str) -> Running:
        """A worker that is ready; unless the test ends it itself, it has to live until all is over."""
        worker = await self.project.start_worker(**environment)
        self.working.append(worker)
        return worker

    async def kill(self, worker: Running) -> None:
        """SIGKILL a worker; all that it has started must end with it."""
        below = worker.tree()
        self._n_killed += 1
        self.forget(worker)
        worker.send(signal.SIGKILL)
        worker.ended()
        await wait_until(
            lambda: not any(each.is_alive for each in below), 10, "the end of its tree"
        )

    def forget(self, worker: Running) -> None:
        """From here on, this worker's end is the test's own matter."""
        self._started |= worker.tree()
        self.working.remove(worker)

    @asynccontextmanager
    async def queue(self, url: str | None = None) -> AsyncIterator[JobQueue]:
        """What a producer uses."""
        records = FileRecordStore(self.project.folder / ".promptmill" / "records")
        async with JobQueue(url or self.server.url, records=records) as queue:
            yield queue

    async def submit(self, *jobs: PromptJob) -> None:
        """Queue these, and remember that each must have its record in the end."""
        self.jobs |= {job.job_id: job for job in jobs}
        async with self.queue() as queue:
            await queue.submit_all(jobs)

    def says(self, *answers: Step | str) -> None:
        """What the model answers to each job, one after the other; the last one for ever."""
        taken = tuple(steps.text(said) if isinstance(said, str) else said for said in answers)
        self.standin.script(Rule(steps=taken, repeats=True))

    @property
    def n_asked(self) -> int:
        """Requests for a generation so far."""
        return len(self.standin.requests)

    def asked_for(self, job: PromptJob) -> int:
        """How often the model was asked for this job."""
        return sum(job.prompt in str(request.body) for request in self.standin.requests)

    def records(self) -> list[Record]:
        """All there are by now."""
        return self.project.records()

    def n_recorded(self) -> int:
        """Files with a record."""
        return sum(1 for _ in (self.project.folder / ".promptmill/records").glob("??/[!.]*.json"))

    def leased(self) -> set[str]:
        """The jobs that workers hold."""
        with self.project.client() as client:
            found = cast(
                "list[bytes]", client.zrange("promptmill:leased:default:any:normal", 0, -1)
            )
        return {job_id.decode() for job_id in found}

    def dead(self) -> set[str]:
        """The jobs that are kept as dead letters."""
        with self.project.client() as client:
            found = cast("list[bytes]", client.zrange(_KEYS.dead, 0, -1))
        return {job_id.decode() for job_id in found}

    async def until_on_disk(self) -> None:
        """Wait until a crash of Redis would lose nothing: up to a second of writes it may."""

        def is_synced() -> bool:
            n_servers, _ = cast("tuple[int, int]", client.waitaof(1, 0, 100))
            return n_servers == 1

        with self.project.client() as client:
            await wait_until(is_synced, 30, "all writes on the disk")

    async def all_is_over(self, *, dead: Iterable[str] = (), within_seconds: float = 40) -> None:
        """Wait for the last record, and hold everything against what must be true then, whatever happened before."""
        await wait_until(
            lambda: self.n_recorded() >= len(self.jobs) and self.project.queued() == 0,
            within_seconds,
            f"{len(self.jobs)} records and an empty queue",
        )
        self._check_records(set(dead))
        await self._check_counters()
        await self._check_workers()
        self._check_keys(set(dead))

    def _check_records(self, dead: set[str]) -> None:
        records = self.records()
        assert [record.job_id for record in records] == sorted(self.jobs)
        failed = {each.job_id for each in records if each.verdict is Verdict.INTERNAL_ERROR}
        assert failed == dead
        # Nobody reads them: what a worker was writing in the moment of its death.
        partial = list((self.project.folder / ".promptmill/records").glob("**/*.partial"))
        assert len(partial) <= self._n_killed

    async def _check_counters(self) -> None:
        expected: dict[str, Counter[Verdict]] = {}
        for record in self.records():
            if record.job.run_id is not None:
                expected.setdefault(record.job.run_id, Counter())[record.verdict] += 1
        async with self.queue() as queue:
            for run_id, verdicts in expected.items():
                run = await find_run(queue, run_id)
                assert run is not None
                assert (run.verdicts, run.submitted) == (verdicts, verdicts.total())
                assert (run.open, run.cancelled, run.held) == (0, 0, 0)

    async def _check_workers(self) -> None:
        for worker in self.working:
            self._started |= worker.tree()
            worker.send(signal.SIGTERM)
        for worker in self.working:
            ended = worker.ended()
            assert ended.code == 0, ended.err
        self.working.clear()
        await wait_until(
            lambda: not any(process.is_alive for process in self._started),
            10,
            "the end of all that workers had started",
        )

    def _check_keys(self, dead: set[str]) -> None:
        with self.project.client() as client:
            left = {key.decode(): client.ttl(key) for key in client.scan_iter()}
        assert self.dead() == dead
        if dead:
            # Each of its members goes with its letter.
            del left[_KEYS.dead]
        assert {name for name in left if not name.startswith(_KEPT_FOR_A_WHILE)} == set()
        assert {name for name, seconds in left.items() if seconds == LASTS} == set()
