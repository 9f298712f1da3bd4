"""One job against Gemini's protocol: what is asked, what is fed back, what each kind of answer comes to."""

from typing import Any

import pytest

from jobs.verdicts import Verdict
from tests.standin import steps
from tests.standin.running import GOOD_KEY, Standin
from tests.standin.script import Rule, Step

from .programs import reply
from .project import Project

pytestmark = pytest.mark.e2e

RIGHT = reply("print(42)")
WRONG = reply("print(41)")
BROKEN = reply("import math\nprint(math.sqroot(1764))")


def contents_of(standin: Standin, number: int) -> list[Any]:
    """The turns of the request of that number, from 0."""
    body = standin.requests[number].body
    assert isinstance(body, dict)
    contents = body["contents"]
    assert isinstance(contents, list)
    return contents


def test_a_right_answer_is_accepted_at_once(gemini: Project, standin: Standin) -> None:
    """The shortest path there is: a prompt, one call, one run, one record."""
    standin.says(RIGHT)
    record = gemini.solve("Print the answer.", expect="42")
    assert (record.verdict, record.solved_at, record.simulated) == (Verdict.ACCEPTED, 1, False)
    assert record.output == "42\n"
    assert len(standin.requests) == 1


def test_the_error_of_a_program_reaches_the_model(gemini: Project, standin: Standin) -> None:
    """Without the error text a second attempt is a second guess."""
    standin.says(BROKEN, RIGHT)
    record = gemini.solve("Print the answer.", expect="42")
    assert (record.verdict, record.solved_at) == (Verdict.ACCEPTED, 2)
    told = contents_of(standin, 1)[-1]
    assert told["role"] == "user"
    assert "AttributeError: module 'math' has no attribute 'sqroot'" in told["parts"][0]["text"]
    assert told["parts"][0]["text"] == record.attempts[0].feedback


def test_the_models_own_turn_goes_back_as_it_came(gemini: Project, standin: Standin) -> None:
    """Gemini refuses a conversation whose thought signatures were lost or changed."""
    said: list[Any] = [
        {"text": "I multiply.", "thought": True},
        {"text": BROKEN, "thoughtSignature": "c2lnbmVkIGJ5IHRoZSBtb2RlbA=="},
        {
            "text": "",
            "thoughtSignature": "bm90IEJhc2U2NCBwYWRkZWQ",
            "ofTomorrow": {"kept": [1, None]},
        },
    ]
    standin.says(steps.parts(*said), RIGHT)
    gemini.solve("Print the answer.", expect="42")
    first, second = contents_of(standin, 0), contents_of(standin, 1)
    assert second[:2] == [*first, {"role": "model", "parts": said}]


def test_attempts_end_when_they_are_used_up(gemini: Project, standin: Standin) -> None:
    """A model that never gets there must not be paid for ever."""
    standin.says(WRONG, reply("print(43)"), reply("print(44)"))
    record = gemini.solve("Print the answer.", expect="42", maxAttempts=3)
    assert (record.verdict, record.solved_at) == (Verdict.WRONG_ANSWER, None)
    assert [attempt.number for attempt in record.attempts] == [1, 2, 3]
    assert len(standin.requests) == 3
    assert record.attempts[-1].feedback is None


def test_how_a_conversation_is_kept_goes_into_each_job(gemini: Project, standin: Standin) -> None:
    """A worker elsewhere must keep it as whoever queued the job set it, and the record must say how."""
    standin.says(WRONG)
    gemini.environment |= {
        "PROMPTMILL_CONVERSATION__STYLE": "parts",
        "PROMPTMILL_CONVERSATION__STOP_WHEN_STUCK": "false",
    }
    gemini.solve("Print the answer.", expect="42", maxAttempts=3)
    gemini.submit("Print the answer.", "--expect", "42")
    for name in ("STYLE", "STOP_WHEN_STUCK"):
        del gemini.environment[f"PROMPTMILL_CONVERSATION__{name}"]
    assert gemini.run("worker", "--burst").code == 0
    assert len(gemini.records()) == 2
    for record in gemini.records():
        assert [attempt.reply.style for attempt in record.attempts] == [None, "parts", "parts"]
        assert record.attempts[-1].end == "attempts_used_up"


def test_a_model_that_repeats_its_program_is_not_asked_to_the_end(
    gemini: Project, standin: Standin
) -> None:
    """Whoever gives what has failed again is mostly done; the record says that attempts were left, and why."""
    standin.says(WRONG)
    record = gemini.solve("Print the answer.", expect="42", maxAttempts=5)
    assert [attempt.end for attempt in record.attempts] == [None, "same_program_again"]
    assert len(standin.requests) == 2
    shown = gemini.run("job", "show", record.job_id).out
    assert "stopped early: the model gave a program again that had failed" in shown


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        pytest.param(steps.safety_block(), "SAFETY", id="safety"),
        pytest.param(
            steps.text("```python\nprint(4", finish_reason="MAX_TOKENS"), "MAX_TOKENS", id="cut"
        ),
        pytest.param(steps.all_thoughts(), "MAX_TOKENS", id="all-thoughts"),
        pytest.param(steps.no_candidates(), None, id="no-candidates"),
        pytest.param(steps.parts({"text": ""}), "STOP", id="empty-text"),
        pytest.param(steps.empty_body(), None, id="empty-body"),
    ],
)
def test_a_reply_without_a_program_is_an_attempt(
    gemini: Project, standin: Standin, step: Step, reason: str | None
) -> None:
    """It was paid for, so it counts; what came of it joins the prompt, as no turn of the model's can go back."""
    standin.script(
        Rule(first="Attempt 1 of 3", steps=(steps.text(RIGHT),)),
        Rule(steps=(step,), repeats=True),
    )
    record = gemini.solve("Print the answer.", expect="42")
    first = record.attempts[0]
    assert (first.verdict, first.reply.finish_reason) == (Verdict.NO_CODE, reason)
    assert first.execution is None
    assert record.solved_at == 2
    assert len(standin.requests) == first.reply.resamples + 2
    [only_turn] = contents_of(standin, -1)
    assert first.feedback is not None
    assert only_turn["parts"][0]["text"].endswith(first.feedback)


def test_a_blocked_prompt_is_not_asked_again(gemini: Project, standin: Standin) -> None:
    """The same words meet the same filter: a second call would be paid for nothing."""
    standin.says(steps.prompt_block("PROHIBITED_CONTENT"))
    record = gemini.solve("Print the answer.", expect="42")
    assert (record.verdict, len(record.attempts)) == (Verdict.NO_CODE, 1)
    assert "PROHIBITED_CONTENT" in record.attempts[0].explanation
    assert len(standin.requests) == 1


def test_a_rate_limit_is_waited_for_and_uses_no_attempt(gemini: Project, standin: Standin) -> None:
    """Quotas are everyday; an attempt spent on one would be the model's loss for our haste."""
    standin.says(steps.rate_limited(1.5), RIGHT)
    record = gemini.solve("Print the answer.", expect="42", maxAttempts=1)
    assert (record.verdict, record.deliveries) == (Verdict.ACCEPTED, 1)
    assert record.attempts[0].reply.transport_tries == 2
    first, second = standin.requests
    assert second.at_seconds - first.at_seconds >= 1.5


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(steps.server_error(), id="500"),
        pytest.param(steps.overloaded(), id="503"),
        pytest.param(steps.not_json(), id="proxy-page"),
        pytest.param(steps.dropped(steps.text("print(1)")), id="dropped"),
    ],
)
def test_trouble_of_the_service_uses_no_attempt(
    gemini: Project, standin: Standin, step: Step
) -> None:
    """What the service could not do is no fault of the model's, and is tried again by itself."""
    standin.says(step, RIGHT)
    record = gemini.solve("Print the answer.", expect="42", maxAttempts=1)
    assert (record.verdict, len(record.attempts)) == (Verdict.ACCEPTED, 1)
    assert record.attempts[0].reply.transport_tries == 2


@pytest.mark.slow
def test_an_answer_that_takes_too_long_is_asked_for_again(
    gemini: Project, standin: Standin
) -> None:
    """A connection that hangs must not hold a worker for ever."""
    standin.says(steps.slow(steps.text(WRONG), 30), RIGHT)
    gemini.environment["PROMPTMILL_MODEL__TIMEOUT_SECONDS"] = "10"
    record = gemini.solve("Print the answer.", expect="42", maxAttempts=1)
    assert record.verdict is Verdict.ACCEPTED
    assert record.attempts[0].reply.transport_tries == 2


def test_the_key_goes_into_the_header_and_nowhere_else(gemini: Project, standin: Standin) -> None:
    """A key in a URL stands in every proxy's log, and one in a record goes wherever the record goes."""
    standin.says(BROKEN, RIGHT)
    gemini.solve("Print the answer.", expect="42")
    assert all(request.key_matched for request in standin.log())
    assert all(GOOD_KEY not in request.path for request in standin.log())
    written = [path.read_bytes() for path in gemini.folder.rglob("*") if path.is_file()]
    assert not [text for text in written if GOOD_KEY.encode() in text]
