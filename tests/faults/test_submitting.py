"""Producers that submit twice, at once, and not to their end."""

import asyncio
import signal

import pytest

from tests.waiting import wait_until

from .mill import Mill, some_jobs

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(240)]

PRODUCER = """
import asyncio, sys
from jobs.models import PromptJob
from jobs.queue import JobQueue

url, records, n_jobs = sys.argv[1:]

async def main():
    jobs = (PromptJob(prompt="Print 1.", job_id=f"j{n}", run_id="r") for n in range(int(n_jobs)))
    async with JobQueue(url, records=records) as queue:
        await queue.submit_all(jobs)

asyncio.run(main())
"""


async def test_a_job_that_twenty_clients_submit_at_once_is_one_job(mill: Mill) -> None:
    """Retries of impatient producers must not be paid for twenty times."""
    (job,) = some_jobs(1)
    await mill.worker()

    async def one_client() -> None:
        async with mill.queue() as queue:
            await queue.submit(job)

    await asyncio.gather(*(one_client() for _ in range(20)))
    mill.jobs[job.job_id] = job
    await wait_until(lambda: mill.n_recorded() == 1 and mill.project.queued() == 0, 30, "its end")
    async with mill.queue() as queue:
        assert (await queue.submit_all([job] * 20)).n_queued == 0
        assert (await (await queue.submit(job)).record()).job_id == job.job_id
    await mill.all_is_over()
    assert mill.n_asked == 1


async def test_a_file_that_is_submitted_twice_is_run_once_and_equal_prompts_are_two_jobs(
    mill: Mill,
) -> None:
    """The id of a job holds its row, not its words: the same prompt twice was meant twice."""
    mill.project.write_rows("twice.jsonl", [{"id": str(n), "prompt": "Print 1."} for n in range(2)])
    await mill.worker()
    words = ("submit", "--jsonl", "twice.jsonl", "--run", "r")
    first, second = mill.project.run(*words), mill.project.run(*words)
    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert first.out == second.out
    await wait_until(lambda: mill.n_recorded() == 2 and mill.project.queued() == 0, 30, "the end")
    assert mill.project.run(*words).code == 0
    mill.jobs = {record.job_id: record.job for record in mill.records()}
    await mill.all_is_over()
    assert mill.n_asked == 2


async def test_a_producer_that_is_killed_midway_and_one_that_comes_beside_it_queue_each_job_once(
    mill: Mill,
) -> None:
    """Each chunk is in the queue whole or not at all, whoever else is at it."""
    n_jobs = 20_000
    records = str(mill.project.folder / ".promptmill" / "records")
    words = ("python", "-c", PRODUCER, mill.server.url, records, str(n_jobs))
    killed = mill.project.start_program(*words)
    other = mill.project.start_program(*words)
    await wait_until(lambda: mill.project.queued() > 0, 30, "the first chunk")
    killed.send(signal.SIGKILL)
    killed.ended()
    ended = other.ended()
    assert ended.code == 0, ended.err
    with mill.project.client() as client:
        assert client.zcard("promptmill:queue:default:any:normal") == n_jobs
        assert int(client.hget("promptmill:run:r", "submitted") or 0) == n_jobs
        places = client.zrange("promptmill:queue:default:any:normal", 0, -1)
        assert {each.decode() for each in places} == {f"j{number}" for number in range(n_jobs)}
        assert all(client.ttl(f"arq:job:{each.decode()}") == -1 for each in places[:100])


async def test_a_socket_whose_path_is_too_long_is_told_as_what_it_is(mill: Mill) -> None:
    """The kernel's own words are `AF_UNIX path too long`, and a worker must not wait for that to pass."""
    long = f"unix:///tmp/{'x' * 120}.sock"
    ended = mill.project.run("worker", PROMPTMILL_REDIS__URL=long)
    assert ended.code in {2, 3}
    assert "path too long" in ended.err
    assert "Traceback" not in ended.err
