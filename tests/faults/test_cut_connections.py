"""A connection that breaks in the middle of each kind of call that a worker makes: the job is done, and done once."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from config.settings import RedisSettings, Settings, WorkerSettings
from jobs.checkers import Case, MatchesOutput
from jobs.models import PromptJob
from jobs.queue import JobQueue
from jobs.records.files import FileRecordStore
from jobs.runs import get_run
from jobs.verdicts import Verdict
from tests.consuming import a_worker
from tests.cutting import Cutter, cutting
from tests.programs import CRASH, GOOD
from tests.waiting import wait_until
from worker.model.scripted import ScriptedModel
from worker.sandbox import open_sandbox

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@dataclass(frozen=True)
class _Call:
    """One kind of call."""

    word: bytes
    """What only such a call holds."""
    n_before: int = 0
    """Of a script: it is asked for once before the server knows it."""


CALLS = {
    "claim": _Call(b'[[{"name"', 1),
    "load the checkpoint": _Call(b"\nHGETALL\r"),
    "look for wishes": _Call(b"\nstate\r"),
    "make sure of the job": _Call(b"\nGET\r\n$17\r\narq:in-progress:j\r"),
    "save a reply": _Call(b"\nreply:2\r"),
    "save an attempt": _Call(b"\nattempt:1\r"),
    "tell an event": _Call(b"tell(KEYS[1]"),
    "renew": _Call(b"\ndefault:any:normal\r", 1),
    "end": _Call(b'"isOver"', 1),
    "listen": _Call(b"\nSUBSCRIBE\r"),
    "show a sign of life": _Call(b"\npromptmill:worker:", 1),
}
JOB = PromptJob(
    prompt="Print 1.",
    job_id="j",
    run_id="r",
    max_attempts=2,
    checker=MatchesOutput(cases=(Case(expect="1"),)),
)


@dataclass(frozen=True)
class _Place:
    """Where the connection breaks."""

    is_heard: bool
    n_passed: int


PLACES = {
    "before it": _Place(is_heard=False, n_passed=0),
    "in the middle of it": _Place(is_heard=False, n_passed=40),
    "before its answer": _Place(is_heard=True, n_passed=0),
    "in the middle of its answer": _Place(is_heard=True, n_passed=2),
}
SLOW_CRASH = CRASH.replace("```python\n", "```python\nimport time; time.sleep(1)\n", 1)


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_a_job_is_done_once_wherever_the_connection_breaks(
    redis_url: str, tmp_path: Path, short_folder: Path, call: _Call, place: _Place
) -> None:
    """Each call is repeated through the outage, and each may have been heard the first time."""
    store, model = FileRecordStore(tmp_path), ScriptedModel(SLOW_CRASH, GOOD)
    # More often than the client tries by itself.
    cutter = Cutter(
        call.word,
        5,
        is_heard=place.is_heard,
        n_passed=place.n_passed,
        n_spared=call.n_before,
    )
    with redis.Redis.from_url(redis_url) as client:
        client.script_flush()
    async with (
        await open_sandbox("rlimits") as sandbox,
        JobQueue(redis_url, records=store) as queue,
        cutting(redis_url, cutter, short_folder) as broken_url,
    ):
        await queue.submit(JOB)
        async with a_worker(broken_url, store, model, sandbox, _settings(broken_url)) as serving:
            await wait_until(lambda: _is_over(redis_url), 60, "the end of the job")
            await wait_until(lambda: cutter.n_cut > 0, 30, "a cut")
            assert not serving.done()
        record, run = await store.get("j"), await get_run(queue, "r")
    assert (record.verdict, record.solved_at) == (Verdict.ACCEPTED, 2)
    assert len(model.requests) == 2
    assert (run.submitted, run.verdicts) == (1, {Verdict.ACCEPTED: 1})
    with redis.Redis.from_url(redis_url) as client:
        left = {key.decode() for key in client.scan_iter()}
    # The sign of life fades by itself, should it be just the word of its end that was cut.
    expiring = {"run:r", "runs", "events:r", "worker:test-worker"}
    assert left <= {f"promptmill:{name}" for name in expiring}


@pytest.mark.parametrize("name", ["claim", "renew", "end"])
async def test_a_worker_outlives_a_connection_that_falls_silent(
    redis_url: str, tmp_path: Path, short_folder: Path, name: str
) -> None:
    """A firewall that forgets a connection tells nobody: without a time-out of ours, the worker would wait for ever."""
    store, model = FileRecordStore(tmp_path), ScriptedModel(SLOW_CRASH, GOOD)
    call = CALLS[name]
    cutter = Cutter(call.word, 1, is_heard=True, n_spared=call.n_before, is_silenced=True)
    with redis.Redis.from_url(redis_url) as client:
        client.script_flush()
    async with (
        await open_sandbox("rlimits") as sandbox,
        JobQueue(redis_url, records=store) as queue,
        cutting(redis_url, cutter, short_folder) as broken_url,
    ):
        await queue.submit(JOB)
        async with a_worker(broken_url, store, model, sandbox, _settings(broken_url)) as serving:
            await wait_until(lambda: _is_over(redis_url), 60, "the end of the job")
            await wait_until(lambda: cutter.n_cut > 0, 30, "the silence")
            assert not serving.done()
        run = await get_run(queue, "r")
    assert len(model.requests) == 2
    assert (run.submitted, run.verdicts) == (1, {Verdict.ACCEPTED: 1})


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
async def test_jobs_are_queued_once_wherever_the_connection_of_their_producer_breaks(
    redis_url: str, tmp_path: Path, short_folder: Path, place: _Place
) -> None:
    """It says the same again until it has an answer, and the server may have heard it each time."""
    store = FileRecordStore(tmp_path)
    jobs = [JOB.model_copy(update={"job_id": f"j{number}"}) for number in range(3)]
    cutter = Cutter(b"run_prompt_job", 5, is_heard=place.is_heard, n_passed=place.n_passed)
    async with (
        cutting(redis_url, cutter, short_folder) as broken_url,
        JobQueue(broken_url, records=store) as producer,
    ):
        await producer.submit_all(jobs)
    async with JobQueue(redis_url, records=store) as queue:
        run = await get_run(queue, "r")
    with redis.Redis.from_url(redis_url) as client:
        assert client.zrange("promptmill:queue:default:any:normal", 0, -1) == [b"j0", b"j1", b"j2"]
    assert (run.submitted, cutter.n_cut) == (3, 5)


def _settings(url: str) -> Settings:
    return Settings(redis=RedisSettings(url=url), worker=WorkerSettings(lease_seconds=1))


def _is_over(url: str) -> bool:
    with redis.Redis.from_url(url) as client:
        return not client.exists("promptmill:lanes", "arq:job:j")
