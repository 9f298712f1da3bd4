"""Files of tasks that have many bad lines: what is shown of them, and what is only counted."""

import pytest

from jobs.errors import DatasetError
from tests.making import parse_tasks

GOOD = '{"prompt": "Print 1."}'


def test_of_many_bad_lines_the_first_are_shown_and_the_rest_told_together() -> None:
    """A file of the wrong kind has as many errors as lines, and the first ones say it all."""
    with pytest.raises(DatasetError, match="has 25 bad lines of 25") as caught:
        parse_tasks(["{}"] * 25, "tasks")
    facts = caught.value.facts
    assert len(facts) == 21
    assert facts["lines 21-25"] == 'the field "prompt" is missing'
    assert facts["line 20"] == 'the field "prompt" is missing'


def test_the_lines_that_are_not_shown_are_named_as_far_as_anybody_would_read() -> None:
    """Whoever mends the first twenty wants to mend the others on the same visit."""
    scattered = ["{}"] * 20 + [GOOD, "{}", GOOD, "{}", "{}"]
    with pytest.raises(DatasetError) as caught:
        parse_tasks(scattered, "tasks")
    assert list(caught.value.facts)[-1] == "lines 22, 24-25"
    with pytest.raises(DatasetError) as caught:
        parse_tasks(["{}", GOOD] * 1_000, "tasks")
    assert max(map(len, caught.value.facts)) < 200


def test_every_bad_line_has_its_reason_where_there_are_few_of_them() -> None:
    """A reason that is kept back is one that costs another visit, and an id that comes twice is found last of all."""
    twice = '{"id": "a", "prompt": "x"}'
    lines = [twice, *["{}"] * 20, '{"prompt": 1}', twice, '{"prompt": 1}']
    with pytest.raises(DatasetError) as caught:
        parse_tasks(lines, "tasks")
    facts = caught.value.facts
    assert facts["lines 22, 24"] == 'field "prompt" is 1: input should be a valid string'
    assert facts["line 23"] == "id 'a' was already used on line 1"


def test_reasons_stand_in_the_order_of_their_lines() -> None:
    """Whoever mends a file goes through it from above."""
    twice = '{"id": "a", "prompt": "x"}'
    with pytest.raises(DatasetError) as caught:
        parse_tasks([twice, twice, "{}"], "tasks")
    assert list(caught.value.facts) == ["line 2", "line 3"]


def test_of_many_kinds_of_faults_the_last_are_only_counted() -> None:
    """A file in which every line is wrong in its own way would fill the screen."""
    lines = [f'{{"prompt": {number}}}' for number in range(60)]
    with pytest.raises(DatasetError) as caught:
        parse_tasks(lines, "tasks")
    assert len(caught.value.facts) == 41
    assert caught.value.facts["and"] == "20 more, lines 41-60"


def test_lines_that_are_not_even_kept_are_counted() -> None:
    """A wrong file of any length is refused in bounded memory."""
    with pytest.raises(DatasetError, match="has 1200 bad lines of 1200") as caught:
        parse_tasks(["{}"] * 1_200, "tasks")
    assert caught.value.facts["and"] == "200 more, further on"


def test_a_field_that_is_given_in_both_spellings_is_told_as_that() -> None:
    """Either is allowed, so neither is unknown."""
    with pytest.raises(DatasetError) as caught:
        parse_tasks(['{"prompt": "x", "max_attempts": 2, "maxAttempts": 3}'], "tasks")
    assert caught.value.facts == {
        "line 1": '"max_attempts" and "maxAttempts" are one field, and both are given'
    }


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
