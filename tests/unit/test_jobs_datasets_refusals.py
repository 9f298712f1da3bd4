"""Files of tasks that have many bad lines: what is shown of them, and what is only counted."""

import pytest

from jobs.errors import DatasetError
from tests.making import parse_tasks

GOOD = '{"prompt": "Print 1."}'


def test_of_many_bad_lines_the_first_are_shown_and_the_rest_counted() -> None:
    """A file of the wrong kind has as many errors as lines, and the first ones say it all."""
    with pytest.raises(DatasetError, match="has 25 bad lines of 25") as caught:
        parse_tasks(["{}"] * 25, "tasks")
    facts = caught.value.facts
    assert len(facts) == 21
    assert facts["and"] == "5 more, on lines 21-25"
    assert facts["line 20"] == 'the field "prompt" is missing'


def test_the_lines_that_are_not_shown_are_named_as_far_as_anybody_would_read() -> None:
    """Whoever mends the first twenty wants to mend the others on the same visit."""
    scattered = ["{}"] * 20 + [GOOD, "{}", GOOD, "{}", "{}"]
    with pytest.raises(DatasetError) as caught:
        parse_tasks(scattered, "tasks")
    assert caught.value.facts["and"] == "3 more, on lines 22, 24-25"
    with pytest.raises(DatasetError) as caught:
        parse_tasks(["{}", GOOD] * 1_000, "tasks")
    assert len(caught.value.facts["and"]) < 200


def test_an_id_used_twice_is_an_error_that_names_both_lines() -> None:
    """The second task would count as done as soon as the first one is."""
    line = '{"id": "a", "prompt": "x"}'
    with pytest.raises(DatasetError) as caught:
        parse_tasks([line, GOOD, line], "tasks")
    assert caught.value.facts == {"line 3": "id 'a' was already used on line 1"}


def test_a_given_id_that_is_another_lines_default_is_used_twice() -> None:
    """A row without an id is called by its line, and that name may be taken."""
    with pytest.raises(DatasetError) as caught:
        parse_tasks(['{"id": "line-2", "prompt": "x"}', GOOD], "tasks")
    assert caught.value.facts == {"line 2": "id 'line-2' was already used on line 1"}
