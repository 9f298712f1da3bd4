"""Ways to compare two outputs, and what is said of the first difference."""

import pytest

from jobs.comparisons import Compare
from worker.solver.comparing import Comparison, excerpt, first_difference


@pytest.mark.parametrize(
    ("compare", "expected", "got"),
    [
        (Compare.EXACT, " 1\n", " 1\n"),
        (Compare.LINES, "1\n2", "1 \n2\r\n\n"),
        (Compare.TOKENS, "1 2\n3", "1\n\n 2   3"),
        (Compare.FLOAT, "0.5 yes 1e3", "0.50000001\nyes 1000"),
        (Compare.FLOAT, "nan inf -inf", "NaN Infinity -INF"),
        (Compare.FLOAT, "0", "-0.0000001"),
        (Compare.FLOAT, "1e999", "1e999"),
        (Compare.UNORDERED_LINES, "b\na\na", "a \n\nb\na\n"),
        (Compare.JSON, '{"a": [1, 2.50], "b": null}', '{"b":null,\n"a":[1.0, 25e-1]}\n'),
        (Compare.REGEX, "[0-9]+ ms", "12 ms\n"),
        (Compare.REGEX, "(?s)a.*z\n", "a\nz\n"),
    ],
)
def test_what_a_way_to_compare_overlooks(compare: Compare, expected: str, got: str) -> None:
    """A right answer in another form is right."""
    assert first_difference(expected, got, Comparison(compare)) is None


@pytest.mark.parametrize(
    ("compare", "expected", "got", "explanation"),
    [
        (Compare.EXACT, "1\n", "1", "line breaks at the end of the output: expected 1, got 0"),
        (Compare.EXACT, "1", "1\n\n", "line breaks at the end of the output: expected 0, got 2"),
        (Compare.EXACT, "1\n2\n", "1\n", "line 2: expected '2', got ''"),
        (Compare.EXACT, "1 ", "1", "line 1: expected '1 ', got '1'"),
        (Compare.LINES, "1\n2", "1\n3", "line 2: expected '2', got '3'"),
        (Compare.TOKENS, "1 2", "1\n3", "token 2: expected '2', got '3'"),
        (Compare.TOKENS, "1.0", "1", "token 1: expected '1.0', got '1'"),
        (Compare.FLOAT, "0.5", "0.501", "token 1: expected '0.5', got '0.501'"),
        (Compare.FLOAT, "1", "nan", "token 1: expected '1', got 'nan'"),
        (Compare.FLOAT, "inf", "1e999", "token 1: expected 'inf', got '1e999'"),
        (Compare.FLOAT, "inf", "-inf", "token 1: expected 'inf', got '-inf'"),
        (Compare.FLOAT, "1000", "1_000", "token 1: expected '1000', got '1_000'"),
        (Compare.FLOAT, "yes", "1", "token 1: expected 'yes', got '1'"),
        (
            Compare.UNORDERED_LINES,
            "a\nb",
            "b\nc\nb",
            "the line 'a' is missing; line 2 is not expected: 'c'",
        ),
        (Compare.UNORDERED_LINES, "a", "a\na", "line 2 is not expected: 'a'"),
        (Compare.JSON, "[1]", "[true]", "$[0]: expected 1, got true"),
        (
            Compare.JSON,
            '{"a": {"b": "x"}}',
            '{"a": {"b": ""}}',
            "$['a']['b']: expected 'x', got ''",
        ),
        (Compare.JSON, '{"a": 1}', "{}", "$: the key 'a' is missing"),
        (Compare.JSON, "{}", '{"a": 1}', "$: the key 'a' is not expected"),
        (Compare.JSON, "[1, 2]", "[1]", "$: expected 2 items, got 1"),
        (Compare.JSON, "[]", "{}", "$: expected an array, got an object"),
        (Compare.JSON, "1", "NaN", "the output is no JSON: NaN is no value"),
        (Compare.JSON, "1", "", "the output is no JSON: line 1, column 1: Expecting value"),
        (Compare.REGEX, "a+", "aab", "the output does not match the pattern 'a+'"),
        (Compare.REGEX, "a", "a\n\n", "the output does not match the pattern 'a'"),
    ],
)
def test_the_first_difference_is_named(
    compare: Compare, expected: str, got: str, explanation: str
) -> None:
    """It is what a person would look for."""
    difference = first_difference(expected, got, Comparison(compare))
    assert difference is not None
    assert difference.explanation == explanation


@pytest.mark.parametrize(
    ("absolute", "relative", "expected", "got", "is_same"),
    [
        (0.1, 0, "100", "100.05", True),
        (0.1, 0, "100", "100.2", False),
        (0, 0.1, "100", "109", True),
        (0, 0.1, "-100", "-111", False),
        (0, 0, "0.1", "0.10", True),
        (0, 0, "0.1", "0.1000001", False),
    ],
)
def test_numbers_are_near_within_either_tolerance(
    absolute: float, relative: float, expected: str, got: str, *, is_same: bool
) -> None:
    """Statements of contests mostly say: an absolute or relative error of at most so much."""
    how = Comparison(Compare.FLOAT, absolute, relative)
    assert (first_difference(expected, got, how) is None) is is_same


def test_the_shown_part_holds_the_first_difference() -> None:
    """The first 2,000 characters of an output of a megabyte are mostly right."""
    expected = "".join(f"{n}\n" for n in range(100_000))
    got = expected.replace("77777\n", "wrong\n")
    difference = first_difference(expected, got, Comparison())
    assert difference is not None
    assert "77777" in excerpt(expected, difference.expected_at, 2_000)
    assert "wrong" in excerpt(got, difference.got_at, 2_000)


def test_a_pattern_is_not_tried_on_more_than_it_can_be_matched_with_in_a_second() -> None:
    """Which outputs those are must not depend on how busy the machine is."""
    pattern = "[ab]*a[ab]{900}c"
    difference = first_difference(pattern, "ab" * 2**19, Comparison(Compare.REGEX))
    assert difference is not None
    assert "longer than" in difference.explanation
