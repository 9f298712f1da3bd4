"""Batches over the real SDK and real HTTP: what goes up is what a live call says, what comes down goes by its key."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import pytest
from pydantic import JsonValue

from jobs.clock import utcnow
from jobs.connection import open_redis
from jobs.keys import Keys
from jobs.models import ModelReply
from tests.integration.asking_gemini import FINE, asked, gemini, options
from tests.standin import steps
from tests.standin.running import Standin
from tests.standin.script import BatchPlan, Rule, Step
from tests.waiting import wait_until
from worker.errors import (
    BatchesFailedError,
    ModelKeyError,
    ModelRejectedError,
)
from worker.model import ModelRequest, ModelTurn, UserTurn
from worker.model.batch_following import BatchNews, Pace
from worker.model.batched import BatchedModel
from worker.model.batches import GeminiBatches, line_of
from worker.model.faults import Fault
from worker.model.gemini import body_of
from worker.model.sent import SentBatch, SentBatches

MODEL = "gemini-3.8-flash"
ANSWERS = Rule(steps=(FINE,), repeats=True)
QUICK = Pace(settle_seconds=0.01, first_look_seconds=0.01, longest_look_seconds=0.02)
TURNS = (
    UserTurn("Add 1 and 1."),
    ModelTurn(
        {"role": "model", "parts": [{"text": "é\u2028", "thoughtSignature": "EjRm+/9v8A=="}]}
    ),
    UserTurn("Attempt 1 failed"),
)


class Crowd:
    """So many who ask, each of whom is away as soon as it has asked."""

    def __init__(self, n_asking: int) -> None:
        self._barrier = asyncio.Semaphore(0)
        self._n_asking = n_asking
        self.n_away = 0

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        self.n_away += 1
        self._barrier.release()
        yield

    async def until_all_are_away(self, settle_seconds: float) -> None:
        for _ in range(self._n_asking):
            await self._barrier.acquire()
        # Those who asked last are still to say what.
        await asyncio.sleep(settle_seconds)
        # In later rounds each is on its own.
        self._n_asking = 0


@pytest.fixture
async def sent(redis_url: str) -> AsyncIterator[SentBatches]:
    """What the run `r` has sent, which is nothing."""
    async with open_redis(redis_url, Keys()) as redis:
        yield SentBatches(redis, Keys(), "r")


def batched(
    standin: Standin,
    sent: SentBatches,
    crowd: Crowd | None = None,
    news: list[BatchNews] | None = None,
) -> BatchedModel:
    told: list[BatchNews] = [] if news is None else news
    live = gemini(standin.url)
    return BatchedModel(live, options(standin.url), sent, crowd or Crowd(1), told.append, QUICK)


def of_task(name: str) -> ModelRequest:
    return replace(asked(f"Print {name}."), task_id=name)


async def sent_up(
    standin: Standin, *lines: bytes, own_id: str = "mine"
) -> tuple[GeminiBatches, str]:
    wire = GeminiBatches(options(standin.url))
    return wire, await wire.create(own_id, MODEL, b"".join(lines))


async def test_a_line_says_what_a_live_call_says(standin: Standin) -> None:
    """An evaluation at half the price must be one of the same thing, thought signatures included."""
    request = replace(asked(), turns=TURNS, temperature=0.5, model=MODEL)
    standin.script(ANSWERS)
    async with aclosing(gemini(standin.url)) as live:
        await live.generate(request)
    assert body_of(request, options(standin.url)) == standin.requests[0].body


async def test_a_batch_is_found_by_the_id_that_we_gave_it(standin: Standin) -> None:
    """Its own name is lost where we die before the answer is here, and a project has batches of others."""
    line = line_of("k", {"contents": [{"role": "user", "parts": [{"text": "x"}]}]})
    async with aclosing(GeminiBatches(options(standin.url))) as wire:
        names = [await wire.create(f"batch {number}", MODEL, line) for number in range(5)]
        assert await wire.find("batch 0") == names[0]
        assert await wire.find("batch 9") is None


async def test_results_are_told_by_their_keys_alone(standin: Standin) -> None:
    """They come in another order, and with fields that this version has never heard of."""
    names = [f"task {number}" for number in range(20)]
    standin.script(*(Rule(first=f"<{name}>", steps=(steps.text(name),)) for name in names))
    lines = [line_of(name, _saying(f"<{name}>")) for name in names]
    wire, batch = await sent_up(standin, *lines)
    async with aclosing(wire):
        found = await _results(wire, batch)
    texts = {key: reply.text for key, reply in found.items() if isinstance(reply, ModelReply)}
    assert texts == {name: name for name in names}
    assert list(found) != names, "in order, this would have shown nothing"


async def test_lines_that_say_nothing_for_certain_are_no_results(standin: Standin) -> None:
    """Two answers under one key cannot both be its own, and a wrong answer looks like a wrong program."""
    odd = (
        json.dumps({"key": "b", "response": {}}),
        json.dumps({"response": {}}),
        json.dumps({"key": 7, "response": {}}),
        "{half a line",
        "[]",
        "",
        "null",
    )
    standin.script(ANSWERS, batches=(BatchPlan(extra_lines=odd),))
    lines = [line_of(name, _saying(name)) for name in "ab"]
    wire, batch = await sent_up(standin, *lines)
    async with aclosing(wire):
        assert set(await _results(wire, batch)) == {"a"}


@pytest.mark.parametrize(
    ("step", "status"),
    [
        pytest.param(steps.overloaded(), 503, id="14 is 503"),
        pytest.param(steps.server_error(), 500, id="13 is 500"),
        pytest.param(steps.rate_limited(), 429, id="8 is 429"),
        pytest.param(steps.error(400, "INVALID_ARGUMENT", "no"), 400, id="3 is 400"),
    ],
)
async def test_a_failed_line_is_read_like_a_failed_call(
    standin: Standin, step: Step, status: int
) -> None:
    """Batches number errors in their own way, and what is tried again must be the same."""
    standin.script(ANSWERS, batches=(BatchPlan(failing={0: step}),))
    wire, batch = await sent_up(standin, line_of("a", _saying("a")))
    async with aclosing(wire):
        fault = (await _results(wire, batch))["a"]
    assert isinstance(fault, Fault)
    assert fault.status == status


async def test_a_failed_batch_says_why(standin: Standin) -> None:
    """The SDK has a field for it and never fills it in."""
    standin.script(ANSWERS, batches=(BatchPlan(states=("PENDING", "RUNNING", "FAILED")),))
    wire, batch = await sent_up(standin, line_of("a", _saying("a")))
    async with aclosing(wire):
        running = await wire.look(batch)
        failed = await wire.look(batch)
    assert (running.state, running.n_open, running.is_over) == ("RUNNING", 1, False)
    assert (failed.state, failed.results, failed.is_over) == ("FAILED", None, True)
    assert "says the stand-in" in failed.reason


async def test_a_refused_key_is_told_as_with_live_calls(standin: Standin) -> None:
    """Whatever else is said of it would send a person to look in the wrong place."""
    async with aclosing(GeminiBatches(options(standin.url, api_key="no-such-key"))) as wire:
        with pytest.raises(ModelKeyError):
            await wire.create("mine", MODEL, b"{}")


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


async def test_a_reply_that_was_fetched_before_is_fetched_and_not_paid_for_again(
    standin: Standin, sent: SentBatches
) -> None:
    """A command may die between the results and what becomes of them."""
    standin.script(ANSWERS)
    for _ in range(2):
        async with aclosing(batched(standin, sent)) as model:
            assert (await model.generate(of_task("a"))).batch == "batches/b0"


async def test_who_is_not_content_with_a_reply_gets_another(
    standin: Standin, sent: SentBatches
) -> None:
    """Asked twice in one process, the same request means that the first reply was of no use."""
    standin.script(ANSWERS)
    async with aclosing(batched(standin, sent)) as model:
        replies = [await model.generate(of_task("a")) for _ in range(2)]
    assert [reply.batch for reply in replies] == ["batches/b0", "batches/b1"]


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


def _saying(words: str) -> dict[str, JsonValue]:
    return {"contents": [{"role": "user", "parts": [{"text": words}]}]}


async def _results(wire: GeminiBatches, batch: str) -> dict[str, ModelReply | Fault]:
    while not (status := await wire.look(batch)).is_over:
        pass
    assert status.results is not None
    return await wire.results(status.results)
