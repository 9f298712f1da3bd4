"""What is said to the model between attempts, through the real SDK, and what the record keeps of it."""

from typing import Any

import pytest

from jobs.checkers import Case, MatchesOutput
from jobs.conversations import Conversation
from jobs.models import PromptJob
from jobs.verdicts import Verdict
from tests.programs import fenced
from tests.standin import steps
from tests.standin.running import Standin
from tests.standin.script import Rule
from worker.errors import ModelRejectedError
from worker.sandbox import Sandbox

from .solving import solved, turns

BROKEN, RIGHT = fenced("print(1 / 0)"), fenced("print(1)")
SIGNED: list[Any] = [
    {"text": "hm", "thought": True},
    {"text": BROKEN, "thoughtSignature": "EjRm+/9v8A=="},
]


def a_job(job_id: str = "j", *, public: bool = True, **conversation: object) -> PromptJob:
    return PromptJob(
        prompt="Print 1.",
        job_id=job_id,
        checker=MatchesOutput(cases=(Case(expect="1"),), public=public),
        max_attempts=6,
        conversation=Conversation.model_validate(conversation),
    )


async def test_parts_go_behind_what_the_model_said_and_leave_it_as_it_came(
    redis_url: str, sandbox: Sandbox, standin: Standin
) -> None:
    """A signature that is lost is a 400; the result is what the model may be told, and no more."""
    standin.says(steps.parts(*SIGNED), RIGHT)
    (attempts,) = await solved(redis_url, sandbox, standin, a_job(style="parts"))
    assert [attempt.reply.style for attempt in attempts] == [None, "parts"]
    _, said, asked = turns(standin, 1)
    assert said["parts"][:2] == SIGNED
    program, result = said["parts"][2:]
    assert program == {"executableCode": {"language": "PYTHON", "code": "print(1 / 0)\n"}}
    assert result["codeExecutionResult"]["outcome"] == "OUTCOME_FAILED"
    output = result["codeExecutionResult"]["output"]
    assert "ZeroDivisionError: division by zero" in output
    assert asked["parts"][0]["text"].startswith("State the cause in one sentence")
    assert attempts[0].feedback == output + "\n\n" + asked["parts"][0]["text"]


async def test_a_service_that_refuses_parts_is_told_in_text_from_then_on(
    redis_url: str, sandbox: Sandbox, standin: Standin
) -> None:
    """One refusal for each worker is the price of finding out; the record says how the model was told."""
    refusal = steps.error(400, "INVALID_ARGUMENT", "code_execution_result is not allowed here")
    in_text = Rule(last="Attempt 1 of", steps=(steps.text(RIGHT),), repeats=True)
    first = Rule(last="Print 1.", steps=(steps.text(BROKEN),), repeats=True)
    standin.script(first, in_text, Rule(steps=(refusal,), repeats=True))
    jobs = [a_job("a", style="parts"), a_job("b", style="parts")]
    for attempts in await solved(redis_url, sandbox, standin, *jobs):
        assert [attempt.verdict for attempt in attempts][-1] is Verdict.ACCEPTED
        assert attempts[1].reply.style == "text"
    assert [request.status for request in standin.requests] == [200, 400, 200, 200, 200]


async def test_a_request_that_is_refused_in_text_is_refused(
    redis_url: str, sandbox: Sandbox, standin: Standin
) -> None:
    """The fallback is for parts; asked in the same words again, the service would say the same."""
    standin.says(steps.error(400, "INVALID_ARGUMENT", "no"))
    with pytest.raises(ModelRejectedError):
        await solved(redis_url, sandbox, standin, a_job(style="parts"))
    assert len(standin.requests) == 1


async def test_a_restart_says_the_prompt_alone_and_is_kept(
    redis_url: str, sandbox: Sandbox, standin: Standin
) -> None:
    """What went wrong so often is better forgotten; a reader of the record must see where that was."""
    standin.says(BROKEN, fenced("print(2 / 0)"), RIGHT)
    (attempts,) = await solved(redis_url, sandbox, standin, a_job(restart_after=1))
    assert [attempt.conversation for attempt in attempts] == [1, 1, 2]
    assert [attempt.feedback is None for attempt in attempts] == [False, True, True]
    assert [attempt.end for attempt in attempts] == [None, None, "accepted"]
    assert turns(standin, 2) == turns(standin, 0)


async def test_the_same_program_again_ends_the_job_and_says_so(
    redis_url: str, sandbox: Sandbox, standin: Standin
) -> None:
    """Four more calls would have been paid for, most likely to hear it a third time."""
    standin.says(BROKEN)
    (attempts,) = await solved(redis_url, sandbox, standin, a_job())
    assert [attempt.end for attempt in attempts] == [None, "same_program_again"]
    assert len(standin.requests) == 2


async def test_a_history_that_grew_too_long_keeps_the_prompt_and_the_last_attempt(
    redis_url: str, sandbox: Sandbox, standin: Standin
) -> None:
    """A prompt near the model's limit is refused, and on the way there paid for again and again."""
    second = steps.text(fenced("print(2 / 0)"))
    assert isinstance(second.body, dict)
    usage = {"promptTokenCount": 5000, "totalTokenCount": 5011}
    long = second.model_copy(update={"body": second.body | {"usageMetadata": usage}})
    standin.says(BROKEN, long, RIGHT)
    await solved(redis_url, sandbox, standin, a_job(history_tokens=4999))
    first, said, told = turns(standin, 2)
    assert first == turns(standin, 0)[0]
    assert said["parts"] == [{"text": fenced("print(2 / 0)")}]
    assert told["parts"][0]["text"].startswith("Attempt 2 of 6 failed")
