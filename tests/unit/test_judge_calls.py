"""How what a function returned becomes a verdict, and which call or test is named in it."""

import pytest
from pydantic import JsonValue

from jobs.checkers import ExpectedCall, MatchesCalls, PassesTests
from jobs.handed_back import Returned
from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import CaseResult, ExecutableCode, Execution
from jobs.verdicts import Verdict
from tests.unit.executions import execution
from worker.sandbox import Verification
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
            "f(): the program ended after 1 of 2 calls",
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


@pytest.mark.parametrize(
    ("language", "error"),
    [
        (Language.PYTHON, "NameError: name 'f' is not defined"),
        (Language.JAVASCRIPT, "ReferenceError: f is not defined"),
    ],
)
def test_an_entry_point_that_is_missing_is_said_to_be(language: Language, error: str) -> None:
    """Nothing of the function is wrong: there is none of that name, and its name is no secret."""
    judgement = judged(execution(returned=(Returned(error=error),), exit_code=0), language)
    assert judgement.verdict is Verdict.RUNTIME_ERROR
    assert judgement.explanation == judgement.hint == "the program defines no 'f' at its top level"
    assert judgement.cases[0].actual == error


def test_a_name_that_is_missing_in_a_function_is_its_own_error() -> None:
    """The function was there, and what it lacks is another name."""
    error = "NameError: name 'g' is not defined"
    judgement = judged(execution(returned=(Returned(error=error),)))
    assert judgement.explanation == f"f('a\\n', True) failed: {error}"
    assert judgement.hint == "the function raised an error"


def test_right_values_do_not_excuse_a_program_that_failed() -> None:
    """The answers may be right and the program still have broken off."""
    assert judged(execution(returned=RIGHT, exit_code=1)).verdict is Verdict.RUNTIME_ERROR
    ran = execution(returned=RIGHT, exit_code=None, signal=9, limit_hit="memory")
    assert judged(ran).verdict is Verdict.MEMORY_LIMIT_EXCEEDED


def test_each_call_has_a_result_of_its_own() -> None:
    """A report that counts tests counts these."""
    judgement = judged(execution(returned=(RIGHT[0], Returned(value=[1]))))
    assert judgement.cases == (
        CaseResult(name="f('a\\n', True)", verdict=Verdict.ACCEPTED, expected="77", actual="77"),
        CaseResult(name="f()", verdict=Verdict.WRONG_ANSWER, expected="None", actual="[1]"),
    )


@pytest.mark.parametrize(
    ("ran", "verdict", "actual"),
    [
        pytest.param(
            execution(returned=RIGHT[:1], exit_code=None, signal=9, limit_hit="cpu"),
            Verdict.TIME_LIMIT_EXCEEDED,
            "killed after 10 s of CPU time",
            id="over a limit",
        ),
        pytest.param(
            execution(returned=RIGHT[:1]),
            Verdict.WRONG_ANSWER,
            "the program ended after 1 of 2 calls",
            id="at its end",
        ),
    ],
)
def test_the_call_that_a_program_ended_in_is_the_one_that_failed(
    ran: Execution, verdict: Verdict, actual: str
) -> None:
    """It never answered, and is what to look at all the same: whoever repairs it has to know the input first."""
    judgement = judged(ran)
    assert judgement.cases[-1] == CaseResult(name="f()", verdict=verdict, actual=actual)
    assert judgement.explanation == f"f(): {actual}"
    assert "f()" not in judgement.hint


def test_a_program_that_answered_no_call_may_never_have_come_to_one() -> None:
    """The first call is no more to blame for a program that does not load than any other."""
    ran = execution(returned=(), exit_code=None, signal=9, limit_hit="cpu")
    assert judged(ran).explanation == "killed after 10 s of CPU time"


def test_right_calls_are_kept_short_and_the_first_wrong_one_around_its_difference() -> None:
    """Ten thousand calls are kept with each attempt."""
    long: JsonValue = ["x" * 5_000, "y"]
    calls = tuple(ExpectedCall(arguments=(long,), expected=long) for _ in range(3))
    checker = MatchesCalls(entry_point="f", calls=calls)
    wrong = Returned(value=["x" * 5_000, "wrong"])
    ran = execution(returned=(Returned(value=long), wrong, wrong))
    code = ExecutableCode(language=Language.PYTHON, code="whatever\n")
    right, first, second = judge(code, ran, checker, Limits()).cases
    assert len(right.actual or "") < 110
    assert len(first.actual or "") > 1_000
    assert len(second.actual or "") < 110
    assert "wrong" in (first.actual or "")
    assert "'y'" in (first.expected or "")
    assert len(first.name) < 200


def test_the_test_that_a_program_hung_in_is_named_where_people_look_first() -> None:
    """A list of a hundred cases with one at its end is read by nobody; of a hidden one nothing is told on."""
    ran = execution(exit_code=None, signal=9, limit_hit="cpu")
    case = "line 2: assert f(1) == 1"
    tested = Verification(ran, "program_ended", "", None, (), stopped_in=case)
    code = ExecutableCode(language=Language.PYTHON, code="whatever")
    judgement = judge(code, ran, PassesTests(tests="assert f(1) == 1"), Limits(), tested=tested)
    assert judgement.explanation == f"{case}: {judgement.cases[-1].actual}"
    assert "killed after 10 s of CPU time" in judgement.explanation
    assert "f(1)" not in judgement.hint
