"""How what a function returned becomes a verdict."""

import pytest

from jobs.checkers import ExpectedCall, MatchesCalls
from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import ExecutableCode, Execution, Returned
from jobs.verdicts import Verdict
from tests.unit.executions import execution
from worker.solver.judge import Judgement, judge

CALLS = MatchesCalls(
    entry_point="f",
    calls=(
        ExpectedCall(arguments=("a\n", True), expected=77),
        ExpectedCall(arguments=(), expected=None),
    ),
)
RIGHT = (Returned(value=77), Returned(value=None))


def judged(ran: Execution, language: Language = Language.PYTHON) -> Judgement:
    return judge(ExecutableCode(language=language, code="whatever\n"), ran, CALLS, Limits())


def test_calls_that_returned_what_they_had_to_are_accepted_and_say_where_they_ran() -> None:
    """The values were compared where no program can reach, which a reader of the record may rely on."""
    judgement = judged(execution(returned=RIGHT))
    assert (judgement.verdict, judgement.trust) == (Verdict.ACCEPTED, "separate_process")


@pytest.mark.parametrize(
    ("returned", "language", "verdict", "explanation"),
    [
        pytest.param(
            (Returned(value=78),),
            Language.PYTHON,
            Verdict.WRONG_ANSWER,
            "f('a\\n', True) returned 78 instead of 77",
            id="wrong value",
        ),
        pytest.param(
            (Returned(value=[True]),),
            Language.JAVASCRIPT,
            Verdict.WRONG_ANSWER,
            'f("a\\n", true) returned [true] instead of 77',
            id="wrong value in the words of its language",
        ),
        pytest.param(
            (RIGHT[0], Returned(unfit="set")),
            Language.PYTHON,
            Verdict.WRONG_ANSWER,
            "f() returned set, and JSON has no word for that",
            id="no plain value",
        ),
        pytest.param(
            (RIGHT[0], Returned(error="ValueError: of\ntwo lines")),
            Language.PYTHON,
            Verdict.RUNTIME_ERROR,
            "f() failed: ValueError: of two lines",
            id="error",
        ),
        pytest.param(
            RIGHT[:1],
            Language.PYTHON,
            Verdict.WRONG_ANSWER,
            "the program ended after 1 of 2 calls",
            id="too few",
        ),
        pytest.param(
            (*RIGHT, Returned(value=1)),
            Language.PYTHON,
            Verdict.WRONG_ANSWER,
            "there are more answers than calls",
            id="too many",
        ),
    ],
)
def test_the_first_call_that_is_not_right_is_named_and_a_hint_is_given_without_its_words(
    returned: tuple[Returned, ...], language: Language, verdict: Verdict, explanation: str
) -> None:
    """A person reads the one; a model that is told the answer returns it, and has solved nothing."""
    judgement = judged(execution(returned=returned), language)
    assert (judgement.verdict, judgement.explanation) == (verdict, explanation)
    assert not any(word in judgement.hint for word in ("77", "78", "true", "two", "f("))


def test_right_values_do_not_excuse_a_program_that_failed() -> None:
    """The answers may be right and the program still have broken off."""
    assert judged(execution(returned=RIGHT, exit_code=1)).verdict is Verdict.RUNTIME_ERROR
    ran = execution(returned=RIGHT, exit_code=None, signal=9, limit_hit="memory")
    assert judged(ran).verdict is Verdict.MEMORY_LIMIT_EXCEEDED
