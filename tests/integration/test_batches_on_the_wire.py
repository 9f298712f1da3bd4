"""What goes up in a batch is what a live call says, what comes down goes by its key: over the real SDK and HTTP."""

import json
from contextlib import aclosing
from dataclasses import replace

import pytest
from pydantic import JsonValue

from jobs.models import ModelReply
from tests.integration.asking_gemini import FINE, asked, gemini, options
from tests.standin import steps
from tests.standin.running import Standin
from tests.standin.script import BatchPlan, Rule, Step
from worker.errors import ModelError, ModelKeyError
from worker.model import ModelTurn, UserTurn
from worker.model.batches import BatchStatus, GeminiBatches, line_of
from worker.model.faults import Fault
from worker.model.gemini import body_of

MODEL = "gemini-3.8-flash"
ANSWERS = Rule(steps=(FINE,), repeats=True)
TURNS = (
    UserTurn("Add 1 and 1."),
    ModelTurn(
        {"role": "model", "parts": [{"text": "é\u2028", "thoughtSignature": "EjRm+/9v8A=="}]}
    ),
    UserTurn("Attempt 1 failed"),
)


async def sent_up(
    standin: Standin, *lines: bytes, own_id: str = "mine"
) -> tuple[GeminiBatches, str]:
    wire = GeminiBatches(options(standin.url))
    return wire, (await wire.create(own_id, MODEL, b"".join(lines))).name


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
        made = [await wire.create(f"batch {number}", MODEL, line) for number in range(5)]
        assert await wire.find("batch 0") == made[0].name
        assert await wire.find("batch 9") is None


@pytest.mark.parametrize(
    ("refusal", "n_deleted"),
    [
        pytest.param(steps.rate_limited(), 1, id="not made"),
        pytest.param(steps.error(400, "FAILED_PRECONDITION", "no batches"), 1, id="never made"),
        pytest.param(steps.overloaded(), 0, id="perhaps made"),
    ],
)
async def test_what_was_uploaded_for_a_batch_that_is_refused_is_deleted(
    standin: Standin, refusal: Step, n_deleted: int
) -> None:
    """Each try uploads it again, for as long as a quota is used up. A batch that may be there wants to read it."""
    standin.script(ANSWERS, batches=(BatchPlan(refusal=refusal),))
    async with aclosing(GeminiBatches(options(standin.url))) as wire:
        with pytest.raises(ModelError):
            await wire.create("mine", MODEL, line_of("a", _saying("a")))
    assert [each.status for each in standin.log() if each.method == "DELETE"] == n_deleted * [200]


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
        running = await _look(wire, batch)
        failed = await _look(wire, batch)
    assert (running.state, running.n_open, running.is_over) == ("RUNNING", 1, False)
    assert (failed.state, failed.results, failed.is_over) == ("FAILED", None, True)
    assert "says the stand-in" in failed.reason


async def test_a_batch_is_cancelled_once_and_for_all(standin: Standin) -> None:
    """What nobody wants any more is billed for as long as Gemini works on it."""
    standin.script(ANSWERS, batches=(BatchPlan(states=("PENDING", "RUNNING")),))
    wire, batch = await sent_up(standin, line_of("a", _saying("a")))
    async with aclosing(wire):
        assert await wire.cancel(batch)
        assert (await _look(wire, batch)).state == "CANCELLED"
        assert not await wire.cancel(batch)
        assert not await wire.cancel("batches/never-made")


async def test_a_refused_key_is_told_as_with_live_calls(standin: Standin) -> None:
    """Whatever else is said of it would send a person to look in the wrong place."""
    async with aclosing(GeminiBatches(options(standin.url, api_key="no-such-key"))) as wire:
        with pytest.raises(ModelKeyError):
            await wire.create("mine", MODEL, b"{}")


def _saying(words: str) -> dict[str, JsonValue]:
    return {"contents": [{"role": "user", "parts": [{"text": words}]}]}


async def _results(wire: GeminiBatches, batch: str) -> dict[str, ModelReply | Fault]:
    while not (status := await _look(wire, batch)).is_over:
        pass
    assert status.results is not None
    found = await wire.results(status.results)
    assert found is not None
    return found


async def _look(wire: GeminiBatches, batch: str) -> BatchStatus:
    status = await wire.look(batch)
    assert status is not None
    return status
