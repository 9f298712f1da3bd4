"""A delivery whose model may not be asked now, or whose run stands still: the job goes back and is none the worse."""

from arq.constants import retry_key_prefix

from jobs.models import PromptJob
from jobs.queue import JobQueue
from jobs.run_control import pause_run
from jobs.runs import get_run
from tests.programs import GOOD
from tests.queueing import answer_of
from worker.consumer.endings import PutAside, PutBack
from worker.errors import ModelBusyError, RunHeldError
from worker.model.scripted import ScriptedModel

from .delivering import Bench, seconds


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
