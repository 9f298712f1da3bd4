"""Programs that Gemini runs itself: what is asked for, what is kept of it, and what is said of its worth."""

from typing import Any

import pytest
from pydantic import ValidationError

from jobs.checkers import Case, Checker, ExitsCleanly, MatchesOutput, PassesTests
from jobs.languages import Language
from jobs.models import Attempt, PromptJob
from jobs.verdicts import Outcome, Verdict
from tests.standin import steps
from tests.standin.running import Standin
from tests.standin.script import Step
from worker.sandbox import Sandbox

from .solving import solved, turns

EXPECTS_ONE = MatchesOutput(cases=(Case(expect="1"),), public=True)


def ran(code: str, outcome: str, output: str) -> list[Any]:
    return [
        {"executableCode": {"language": "PYTHON", "code": code, "id": "e1"}},
        {"codeExecutionResult": {"outcome": outcome, "output": output, "id": "e1"}},
    ]


OK = ran("print(1)\n", "OUTCOME_OK", "1\n")
FAILED = ran(
    "1/0\n",
    "OUTCOME_FAILED",
    'Traceback (most recent call last):\n  File "<string>", '
    "line 1, in <module>\nZeroDivisionError: division by zero\n",
)


def a_job(checker: Checker = EXPECTS_ONE, **changes: Any) -> PromptJob:
    fields = {"prompt": "Print 1.", "job_id": "j", "checker": checker, "code_execution": True}
    return PromptJob.model_validate(fields | changes)


async def attempts_at(
    redis_url: str,
    sandbox: Sandbox,
    standin: Standin,
    *answers: Step,
    **job: Any,
) -> tuple[Attempt, ...]:
    standin.says(*answers)
    [attempts] = await solved(redis_url, sandbox, standin, a_job(**job))
    return attempts


async def test_what_gemini_ran_is_kept_in_the_same_record_and_run_by_nobody_else(
    redis_url: str,
    sandbox: Sandbox,
    standin: Standin,
) -> None:
    """Its own parts are the program and its result; a second run here would be of another machine."""
    said = [{"text": "I try.", "thoughtSignature": "EjRm+/8="}, *FAILED, *OK, {"text": "It is 1."}]
    [attempt] = await attempts_at(redis_url, sandbox, standin, steps.parts(*said))
    assert attempt.executable_code is not None
    assert attempt.code_execution_result is not None
    assert attempt.executable_code.code == "print(1)\n"
    assert attempt.code_execution_result.model_dump() == {
        "outcome": Outcome.OK,
        "output": "1\n",
        "execution_error": None,
    }
    assert (attempt.executed_by, attempt.execution, attempt.isolation) == ("gemini", None, None)
    assert (attempt.verdict, attempt.trust) == (Verdict.ACCEPTED, "reported_by_gemini")
    assert attempt.explanation == "printed what was expected (Gemini ran it)"
    assert attempt.reply.content == {"role": "model", "parts": said}


async def test_the_tool_is_asked_for_where_a_job_wants_it(
    redis_url: str,
    sandbox: Sandbox,
    standin: Standin,
) -> None:
    """Without it the model writes such parts at most by accident, and nobody runs them."""
    await attempts_at(redis_url, sandbox, standin, steps.parts(*OK))
    body = standin.requests[0].body
    assert isinstance(body, dict)
    assert body["tools"] == [{"codeExecution": {}}]
    assert "code execution tool" in str(body["systemInstruction"])


@pytest.mark.parametrize(
    ("said", "verdict", "explanation"),
    [
        pytest.param(
            FAILED,
            Verdict.RUNTIME_ERROR,
            "ZeroDivisionError: division by zero (Gemini ran it)",
            id="failed",
        ),
        pytest.param(
            ran("while 1: 0\n", "OUTCOME_DEADLINE_EXCEEDED", ""),
            Verdict.TIME_LIMIT_EXCEEDED,
            "Gemini stopped it because it ran for too long (Gemini ran it)",
            id="too slow",
        ),
        pytest.param(
            [{"text": "It is 1."}], Verdict.NO_CODE, "Gemini ran no program", id="nothing"
        ),
        pytest.param(
            OK[:1], Verdict.NO_CODE, "Gemini does not say how its program ended", id="no result"
        ),
        pytest.param(
            ran("x\n", "OUTCOME_OF_TOMORROW", ""),
            Verdict.NO_CODE,
            "Gemini does not say how its program ended",
            id="unknown outcome",
        ),
    ],
)
async def test_how_it_ended_is_geminis_word(
    redis_url: str,
    sandbox: Sandbox,
    standin: Standin,
    said: list[Any],
    verdict: Verdict,
    explanation: str,
) -> None:
    """What cannot be known is not made up: a program without a result is not taken for a right one."""
    [attempt] = await attempts_at(redis_url, sandbox, standin, steps.parts(*said), max_attempts=1)
    assert (attempt.verdict, attempt.explanation) == (verdict, explanation)


async def test_a_wrong_output_goes_back_behind_geminis_own_turn(
    redis_url: str,
    sandbox: Sandbox,
    standin: Standin,
) -> None:
    """The next attempt is a repair like any other, and the turn is sent as it came."""
    wrong = ran("print(2)\n", "OUTCOME_OK", "2\n")
    first, _ = await attempts_at(redis_url, sandbox, standin, steps.parts(*wrong), steps.parts(*OK))
    assert first.verdict is Verdict.WRONG_ANSWER
    _, said, told = turns(standin, 1)
    assert said == {"role": "model", "parts": wrong}
    words = told["parts"][0]["text"]
    assert "Expected:" in words
    assert words.endswith("then run the whole corrected program.")


async def test_of_a_hidden_check_the_model_is_told_nothing_here_either(
    redis_url: str,
    sandbox: Sandbox,
    standin: Standin,
) -> None:
    """Who runs a program does not decide what may be said of its check."""
    hidden = MatchesOutput(cases=(Case(expect="a secret"),))
    await attempts_at(
        redis_url,
        sandbox,
        standin,
        steps.parts(*OK),
        steps.parts(*FAILED),
        checker=hidden,
        max_attempts=2,
    )
    assert "secret" not in str(turns(standin, 1))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        pytest.param({"language": Language.RUBY}, "Gemini runs Python and no ruby", id="language"),
        pytest.param(
            {"checker": PassesTests(tests="assert 1")}, "its tests have to run", id="tests"
        ),
        pytest.param({"checker": ExitsCleanly(), "stdin": "1"}, "no standard input", id="input"),
        pytest.param(
            {"checker": MatchesOutput(cases=(Case(expect="1"), Case(expect="2")))},
            "each of its cases is a run of its own",
            id="cases",
        ),
    ],
)
def test_what_cannot_be_left_to_gemini_is_refused(fields: dict[str, Any], words: str) -> None:
    """A verdict on a check that was never made would be the worst of all."""
    with pytest.raises(ValidationError, match=words):
        a_job(**fields)
