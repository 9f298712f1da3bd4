"""Rows that say what is printed: how they become checks, and what is said of their faults."""

import pytest
from pydantic import ValidationError

from jobs.checkers import Case, MatchesOutput
from jobs.comparisons import Compare
from jobs.datasets import Task
from jobs.errors import DatasetError
from jobs.limits import Limits
from tests.making import parse_tasks


def problem_of(line: str) -> str:
    with pytest.raises(DatasetError) as caught:
        parse_tasks([line], "tasks")
    return caught.value.facts["line 1"]


def test_a_row_of_cases_is_checked_by_them_and_compared_as_it_says() -> None:
    """Each case is a run with an input of its own, so the job has none."""
    row = (
        '{"prompt": "x", "compare": "float", "relativeTolerance": 0.1, "runAll": true, "public": true, '
        '"cases": [{"stdin": "1", "expect": "2", "public": false}, {"name": "b", "expect": "3", "compare": "exact"}]}'
    )
    (task,) = parse_tasks([row], "tasks")
    assert task.judged_by == MatchesOutput(
        cases=(
            Case(stdin="1", expect="2", public=False),
            Case(name="b", expect="3", compare=Compare.EXACT),
        ),
        compare=Compare.FLOAT,
        relative_tolerance=0.1,
        run_all=True,
        public=True,
    )
    assert task.to_job("r", max_attempts=1, limits=Limits()).stdin == ""


def test_the_input_of_a_row_goes_into_its_one_case() -> None:
    """One way of checking an output is enough."""
    (task,) = parse_tasks(['{"prompt": "x", "stdin": "1", "expect": "2"}'], "tasks")
    job = task.to_job("r", max_attempts=1, limits=Limits())
    assert (job.stdin, job.checker) == ("", MatchesOutput(cases=(Case(stdin="1", expect="2"),)))


@pytest.mark.parametrize(
    ("line", "what"),
    [
        pytest.param(
            '{"prompt": "x", "expect": "1", "cases": [{"expect": "1"}]}',
            'give either "expect" or "cases", not both',
            id="output twice",
        ),
        pytest.param(
            '{"prompt": "x", "stdin": "1", "cases": [{"expect": "1"}]}',
            '"stdin" goes into each of the "cases"',
            id="input beside cases",
        ),
        pytest.param(
            '{"prompt": "x", "cases": [{"stdin": "1", "expectd": "1", "expect": "1"}]}',
            'did you mean "cases.0.expect"?',
            id="near field of a case",
        ),
        pytest.param(
            '{"prompt": "x", "cases": [{"expect": "1", "weight": 2}]}',
            "known are name, stdin, expect, compare, public",
            id="unknown field of a case",
        ),
        pytest.param(
            '{"prompt": "x", "cases": []}',
            'field "cases" is []: at least 1 of them is needed',
            id="no case",
        ),
        pytest.param(
            '{"prompt": "x", "expect": "1", "relativeTolerance": 0.1}',
            '"relativeTolerance" goes with "compare": "float"',
            id="tolerance of nothing",
        ),
        pytest.param(
            '{"prompt": "x", "cases": [{"name": "a", "expect": "1"}, {"expect": "2"}, {"name": "a", "expect": "3"}]}',
            "cases 1 and 3 are both called 'a'",
            id="two cases of one name",
        ),
        pytest.param(
            '{"prompt": "x", "cases": [{"name": "case 2", "expect": "1"}, {"expect": "2"}]}',
            "cases 1 and 2 are both called 'case 2'",
            id="the name of another case",
        ),
        pytest.param(
            '{"prompt": "x", "compare": "regexp", "expect": "1"}',
            'field "compare" is "regexp": input should be',
            id="unknown way to compare",
        ),
        pytest.param(
            '{"prompt": "x", "compare": "regex", "cases": [{"expect": "1"}, {"expect": "("}]}',
            "what case 2 expects is no pattern of RE2: missing )",
            id="no pattern",
        ),
        pytest.param(
            '{"prompt": "x", "compare": "regex", "expect": "([ab]{900}){2}"}',
            "what case 1 expects is no pattern|too large a pattern",
            id="large pattern",
        ),
        pytest.param(
            '{"prompt": "x", "compare": "json", "expect": "[1,"}',
            "what case 1 expects is no JSON: line 1, column 4",
            id="no JSON",
        ),
        pytest.param(
            '{"prompt": "x", "tests": "f()", "compare": "json"}',
            '"compare" goes with "expect" or "cases"',
            id="tests that are compared",
        ),
        pytest.param(
            '{"prompt": "x", "expect": "1", "relativeTolerance": -1}',
            'field "relativeTolerance" is -1: ',
            id="tolerance below nothing",
        ),
        pytest.param(
            '{"prompt": "x", "expect": "1", "runAll": true}',
            '"runAll" goes with "cases"',
            id="all of one case",
        ),
        pytest.param(
            '{"prompt": "x", "expect": "1", "checker": "def chk(a): pass"}',
            '"checker" cannot be used: it has no function `check`',
            id="checker that cannot be asked",
        ),
        pytest.param(
            '{"prompt": "x", "public": true}',
            '"public" is said of a check, and this row has none',
            id="public without a check",
        ),
        pytest.param(
            '{"prompt": "x", "checks": [{"tests": "assert f()", "stdin": "1"}]}',
            '"stdin" of check 1 goes with its "expect"',
            id="an input that no run is given",
        ),
        pytest.param(
            '{"prompt": "x", "expect": "1", "public": 1}',
            'field "public" is 1: ',
            id="one for true",
        ),
    ],
)
def test_a_fault_is_said_in_words(line: str, what: str) -> None:
    """The message has to be enough to mend the line."""
    problem = problem_of(line)
    assert any(word in problem for word in what.split("|")), problem


def test_a_list_is_not_called_too_short_for_what_is_wrong_with_an_item() -> None:
    """Whoever is told that ten cases are none looks in the wrong place."""
    problem = problem_of('{"prompt": "x", "cases": [{"expect": 1}]}')
    assert problem == 'field "cases.0.expect" is 1: input should be a valid string'


def test_a_tolerance_may_be_for_one_case_alone() -> None:
    """The way to compare is a case's own where it says so."""
    row = '{"prompt": "x", "absoluteTolerance": 0.1, "cases": [{"expect": "a"}, {"expect": "1", "compare": "float"}]}'
    (task,) = parse_tasks([row], "tasks")
    assert isinstance(task.judged_by, MatchesOutput)
    assert task.judged_by.absolute_tolerance == 0.1


@pytest.mark.parametrize(
    "cases",
    [
        pytest.param([{"expect": ""}] * 1001, id="too many"),
        pytest.param([{"expect": "x" * 16_777_216, "stdin": "y" * 16_777_217}], id="one too long"),
        pytest.param([{"expect": "x" * 12_000_000}] * 3, id="too long together"),
    ],
)
def test_cases_are_bounded(cases: list[dict[str, str]]) -> None:
    """All of them pass through Redis with their job, and each is a run."""
    with pytest.raises(ValidationError):
        Task.model_validate({"prompt": "x", "cases": cases})
