"""A run in batches over the real SDK, real HTTP and Redis: each request is paid for once, whatever comes between."""

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest
from pydantic import JsonValue

from jobs.clock import utcnow
from jobs.connection import open_redis
from jobs.keys import Keys
from jobs.models import PromptJob
from jobs.queue import JobQueue
from jobs.run_control import cancel_run
from jobs.runs import get_run
from tests.integration.asking_gemini import FINE, asked, gemini
from tests.integration.asking_in_batches import ANSWERS, MODEL, Crowd, batched, of_task
from tests.standin import steps
from tests.standin.running import Standin
from tests.standin.script import BatchPlan, Rule, Step
from tests.waiting import wait_until
from worker.errors import (
    BatchesFailedError,
    ModelKeyError,
    ModelRejectedError,
    RunHeldError,
)
from worker.model import UserTurn
from worker.model.batch_following import BatchNews
from worker.model.sent import SentBatch, SentBatches


async def test_those_who_ask_at_one_time_share_a_batch(standin: Standin, sent: SentBatches) -> None:
    """A batch for each would be slower than anything, and there may only be a hundred."""
    standin.script(*(Rule(first=f"Print {name}.", steps=(steps.text(name),)) for name in "abc"))
    news: list[BatchNews] = []
    async with aclosing(batched(standin, sent, Crowd(3), news)) as model:
        replies = await asyncio.gather(*(model.generate(of_task(name)) for name in "abc"))
    assert [reply.text for reply in replies] == ["a", "b", "c"]
    assert {reply.batch for reply in replies} == {"batches/b0"}
    assert len(standin.batches) == 1
    assert [each.state for each in news] == ["MADE", "RUNNING", "SUCCEEDED"]


async def test_a_batch_whose_answer_is_lost_is_not_made_again(
    standin: Standin, sent: SentBatches
) -> None:
    """The server has made it, and would make and bill another for the same request."""
    standin.script(ANSWERS, batches=(BatchPlan(refusal=steps.overloaded()),))
    async with aclosing(batched(standin, sent)) as model:
        assert (await model.generate(of_task("a"))).batch == "batches/b0"
    assert len(standin.batches) == 1


async def test_a_batch_that_was_only_written_down_is_made_after_all(
    standin: Standin, sent: SentBatches
) -> None:
    """Its command died before it could, and nobody will answer what was never asked."""
    standin.script(ANSWERS)
    async with aclosing(batched(standin, sent)) as model:
        await model.generate(of_task("a"))
    [before] = await sent.all()
    await sent.forget_all()
    await sent.note(before.model_copy(update={"own_id": "never made", "name": None}))
    async with aclosing(batched(standin, sent)) as model:
        assert (await model.generate(of_task("a"))).batch == "batches/b1"
    assert [batch.name for batch in await sent.all()] == ["batches/b1"]


async def test_what_was_uploaded_is_deleted_when_its_batch_is_over(
    standin: Standin, sent: SentBatches
) -> None:
    """Prompts lie with Google for two days otherwise, and the room for files of a project is full one day."""
    standin.script(ANSWERS)
    for _ in range(2):
        async with aclosing(batched(standin, sent)) as model:
            await model.generate(of_task("a"))
    deleted = [each for each in standin.log() if each.method == "DELETE"]
    assert [(each.path, each.status) for each in deleted] == [
        ("/v1/files/file-0", 200),
        ("/v1/files/file-0", 403),
    ], "twice, since nobody knows whether the first time came to its end"


async def test_no_batch_is_made_for_a_run_that_was_cancelled(
    standin: Standin, sent: SentBatches, redis_url: str
) -> None:
    """A batch that is cancelled with its run would be followed by another, three times."""
    standin.script(ANSWERS)
    async with JobQueue(redis_url) as queue:
        await queue.submit(PromptJob(prompt="Print.", run_id=sent.run_id, job_id="j"))
        await cancel_run(queue, sent.run_id, "no longer wanted")
    async with aclosing(batched(standin, sent)) as model:
        with pytest.raises(RunHeldError):
            await model.generate(of_task("a"))
    assert not standin.batches


@pytest.mark.parametrize("leaves", [False, True], ids=["stays", "leaves"])
async def test_a_batch_that_is_being_made_while_its_run_is_cancelled_is_cancelled(
    standin: Standin, sent: SentBatches, redis_url: str, *, leaves: bool
) -> None:
    """Whoever cancels the run cannot know its name yet, and it would be answered and paid for."""
    slowly = BatchPlan(states=("RUNNING",), refusal=Step(status=503, body={}, delay_seconds=0.5))
    standin.script(ANSWERS, batches=(slowly,))
    async with JobQueue(redis_url) as queue, aclosing(batched(standin, sent)) as model:
        await queue.submit(PromptJob(prompt="Print.", run_id=sent.run_id, job_id="j"))
        asking = asyncio.create_task(model.generate(of_task("a")))
        await wait_until(lambda: bool(standin.batches), 10, "a request to make a batch")
        await cancel_run(queue, sent.run_id, "no longer wanted")
        if leaves:
            asking.cancel()
            await model.aclose()
        await wait_until(lambda: "/v1/batches/b0:cancel" in paths_of(standin), 10, "its end")
        asking.cancel()
        await asyncio.wait([asking])
    assert len(standin.batches) == 1


def paths_of(standin: Standin) -> list[str]:
    return [request.path for request in standin.log()]


async def test_a_reply_that_was_fetched_before_is_fetched_and_not_paid_for_again(
    standin: Standin, sent: SentBatches
) -> None:
    """A command may die between the results and what becomes of them."""
    standin.script(ANSWERS)
    for _ in range(2):
        async with aclosing(batched(standin, sent)) as model:
            assert (await model.generate(of_task("a"))).batch == "batches/b0"


async def test_another_delivery_gets_the_reply_that_was_paid_for(
    standin: Standin, sent: SentBatches
) -> None:
    """A worker that was frozen asks again for jobs it has back; nobody pays twice, or waits another day, for that."""
    standin.script(ANSWERS)
    async with aclosing(batched(standin, sent)) as model:
        replies = [await model.generate(of_task("a")) for _ in range(2)]
    assert [reply.batch for reply in replies] == ["batches/b0", "batches/b0"]
    assert len(standin.batches) == 1


async def test_two_deliveries_that_ask_for_the_same_are_both_answered(
    standin: Standin, sent: SentBatches
) -> None:
    """A job may come back before its old delivery has ended; one that is forgotten waits for ever, and all with it."""
    standin.script(ANSWERS)
    async with aclosing(batched(standin, sent, Crowd(2))) as model, asyncio.timeout(20):
        replies = await asyncio.gather(*(model.generate(of_task("a")) for _ in range(2)))
    assert [reply.batch for reply in replies] == ["batches/b0", "batches/b0"]
    assert len(standin.batches) == 1


async def test_another_conversation_is_no_answer(standin: Standin, sent: SentBatches) -> None:
    """A run that was cancelled, and begun again with other prompts, has the same tasks and attempts."""
    standin.script(ANSWERS)
    async with aclosing(batched(standin, sent)) as model:
        await model.generate(of_task("a"))
        changed = replace(of_task("a"), turns=(UserTurn("Print something else."),))
        assert (await model.generate(changed)).batch == "batches/b1"


@pytest.mark.parametrize("state", ["EXPIRED", "CANCELLED", "FAILED", "PARTIALLY_SUCCEEDED"])
async def test_what_a_batch_leaves_that_did_not_end_well_goes_with_another(
    standin: Standin, sent: SentBatches, state: str
) -> None:
    """It is not the request that failed, and a whole run asked live would cost twice what was meant."""
    plan = BatchPlan(states=("PENDING", state), missing=(0,))
    standin.script(ANSWERS, batches=(plan, plan, BatchPlan()))
    async with aclosing(batched(standin, sent)) as model:
        assert (await model.generate(of_task("a"))).batch == "batches/b2"
    assert standin.requests == ()


@pytest.mark.parametrize(
    "plan",
    [
        pytest.param(BatchPlan(missing=(0,)), id="missing"),
        pytest.param(BatchPlan(failing={0: steps.overloaded()}), id="failed"),
    ],
)
async def test_a_request_that_two_batches_leave_unanswered_is_asked_live(
    standin: Standin, sent: SentBatches, plan: BatchPlan
) -> None:
    """One bad line in ten thousand is not worth a third day."""
    standin.script(ANSWERS, batches=(plan,))
    async with aclosing(batched(standin, sent)) as model:
        assert (await model.generate(of_task("a"))).batch is None
    assert (len(standin.batches), len(standin.requests)) == (2, 1)


async def test_a_reply_that_is_of_no_use_is_asked_for_again(
    standin: Standin, sent: SentBatches
) -> None:
    """Live calls ask once more for what is empty or was blocked by chance, and a batch must come to the same."""
    standin.script(Rule(steps=(steps.no_candidates(), steps.safety_block(), FINE)))
    async with aclosing(batched(standin, sent)) as model:
        reply = await model.generate(of_task("a"))
    assert (reply.text, reply.batch, reply.resamples) == ("fine", "batches/b2", 2)
    assert reply.usage.prompt_token_count == 36, "all three were paid for"


async def test_a_reply_of_a_batch_costs_half(standin: Standin, sent: SentBatches) -> None:
    """The price is what people wait a day for, and the report has to show it."""
    standin.script(ANSWERS)
    async with aclosing(gemini(standin.url)) as live:
        alone = await live.generate(asked())
    async with aclosing(batched(standin, sent)) as model:
        together = await model.generate(of_task("a"))
    assert alone.cost is not None
    assert together.cost is not None
    assert together.cost.usd == pytest.approx(alone.cost.usd / 2)


async def test_what_a_batch_has_used_is_counted_once(
    standin: Standin, sent: SentBatches, queue: JobQueue
) -> None:
    """`run show` tells what a run has cost so far, and a command that was killed reads the same results again."""
    standin.script(ANSWERS)
    async with aclosing(batched(standin, sent)) as model:
        reply = await model.generate(of_task("a"))
    async with aclosing(batched(standin, sent)) as model:
        assert (await model.generate(of_task("a"))).cost == reply.cost
    used = (await get_run(queue, "r")).spent
    assert reply.cost is not None
    assert (used.requests, used.tokens) == (1, reply.usage.total_token_count)
    assert used.usd == pytest.approx(reply.cost.usd)


async def test_a_reply_that_stays_of_no_use_goes_to_its_attempt(
    standin: Standin, sent: SentBatches
) -> None:
    """A prompt whose answer is always withheld would otherwise wait a day, and a day, and a day."""
    standin.script(Rule(steps=(steps.safety_block(),), repeats=True))
    async with aclosing(batched(standin, sent)) as model:
        reply = await model.generate(of_task("a"))
    assert (reply.finish_reason, reply.batch) == ("SAFETY", "batches/b1")


async def test_results_that_are_gone_are_asked_for_again(
    standin: Standin, sent: SentBatches
) -> None:
    """Gemini keeps them for two days; of a file that is gone it says that we may not read it."""
    standin.script(ANSWERS, batches=(BatchPlan(states=("SUCCEEDED",), is_gone=True), BatchPlan()))
    news: list[BatchNews] = []
    async with aclosing(batched(standin, sent, news=news)) as model:
        assert (await model.generate(of_task("a"))).batch == "batches/b1"
    assert "its results are gone" in [each.reason for each in news]


async def test_a_batch_that_is_gone_is_sent_again_and_told_as_such(
    standin: Standin, sent: SentBatches
) -> None:
    """Nobody whose batch was deleted should be told to look for another model."""
    missing = steps.error(404, "NOT_FOUND", "no such batch")
    standin.script(Rule(on="batch", steps=(missing,)), ANSWERS)
    news: list[BatchNews] = []
    async with aclosing(batched(standin, sent, news=news)) as model:
        assert (await model.generate(of_task("a"))).batch == "batches/b1"
    [gone] = [each for each in news if each.state == "GONE"]
    assert gone.reason == "Gemini has no such batch any more"


async def test_a_batch_that_a_gateway_refuses_to_show_is_kept(
    standin: Standin, sent: SentBatches
) -> None:
    """It is live, and billed: whoever forgets it for somebody's 400 pays for another."""
    refusal = steps.error(400, "INVALID_ARGUMENT", "says a gateway")
    standin.script(Rule(on="batch", steps=(steps.overloaded(), refusal)), ANSWERS)
    async with aclosing(batched(standin, sent)) as model:
        with pytest.raises(BatchesFailedError) as caught:
            await model.generate(of_task("a"))
        assert "says a gateway" in caught.value.facts["Gemini"]
        assert "model.base_url" in caught.value.fixes[0]
        assert (await model.generate(of_task("a"))).batch == "batches/b0"
    assert len(standin.batches) == 1


async def test_results_that_a_refused_key_may_not_read_are_not_gone(
    standin: Standin, sent: SentBatches
) -> None:
    """A key that was revoked meanwhile gets the words that a file gets which is gone, and the file is paid for."""
    out_of_reach: JsonValue = {"responsesFile": "files/out-of-reach"}
    over: JsonValue = {"metadata": {"state": "BATCH_STATE_SUCCEEDED", "output": out_of_reach}}
    standin.script(Rule(on="batch", steps=(Step(body=over), steps.bad_key())), ANSWERS)
    async with aclosing(batched(standin, sent)) as model:
        with pytest.raises(ModelKeyError):
            await model.generate(of_task("a"))
        assert (await model.generate(of_task("a"))).batch == "batches/b0"
    assert len(standin.batches) == 1


async def test_no_two_batches_of_a_run_have_the_same_number(
    standin: Standin, sent: SentBatches
) -> None:
    """Three that failed and are all told as batch 1 look like one that fails three times over."""
    standin.script(ANSWERS, batches=(BatchPlan(states=("FAILED",)),))
    news: list[BatchNews] = []
    async with aclosing(batched(standin, sent, news=news)) as model:
        with pytest.raises(BatchesFailedError) as caught:
            await model.generate(of_task("a"))
    assert [each.number for each in news if each.state == "FAILED"] == [1, 2, 3]
    assert caught.value.fixes


async def test_a_batch_is_waited_for_while_gemini_is_away(
    standin: Standin, sent: SentBatches
) -> None:
    """In a day of looking some looks fail, and the batch does not mind."""
    troubles = (steps.overloaded(), steps.rate_limited(), steps.not_json())
    standin.script(Rule(on="batch", steps=troubles), ANSWERS)
    async with aclosing(batched(standin, sent)) as model:
        assert (await model.generate(of_task("a"))).batch == "batches/b0"


async def test_a_batch_that_gemini_will_not_make_stops_everything(
    standin: Standin, sent: SentBatches
) -> None:
    """Ten thousand jobs would end as failed for the want of a billing account."""
    refusal = steps.error(400, "FAILED_PRECONDITION", "the free tier has no batches")
    standin.script(ANSWERS, batches=(BatchPlan(refusal=refusal),))
    async with aclosing(batched(standin, sent)) as model:
        with pytest.raises(BatchesFailedError) as caught:
            await model.generate(of_task("a"))
    assert "the free tier has no batches" in caught.value.facts["Gemini"]


async def test_a_line_that_is_refused_for_good_is_an_error_of_its_own(
    standin: Standin, sent: SentBatches
) -> None:
    """What will never be answered is not sent again, in a batch or live."""
    refused = steps.error(400, "INVALID_ARGUMENT", "too long")
    standin.script(ANSWERS, batches=(BatchPlan(failing={0: refused}),))
    async with aclosing(batched(standin, sent)) as model:
        with pytest.raises(ModelRejectedError):
            await model.generate(of_task("a"))
    assert (len(standin.batches), len(standin.requests)) == (1, 0)


async def test_a_job_that_is_cancelled_leaves_its_batch_to_the_others(
    standin: Standin, sent: SentBatches
) -> None:
    """One job of ten thousand that somebody stops must not stop the rest."""
    standin.script(ANSWERS)
    crowd = Crowd(2)
    async with aclosing(batched(standin, sent, crowd)) as model:
        asking = [asyncio.create_task(model.generate(of_task(name))) for name in "ab"]
        await wait_until(lambda: crowd.n_away == 2, 10, "both to have asked")
        asking[0].cancel()
        assert (await asking[1]).batch == "batches/b0"


async def test_what_was_sent_is_kept_with_the_run_and_no_longer(
    redis_url: str, sent: SentBatches
) -> None:
    """A run that is never gone on with would leave its keys for ever."""
    batch = SentBatch(own_id="o", number=1, model=MODEL, keys=("k",), sent_at=utcnow())
    await sent.note(batch)
    async with open_redis(redis_url, Keys()) as redis:
        assert await redis.ttl(Keys().sent("r")) > 0
    assert await sent.all() == [batch]
    await sent.forget(batch)
    assert await sent.all() == []
