"""When a job is given up or begun anew, and how much of it is still told: it decides what a run costs."""

from collections.abc import Sequence

import pytest

from jobs.conversations import Conversation
from jobs.languages import Language
from jobs.models import Attempt, CaseResult, ExecutableCode, PromptJob
from jobs.usage import Usage
from jobs.verdicts import Verdict
from tests.making import an_attempt, an_execution
from worker.solver.course import conversation_so_far, end_of, still_told


def a_job(**conversation: object) -> PromptJob:
    return PromptJob(
        prompt="x", max_attempts=9, conversation=Conversation.model_validate(conversation)
    )


def failed(
    number: int,
    code: str | None = None,
    *,
    stderr: str = "",
    verdict: Verdict = Verdict.RUNTIME_ERROR,
    tokens: int = 10,
) -> Attempt:
    attempt = an_attempt(number, verdict)
    code = f"print({number})\n" if code is None else code
    return attempt.model_copy(
        update={
            "executable_code": ExecutableCode(language=Language.PYTHON, code=code),
            "execution": an_execution(stderr=stderr, exit_code=1),
            "reply": attempt.reply.model_copy(update={"usage": Usage(prompt_token_count=tokens)}),
        }
    )


def traceback(line: int, error: str) -> str:
    place = f'  File "/x/program.py", line {line}, in <module>\n'
    return f"Traceback (most recent call last):\n{place}{error}\n"


def wrong(number: int, actual: str, expected: str | None = "1") -> Attempt:
    case = CaseResult(name="case 1", verdict=Verdict.WRONG_ANSWER, expected=expected, actual=actual)
    attempt = failed(number, verdict=Verdict.WRONG_ANSWER)
    return attempt.model_copy(update={"cases": (case,)})


ZERO = "ZeroDivisionError: division by zero"


@pytest.mark.parametrize(
    ("attempts", "end"),
    [
        pytest.param([failed(1, "a()"), failed(2, "a()")], "same_program_again", id="at once"),
        pytest.param(
            [failed(1, "a()"), failed(2, "b()"), failed(3, "a()")],
            "same_program_again",
            id="and back again",
        ),
        pytest.param([failed(1, "a()"), failed(2, "a() ")], None, id="another byte"),
        pytest.param(
            [
                failed(1, "1/0\n", stderr=traceback(1, ZERO)),
                failed(2, "x = 1\n1/0\n", stderr=traceback(2, ZERO)),
            ],
            "same_error_again",
            id="the same line fails elsewhere in the file",
        ),
        pytest.param(
            [
                failed(1, "1/0\n", stderr=traceback(1, ZERO)),
                failed(2, "2/0\n", stderr=traceback(1, ZERO)),
            ],
            None,
            id="another line fails with the same words",
        ),
        pytest.param([wrong(1, "2"), wrong(2, "2")], "same_error_again", id="same wrong answer"),
        pytest.param([wrong(1, "2"), wrong(2, "3")], None, id="another wrong answer"),
        pytest.param(
            [wrong(1, "AssertionError", None), wrong(2, "AssertionError", None)],
            None,
            id="asserts, of which nobody knows what they were given",
        ),
        pytest.param(
            [
                failed(1, verdict=Verdict.TIME_LIMIT_EXCEEDED),
                failed(2, verdict=Verdict.TIME_LIMIT_EXCEEDED),
            ],
            None,
            id="too slow twice",
        ),
    ],
)
def test_a_job_ends_when_the_model_repeats_itself(
    attempts: Sequence[Attempt], end: str | None
) -> None:
    """Whoever repeats itself does so again, for money; whoever only fails again may still get there."""
    assert end_of(a_job(), attempts) == end
    assert end_of(a_job(stop_when_stuck=False), attempts) is None


def test_a_recording_that_is_over_is_nobody_who_repeats_himself() -> None:
    """Its last reply is given again by us, and marked so: the model never said it twice."""
    again = failed(2, "a()")
    reply = again.reply.model_copy(update={"replay_exhausted": True})
    attempts = [failed(1, "a()"), again.model_copy(update={"reply": reply})]
    assert end_of(a_job(), attempts) is None


def test_what_was_accepted_or_is_the_last_attempt_is_not_called_stuck() -> None:
    """The first word on a record must be the plainest one."""
    assert end_of(a_job(), [failed(1, "a()"), an_attempt(2)]) == "accepted"
    last = [failed(8, "a()"), failed(9, "a()")]
    assert end_of(a_job(), last) == "attempts_used_up"


def test_a_restart_begins_after_so_many_failed_repairs() -> None:
    """The first attempt is no repair: counted as one, a restart would come a call too early."""
    job, attempts = a_job(restart_after=2), [failed(n) for n in range(1, 8)]
    numbers = [conversation_so_far(job, attempts[:n])[0] for n in range(8)]
    assert numbers == [1, 1, 1, 2, 2, 2, 3, 3]
    assert conversation_so_far(job, attempts[:5]) == (2, attempts[3:5])


def test_a_model_that_is_stuck_is_asked_anew_where_restarts_are_wanted() -> None:
    """A fresh start helps where repairs do not; the same program in another conversation is a new answer."""
    job = a_job(restart_after=5)
    stuck = [failed(1, "a()"), failed(2, "a()")]
    assert end_of(job, stuck) is None
    assert conversation_so_far(job, stuck) == (2, [])
    assert conversation_so_far(job, [*stuck, failed(3, "a()")])[0] == 2


def test_what_was_thrown_away_makes_no_prompt_longer() -> None:
    """Two blocked replies would count a prompt three times, and what the model was told would be dropped for that."""
    attempts = [failed(1), failed(2, tokens=1500)]
    paid = {"thrown_away": Usage(prompt_token_count=1000)}
    reply = attempts[1].reply.model_copy(update=paid)
    attempts[1] = attempts[1].model_copy(update={"reply": reply})
    assert still_told(a_job(history_tokens=1000), attempts) == attempts


def test_a_long_history_is_cut_by_whole_turns_and_stays_so() -> None:
    """Every token of it is paid for again; cut once and told in full the next time, it would grow all the same."""
    job = a_job(history_tokens=1000)
    attempts = [failed(n, tokens=tokens) for n, tokens in enumerate((500, 900, 1001, 400), 1)]
    assert still_told(job, attempts[:2]) == attempts[:2]
    assert still_told(job, attempts[:3]) == attempts[2:3]
    assert still_told(job, attempts) == attempts[2:]
