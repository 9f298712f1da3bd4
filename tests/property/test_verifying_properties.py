"""What the tests' side makes of any answer whatever: a value that can be handed back, or an answer that is none."""

import json

from hypothesis import given
from hypothesis import strategies as st

from worker.sandbox.inside.verifying.endings import CannotCrossError
from worker.sandbox.inside.verifying.reading import MalformedError, Reader
from worker.sandbox.inside.verifying.standins import Standins, number_of
from worker.sandbox.inside.verifying.writing import Writer

_KINDS = (
    *(
        "i",
        "n",
        "c",
        "b",
        "B",
        "l",
        "t",
        "s",
        "f",
        "q",
        "d",
        "C",
        "D",
        "O",
        "dk",
        "dv",
        "di",
        "r",
        ".",
    ),
    *("N", "v", "p", "K", "M", "m", "x", "g", "k", "h", "E"),
)
_WORDS = (
    *("math", "re", "typing", "collections", "random", "_inst", "__loader__", "_cache", "List", "Counter", "deque"),
    *("decimal.Decimal", "fractions.Fraction", "datetime.date", "re.Pattern", "type", "Exception", "eval", "1f", "nan"),
    *("coroutine", "__eq__", "__call__", "<f8", "O", "00ff"),
)  # fmt: skip
_ERRORS = (
    *(["K", name] for name in ("ValueError", "OSError", "ExceptionGroup", "SyntaxError", "KeyboardInterrupt", "type")),
    *(["m", "decimal", "InvalidOperation"], ["m", "re", "error"], ["k", 1, "Odd", [["K", "KeyError"]], []], ["k", 1]),
)  # fmt: skip
_leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 9),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(_WORDS),
    st.text(max_size=3),
)
_trees = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(st.sampled_from(_KINDS), inner, inner).map(list),
        st.tuples(st.sampled_from(_KINDS), inner).map(list),
        st.tuples(st.sampled_from(_KINDS), st.lists(inner, max_size=3)).map(list),
        st.tuples(st.sampled_from(("m", "K", "M", "v")), st.sampled_from(_WORDS), inner).map(list),
        st.tuples(st.sampled_from(("g", "h", "k")), inner, inner, inner).map(list),
        st.tuples(
            st.just("E"),
            st.sampled_from(_ERRORS),
            st.tuples(st.just("t"), st.lists(inner, max_size=3)).map(list),
            st.tuples(
                st.just("d"),
                st.lists(st.tuples(st.sampled_from(("args", "name", "code")), inner), max_size=2),
            ).map(list),
            st.text(max_size=3),
        ).map(list),
        st.tuples(
            st.just("k"),
            st.integers(0, 9),
            st.sampled_from(_WORDS),
            st.lists(inner),
            st.lists(inner),
        ).map(list),
    ),
    max_leaves=12,
)


def _asked(*question: object) -> object:
    raise AssertionError(f"nobody is asked here: {question}")


def _can_be_handed_back(value: object) -> bool:
    try:
        Writer(number_of, {}).item(value)
    except CannotCrossError:
        return False
    except (TypeError, ValueError, RecursionError):
        return True  # an error of the tests' own code, which ends no more than their case
    return True


@given(_trees)
def test_any_answer_is_a_value_that_can_be_handed_back_or_none_at_all(tree: object) -> None:
    """Else a program could end its tests, or have them run where it can cheat, by what it returns."""
    standins = Standins(_asked, {})
    reader = Reader(standins)
    try:
        value = reader.value(json.loads(json.dumps(tree)))
    except MalformedError:
        return
    assert _can_be_handed_back(value), f"{tree!r} came as {value!r}"


@given(st.binary(max_size=60))
def test_any_bytes_are_a_message_or_none(raw: bytes) -> None:
    """Nobody can trust what comes from the program."""
    try:
        kind, parts = Reader(Standins(_asked, {})).message(raw)
    except MalformedError:
        return
    assert isinstance(kind, str)
    assert isinstance(parts, list)
