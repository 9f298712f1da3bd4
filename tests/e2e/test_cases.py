"""A dataset that checks programs by inputs and outputs, from its row to what is shown of its record."""

import pytest

from jobs.verdicts import Verdict
from tests.standin.running import Standin

from .programs import reply
from .project import Project

pytestmark = pytest.mark.e2e

CASES = [
    {"name": "sample", "stdin": "2\n", "expect": "4\n", "public": True},
    {"stdin": "31337\n", "expect": "62674\n"},
    {"stdin": "3\n", "expect": "6\n"},
]


def test_a_person_is_shown_the_first_case_that_failed_and_the_model_only_the_public_one(
    gemini: Project, standin: Standin
) -> None:
    """A sample is there to be repaired by; what scores the answer is not."""
    standin.says(
        reply("print(int(input()) * 3)"),
        reply("n = int(input())\nprint(4 if n == 2 else n)"),
        reply("print(int(input()) * 2)"),
    )
    record = gemini.solve("Double the number.", cases=CASES)
    assert [attempt.verdict for attempt in record.attempts] == [
        Verdict.WRONG_ANSWER,
        Verdict.WRONG_ANSWER,
        Verdict.ACCEPTED,
    ]
    assert [len(attempt.cases) for attempt in record.attempts] == [1, 2, 3]
    sample, hidden = (attempt.feedback or "" for attempt in record.attempts[:2])
    assert (
        "Its input:\n```text\n2\n```\n\nExpected:\n```text\n4\n```\n\nGot:\n```text\n6\n```"
        in sample
    )
    assert "hidden test 2 of 3 failed: the output is not what is expected" in hidden
    assert not any(word in str(standin.requests) for word in ("31337", "62674"))
    shown = gemini.run("job", "show", record.job_id, "--content").out
    assert "attempt 2  wrong_answer  case 2: line 1: expected '62674', got '31337'" in shown
    assert "cases     1 of 3 right, 1 not tried\n" in shown
    assert "input of case 2:\n    │ 31337\n  expected of case 2:\n    │ 62674\n" in shown
    assert "came instead:\n    │ 31337\n" in shown


def test_what_is_typed_with_a_prompt_is_shown_to_the_model(
    gemini: Project, standin: Standin
) -> None:
    """Whoever types what has to come out wants that program, and scores nobody."""
    standin.says(reply("print(41)"), reply("print(42)"))
    assert gemini.run("submit", "Print the answer.", "--expect", "42").code == 0
    assert gemini.run("worker", "--burst").code == 0
    [record] = gemini.records()
    assert "Expected:\n```text\n42\n```" in (record.attempts[0].feedback or "")
