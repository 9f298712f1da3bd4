"""What the judge promises for every execution there is."""

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from jobs.checkers import (
    Case,
    Check,
    ExitsCleanly,
    ExpectedCall,
    MatchesCalls,
    MatchesOutput,
    PassesTests,
)
from jobs.comparisons import Compare
from jobs.handed_back import Returned
from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import ExecutableCode, Execution, LimitHit, PromptJob
from jobs.verdicts import Verdict
from tests.unit.executions import execution
from worker.solver.judge import judge
from worker.solver.prompts import feedback

STREAMS = st.one_of(
    st.text(max_size=80),
    st.lists(
        st.sampled_from(
            [
                "Traceback (most recent call last):",
                '  File "/w/program.py", line 1, in f',
                "    f()",
                "",
                "AssertionError",
                "ValueError: x",
                "/w/program.cjs:2",
                "TypeError: y",
                "    at f (a:1)",
                "/w/program.sh: 1: no",
                "  + Exception Group Traceback (most recent call last):",
                "4",
            ]
        ),
        max_size=8,
    ).map("\n".join),
)
RETURNED = st.one_of(
    st.builds(Returned, value=st.sampled_from([1, 1.0, True, "1", None, [1], {"a": 1}])),
    st.builds(Returned, error=STREAMS),
    st.builds(Returned, unfit=STREAMS),
)
EXECUTIONS = st.builds(
    execution,
    exit_code=st.sampled_from([None, 0, 1, 127]),
    signal=st.sampled_from([None, 6, 9, 11, 40, 200]),
    limit_hit=st.sampled_from([None, *get_args(LimitHit)]),
    stdout=STREAMS,
    stderr=STREAMS,
    stdout_truncated=st.booleans(),
    stderr_truncated=st.booleans(),
    compile_failed=st.booleans(),
    tests_finished=st.sampled_from([None, True, False]),
    returned=st.none() | st.lists(RETURNED, max_size=3).map(tuple),
)
ADD = (ExpectedCall(arguments=(1,), expected=1),)
# Of the other two not every text is fit to be expected.
WAYS = st.sampled_from([way for way in Compare if way not in {Compare.JSON, Compare.REGEX}])


def an_output(stdin: str, expect: str, compare: Compare, *, public: bool) -> Check:
    return MatchesOutput(cases=(Case(stdin=stdin, expect=expect),), compare=compare, public=public)


CHECKERS: st.SearchStrategy[Check] = st.one_of(
    st.just(ExitsCleanly()),
    st.builds(an_output, STREAMS, STREAMS, WAYS, public=st.booleans()),
    st.sampled_from(
        [
            checker
            for public in (False, True)
            for checker in (
                PassesTests(tests="f()", public=public),
                MatchesCalls(entry_point="f", calls=ADD, public=public),
            )
        ]
    ),
)
CODES = st.builds(
    ExecutableCode,
    language=st.sampled_from(Language),
    code=st.sampled_from(["", "f()\n", "a\nb\nc\n"]),
)


# Time is for other tests: a busy machine must not fail this one.
@given(CODES, EXECUTIONS, CHECKERS)
def test_nothing_is_accepted_that_did_not_end_well(
    code: ExecutableCode, ran: Execution, checker: Check
) -> None:
    """One false pass makes every rate that counts it worthless."""
    if judge(code, ran, checker, Limits()).verdict is Verdict.ACCEPTED:
        assert ran.exit_code == 0
        assert ran.limit_hit is None
        assert not ran.compile_failed
        assert ran.tests_finished is True or not isinstance(checker, PassesTests)
        assert ran.returned is not None or not isinstance(checker, MatchesCalls)


@given(CODES, EXECUTIONS, CHECKERS)
def test_every_execution_has_a_verdict_a_line_and_a_result(
    code: ExecutableCode, ran: Execution, checker: Check
) -> None:
    """What a program did must never become an error of ours."""
    judgement = judge(code, ran, checker, Limits())
    assert judgement.explanation.strip()
    assert "\n" not in judgement.explanation
    assert judgement.result is not None
    assert judgement.result.outcome is judgement.verdict.outcome


@given(CODES, EXECUTIONS, CHECKERS)
def test_whatever_happened_can_be_told_to_the_model(
    code: ExecutableCode, ran: Execution, checker: Check
) -> None:
    """Feedback is made from what strangers' programs print."""
    job = PromptJob(prompt="Print 1.", checker=checker)
    said = feedback(1, job, judge(code, ran, checker, Limits()), code, ran)
    assert said.startswith("Attempt 1 of 3 failed (")
