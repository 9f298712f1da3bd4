"""What every way to compare two outputs promises, whatever a program prints."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.comparisons import Compare, unusable_because
from worker.solver.comparing import Comparison, excerpt, first_difference

# Few letters, so that two texts are often nearly the same.
PIECES = st.sampled_from(
    [
        *("a", "b", "1", "1.0", "-0", "1e5", "1e999", "nan", "inf", "-inf", "9" * 20),
        *(" ", "\t", "\n", "\r\n", "\n\n", "\x0c", "\x00", "é", "'"),
        *("[", "]", "{", "}", '"', ":", ",", "true", "null"),
    ]
)
TEXTS = st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=40)
# From the strictest on, each of which implies the next; lines may also come in another order.
CHAINS = (
    (Compare.EXACT, Compare.LINES, Compare.TOKENS, Compare.FLOAT),
    (Compare.LINES, Compare.UNORDERED_LINES),
)


def is_same(expected: str, got: str, compare: Compare) -> bool:
    return first_difference(expected, got, Comparison(compare)) is None


@given(TEXTS, st.sampled_from([way for way in Compare if way is not Compare.REGEX]))
def test_every_output_is_the_same_as_itself(text: str, compare: Compare) -> None:
    """A right answer that is refused makes a task that nobody can solve."""
    if unusable_because(text, compare) is None:
        assert is_same(text, text, compare)


@given(TEXTS, TEXTS)
def test_what_is_the_same_to_a_strict_way_is_so_to_a_lenient_one(expected: str, got: str) -> None:
    """Their order is how people choose between them."""
    for chain in CHAINS:
        results = [is_same(expected, got, compare) for compare in chain]
        assert results == sorted(results)


@given(TEXTS, TEXTS, st.sampled_from(Compare))
def test_a_difference_is_said_in_one_bounded_line(
    expected: str, got: str, compare: Compare
) -> None:
    """It is shown in lists, and sent to a model, and a stranger's program wrote half of it."""
    if unusable_because(expected, compare) is not None:
        return
    difference = first_difference(expected, got, Comparison(compare))
    if difference is None:
        return
    assert difference.explanation.isprintable()
    assert len(difference.explanation) < 2_000
    assert 0 <= difference.expected_at <= len(expected) + 1
    assert 0 <= difference.got_at <= len(got) + 1


@given(st.text(min_size=1, max_size=200), st.integers(0, 199), st.integers(8, 60))
def test_an_excerpt_is_bounded_and_holds_the_place(text: str, at: int, most: int) -> None:
    """A shown part in which nothing differs would send its reader looking elsewhere."""
    at = min(at, len(text) - 1)
    marked = f"{text[:at]}\N{BLACK DIAMOND}{text[at + 1 :]}"
    shown = excerpt(marked, at, most)
    assert len(shown) <= most + 2
    assert "\N{BLACK DIAMOND}" in shown


MIB = 2**20
LONG = {
    "lines": "1\n" * (MIB // 2),
    "one line": "a" * MIB,
    "blank": " " * MIB,
    "empty lines": "\n" * MIB,
    "digits": "9" * MIB,
    "fractions": "0." + "1" * MIB,
    "exponents": "1e" + "9" * MIB,
    "numbers": "1e308 " * (MIB // 6),
    "deep": "[" * MIB,
    "array": "[" + "1," * (MIB // 2) + "1]",
    "long key": '{"' + "k" * MIB + '": ' + json.dumps([[1]] * 1000) + "}",
}


@pytest.mark.parametrize("got", LONG.values(), ids=LONG.keys())
@pytest.mark.parametrize("compare", list(Compare))
def test_a_long_output_is_compared_in_bounded_time(compare: Compare, got: str) -> None:
    """All jobs of a worker wait while it compares."""
    expected = "(a+)+(1|9|,|\\s)*[ab]{200}b" if compare is Compare.REGEX else f"{got[:-2]}2"
    if unusable_because(expected, compare) is not None:
        expected = "[1]"
    began = time.process_time()
    first_difference(expected, got, Comparison(compare))
    assert time.process_time() - began < 5
