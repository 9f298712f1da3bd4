"""Several machines, which have a Redis and a record store in common and nothing else."""

import faulthandler
from collections.abc import Iterator
from pathlib import Path
from signal import SIGTERM
from typing import Any

import pytest

from tests.e2e.project import Ended, Project, Running
from tests.hosts import PROJECT, SHARED, Host, require_hosts, some_hosts
from tests.redis_server import private_server
from tests.s3_server import environment_for, private_s3

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(180)]

_REDIS_PORT = 6379
_N_TASKS = 12


class Machine:
    """Somebody's project on one host: what is typed there."""

    def __init__(self, host: Host, folder: Path, environment: dict[str, str]) -> None:
        """What the commands say is kept in `folder`, which the host does not see."""
        folder.mkdir()
        self.host = host
        self.project = Project(folder)
        self.project.environment |= {"HOME": PROJECT, "LANG": "C.UTF-8"} | environment

    def run(self, *words: str) -> Ended:
        """Run `promptmill` with these words to its end."""
        program, *before = self.host.inside
        return self.project.run_program(program, *before, "promptmill", *words)

    def json(self, *words: str) -> Any:
        """What a command says as JSON."""
        ended = self.run(*words, "--json")
        assert ended.code == 0, ended.err
        return ended.json()

    async def worker(self, **environment: str) -> Running:
        """Start a worker and return once it takes jobs."""
        program, *before = self.host.inside
        words = (*before, "promptmill", "worker")
        worker = self.project.start_program(program, *words, **environment)
        await worker.until_it_says("worker ready")
        return worker


@pytest.fixture(params=["s3", "a shared folder"])
def machines(
    request: pytest.FixtureRequest, tmp_path: Path, redis_binary: Path
) -> Iterator[tuple[Machine, ...]]:
    """Three of them, beside the one that has the services."""
    require_hosts()
    # What takes so long elsewhere hangs. Here are four machines on one.
    faulthandler.cancel_dump_traceback_later()
    shared = tmp_path / "shared"
    shared.mkdir()
    names = ("services", "one", "two", "three")
    with (
        some_hosts(*names, shared=shared) as (services, *others),
        private_server(redis_binary, port=_REDIS_PORT, is_durable=True, host=services),
        private_s3(services, bucket="mill") as s3_url,
    ):
        environment = {
            "PROMPTMILL_REDIS__URL": f"redis://{services.address}:{_REDIS_PORT}/0",
            "PROMPTMILL_STORE__URL": f"file+objects://{SHARED}/records",
            "PROMPTMILL_SANDBOX__REQUIRE": "rlimits",
        }
        if request.param == "s3":
            environment |= {"PROMPTMILL_STORE__URL": "s3://mill/records"} | environment_for(s3_url)
        made = tuple(Machine(host, tmp_path / host.name, environment) for host in others)
        try:
            yield made
        finally:
            for machine in made:
                machine.project.close()


async def test_two_machines_work_on_a_run_that_a_third_submits_and_sees(
    machines: tuple[Machine, ...], repository: Path
) -> None:
    """A fleet is why there is a Redis at all, and a file that only one machine sees is the usual way it fails."""
    one, two, three = machines
    at_work = [await each.worker(PROMPTMILL_WORKER__JOBS_IN_FLIGHT="2") for each in (one, two)]
    rows = str(repository / "jobs/datasets/demo.jsonl")
    submitted = three.run("submit", "--jsonl", rows, "--run", "r", "--wait")
    # Some of the recorded programs are wrong on purpose.
    assert submitted.code == 1, submitted.err
    shown = three.json("run", "show", "r")
    assert (shown["submitted"], shown["open"]) == (_N_TASKS, 0), shown
    listed = three.json("job", "list", "--run", "r")
    assert len({row["jobId"] for row in listed}) == len(listed) == _N_TASKS
    workers = three.json("queue", "status")["workers"]
    assert {worker["workerId"].partition("-")[0] for worker in workers} == {"one", "two"}
    assert three.json("store", "verify")["faults"] == []
    for worker in at_work:
        worker.send(SIGTERM)
        ended = worker.ended()
        assert ended.code == 0, ended.err
        assert "attempt judged" in ended.err
