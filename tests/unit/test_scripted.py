"""What the scripted model promises to the tests that lean on it."""

import pytest

from worker.errors import ModelUnavailableError, NoRecordingError
from worker.model import ModelRequest
from worker.model.scripted import ScriptedModel, spoken


def asked(task_id: str | None, prompt: str = "Add.", sample: int = 0) -> ModelRequest:
    return ModelRequest(
        prompt=prompt,
        task_id=task_id,
        sample=sample,
        attempt=1,
        system_instruction="",
        turns=(),
    )


async def test_each_job_hears_the_script_from_its_start() -> None:
    """Jobs run at the same time; what one hears must not depend on another."""
    model = ScriptedModel("first", "second")
    jobs = [asked("a"), asked("b"), asked(None, "c"), asked("a", sample=1)]
    assert [(await model.generate(job)).text for job in jobs] == ["first"] * 4
    assert [(await model.generate(job)).text for job in jobs] == ["second"] * 4


async def test_an_exception_in_the_script_is_raised_and_the_script_goes_on() -> None:
    """A failed call followed by a good one is the case that retries are written for."""
    model = ScriptedModel(ModelUnavailableError("busy"), spoken("done"))
    with pytest.raises(ModelUnavailableError, match="busy"):
        await model.generate(asked("a"))
    assert (await model.generate(asked("a"))).text == "done"


async def test_a_script_that_is_over_is_an_error() -> None:
    """A call too many is a finding; repeating the last line would hide it."""
    model = ScriptedModel("only")
    await model.generate(asked("a"))
    with pytest.raises(NoRecordingError, match="script of 1"):
        await model.generate(asked("a"))


async def test_requests_are_remembered_in_order() -> None:
    """What the model was told is half of what a test wants to know."""
    model = ScriptedModel("x")
    requests = [asked("a"), asked("b")]
    for request in requests:
        await model.generate(request)
    assert model.requests == requests
