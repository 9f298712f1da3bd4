"""A dataset that checks functions by their values, from its row to what is shown of its record."""

import pytest

from jobs.verdicts import Verdict
from tests.standin.running import Standin

from .programs import reply
from .project import Project

pytestmark = pytest.mark.e2e

FIELDS = {"entryPoint": "add", "calls": [{"arguments": [1, 2], "expected": 31337}]}


def test_a_wrong_value_is_shown_to_a_person_and_the_model_hears_only_that_it_was_wrong(
    gemini: Project, standin: Standin
) -> None:
    """A model that was told the answer would write it down, and the rate would count it as solved."""
    standin.says(
        reply("def add(a, b):\n    return a + b"), reply("add = lambda a, b: 30000 + 1337")
    )
    record = gemini.solve("Write add.", **FIELDS)
    assert [attempt.verdict for attempt in record.attempts] == [
        Verdict.WRONG_ANSWER,
        Verdict.ACCEPTED,
    ]
    assert "the function returned a wrong value" in (record.attempts[0].feedback or "")
    assert "31337" not in str(standin.requests)
    assert {attempt.trust for attempt in record.attempts} == {"separate_process"}
    shown = gemini.run("job", "show", record.job_id, "--content").out
    assert "add(1, 2) returned 3 instead of 31337" in shown
    assert "returned:\n    │ 3\n" in shown
    assert "checked   outside the program's process" in shown


def test_rows_of_calls_are_submitted_like_any_others(gemini: Project, standin: Standin) -> None:
    """Whoever generates prompts generates their checks with them."""
    standin.says(reply("def add(a, b):\n    raise ValueError('never')"))
    gemini.write_rows("one.jsonl", [{"prompt": "Write add.", "maxAttempts": 1, **FIELDS}])
    assert gemini.run("submit", "--jsonl", "one.jsonl").code == 0
    assert gemini.run("worker", "--burst").code == 0
    [record] = gemini.records()
    assert record.verdict is Verdict.RUNTIME_ERROR
    assert record.explanation == "add(1, 2) failed: ValueError: never"
