"""What a worker answers when it is asked whether it takes jobs."""

import asyncio
import resource

from redis import Redis

from config.settings import RedisSettings, Settings, WorkerSettings
from jobs.models import PromptJob
from jobs.queue import JobQueue
from jobs.records.memory import MemoryRecordStore
from tests.consuming import a_worker
from tests.programs import GOOD
from tests.redis_server import free_port, stop_server
from tests.waiting import wait_until
from worker.consumer.trial import Trial
from worker.errors import ModelKeyError
from worker.model.scripted import ScriptedModel
from worker.sandbox import Sandbox, ZygoteSandbox


def listening(redis_url: str) -> Settings:
    """The settings of a worker that answers somewhere."""
    worker = WorkerSettings(listen=f"127.0.0.1:{free_port()}", free_mib=0)
    return Settings(redis=RedisSettings(url=redis_url), worker=worker)


async def asked(settings: Settings, path: str) -> tuple[int, str]:
    """Its answer: the status, and the words."""
    host, _, port = str(settings.worker.listen).rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    answer = (await asyncio.wait_for(reader.read(), 20)).decode()
    writer.close()
    head, _, body = answer.partition("\r\n\r\n")
    return int(head.split()[1]), body.strip()


async def until_it_answers(settings: Settings, status: int) -> str:
    """Wait for this status of `/readyz`; gives the words."""
    words = ""

    async def answers() -> bool:
        nonlocal words
        try:
            found, words = await asked(settings, "/readyz")
        except OSError:
            return False
        return found == status

    await wait_until(answers, 20, f"a {status}")
    return words


async def test_a_worker_that_takes_jobs_is_ready_and_says_why_when_it_is_not(
    own_redis: Redis, own_redis_url: str, sandbox: Sandbox
) -> None:
    """Whoever sends work to a worker that takes none looks for the reason everywhere else first."""
    settings = listening(own_redis_url)
    async with a_worker(own_redis_url, MemoryRecordStore(), ScriptedModel(GOOD), sandbox, settings):
        assert await until_it_answers(settings, 200) == "ok"
        stop_server(own_redis)
        assert "Redis does not answer" in await until_it_answers(settings, 503)
        # It lives, and what it has counted is there to be read.
        assert await asked(settings, "/healthz") == (200, "ok")
        status, text = await asked(settings, "/metrics")
        assert status == 200
        assert "promptmill_jobs_in_flight 0.0" in text


async def test_a_worker_whose_model_refuses_it_is_not_ready(
    queue: JobQueue, redis_url: str, sandbox: Sandbox
) -> None:
    """The key was renewed, and nobody told the worker."""
    settings = listening(redis_url)
    model = ScriptedModel(ModelKeyError("the key is not valid"))
    await queue.submit(PromptJob(prompt="Print 1.", run_id="r", task_id="t"))
    async with a_worker(redis_url, queue.records, model, sandbox, settings, outlasts_refusals=True):
        assert "the key is not valid" in await until_it_answers(settings, 503)


async def test_a_sandbox_in_which_no_program_runs_is_told_with_the_reason(
    sandbox: ZygoteSandbox,
) -> None:
    """Each job would be delivered, fail because of us, and be delivered again."""
    assert await Trial(sandbox).fault() is None
    trial, limits = Trial(sandbox), resource.getrlimit(resource.RLIMIT_NOFILE)
    # A machine that has run out of something, which is what breaks sandboxes that have worked before. No slot is warm.
    await sandbox.aclose()
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        fault = await trial.fault()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert fault is not None
    assert "no program can be run" in fault
    # Whoever asks again and again starts no program each time.
    assert await trial.fault() == fault
