"""A delivery whose model may not be asked now, or whose run stands still: the job goes back and is none the worse."""

from contextlib import aclosing

import pytest
from arq.constants import retry_key_prefix

from jobs.models import PromptJob
from jobs.queue import JobQueue
from jobs.run_control import pause_run
from jobs.runs import get_run
from tests.consuming import consumer_of
from tests.integration.asking_gemini import asked, options
from tests.making import NOON
from tests.programs import GOOD
from tests.queueing import answer_of
from tests.standin import steps
from tests.standin.running import Standin
from worker.consumer.delivery import Consumer
from worker.consumer.endings import Ending, PutAside, PutBack
from worker.errors import ModelBusyError, ModelQuotaError, RunHeldError
from worker.model.gemini import GeminiModel
from worker.model.scripted import ScriptedModel
from worker.model.shared_throttle import ModelLimits, SharedThrottle

from .delivering import JOB, SETTINGS, Bench, seconds


async def test_a_job_that_waits_for_its_turn_uses_no_delivery(bench: Bench) -> None:
    """Under a low limit it waits more often than deliveries are granted, and would end as a failure of ours."""
    busy = ScriptedModel(ModelBusyError("gemini-3.8-flash", 42.5))
    for _ in range(5):
        ending = await bench.deliver(busy, number=3)
        busy = ScriptedModel(ModelBusyError("gemini-3.8-flash", 42.5))
        assert isinstance(ending, PutBack)
        assert seconds(ending) == 42.5
    assert await answer_of(bench.redis.get(retry_key_prefix + "j")) == b"2"
    assert not await bench.store.has("j")
    assert len(await bench.events()) == 5, "the starts, and no line for each job that waits"
    await bench.deliver(ScriptedModel(GOOD), number=3)
    assert (await bench.store.get("j")).deliveries == 3


async def test_a_job_whose_run_has_stopped_meanwhile_is_set_aside_with_it(
    bench: Bench, queue: JobQueue
) -> None:
    """It was started before, and would go round in the queue until somebody lets the run go on."""
    job = PromptJob(prompt="Print 1.", job_id="j", run_id="r")
    await queue.submit(job)
    await pause_run(queue, "r", "budget")
    ending = await bench.deliver(ScriptedModel(RunHeldError("r")), job=job)
    assert isinstance(ending, PutAside)
    assert (await get_run(queue, "r")).held == 1


async def test_what_refuses_another_model_does_not_stop_the_worker(bench: Bench) -> None:
    """A used-up quota of one model would keep all jobs of the worker's own waiting until midnight."""
    other = JOB.model_copy(update={"model": "gemini-0-other"})
    consumer = consumer_of(
        bench.redis,
        bench.store,
        ScriptedModel(ModelQuotaError("no more today"), ModelQuotaError("no more today")),
        bench.sandbox,
        SETTINGS,
    )
    closed: list[str] = []
    consumer.on_model_closed = lambda error: closed.append(error.message)
    ending = await _taken(consumer, bench, other)
    assert isinstance(ending, PutBack)
    assert seconds(ending) > 0
    assert closed == []
    assert isinstance(await _taken(consumer, bench, JOB), PutBack)
    assert closed == ["no more today"]


async def _taken(consumer: Consumer, bench: Bench, job: PromptJob) -> Ending:
    words = job.model_dump(mode="json", by_alias=True)
    return await consumer.take(await bench.claim(job), words, NOON)


async def test_a_long_wait_is_told_in_the_words_of_the_service(
    standin: Standin, queue: JobQueue
) -> None:
    """They name the limit that was met, and no look at the network mends that."""
    throttle = SharedThrottle(queue.redis, queue.keys, "a", ModelLimits())
    standin.says(steps.rate_limited(30))
    async with aclosing(GeminiModel(options(standin.url), throttle)) as model:
        with pytest.raises(ModelBusyError) as caught:
            await model.generate(asked())
    assert "429 RESOURCE_EXHAUSTED" in caught.value.facts["Gemini"]
    assert "quota" in " ".join(caught.value.fixes)
    assert "network" not in " ".join(caught.value.fixes)
