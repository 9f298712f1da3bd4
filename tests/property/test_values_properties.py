"""What holds for all values that programs return, and for all bytes they write in place of values."""

import json

from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from jobs.handed_back import Returned
from jobs.languages import Language
from worker.sandbox.reading import answers_in
from worker.solver.values import is_same

CALLABLE = st.sampled_from([Language.PYTHON, Language.JAVASCRIPT])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, 1, 2**53, -1]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, -0.0, 1.0]),
    st.text(max_size=5),
)
VALUES: st.SearchStrategy[JsonValue] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=8,
)
HOSTILE = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [
            b'{"value": 1}',
            b'{"value": NaN}',
            b'{"value": 1e999}',
            b'{"value": -Infinity}',
            b'{"value": "\\ud800"}',
            b'{"value": {"\\udfff": 1}}',
            b'{"value": "\xed\xa0\x80"}',
            b'{"value": ' + b"9" * 5000 + b"}",
            b'{"value": ' + b"[" * 99 + b"]" * 99 + b"}",
            b'{"value": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
            b"[" * 200_000,
            b'{"value": 1, "error": "x"}',
            b'{"value": 1, "value": 2}',
            b'{"error": 1}',
            b'{"error": "\\ud800"}',
            b'{"unfit": "set"}',
            b'{"unfit": null}',
            b'{"error": "' + b"x" * 10_000 + b'"}',
            b'"value"',
            b"{}",
            b"\x00",
            b"\xff\xfe{\x00}\x00",
        ]
    ),
    VALUES.map(lambda value: json.dumps({"value": value}).encode()),
)


@given(VALUES, CALLABLE)
def test_every_value_is_the_same_as_itself(value: JsonValue, language: Language) -> None:
    """A right program must never be told that it is wrong."""
    assert is_same(value, value, language)
    assert is_same(value, json.loads(json.dumps(value)), language)


@given(VALUES, VALUES, CALLABLE)
def test_sameness_has_no_direction(one: JsonValue, other: JsonValue, language: Language) -> None:
    """Which of the two was expected cannot matter."""
    assert is_same(one, other, language) == is_same(other, one, language)


@given(VALUES, VALUES)
def test_values_of_different_types_are_never_the_same(one: JsonValue, other: JsonValue) -> None:
    """1, 1.0 and True are equal to Python itself, which is how sloppy checks pass wrong programs."""
    if type(one) is not type(other):
        assert not is_same(one, other, Language.PYTHON)
        assert not is_same([one], [other], Language.PYTHON)
        assert not is_same({"a": one}, {"a": other}, Language.PYTHON)
    if is_same(one, other, Language.PYTHON):
        assert json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True) or one == other


@given(st.integers(-(2**53), 2**53))
def test_javascript_has_one_type_of_number_and_booleans_are_none(number: int) -> None:
    """A script cannot tell 1 from 1.0, so neither may its judge; it can tell both from true."""
    assert is_same(number, float(number), Language.JAVASCRIPT)
    assert not is_same(number, bool(number), Language.JAVASCRIPT)


@given(st.lists(HOSTILE, max_size=6).map(b"\n".join), st.sampled_from([b"", b"\n"]))
def test_whatever_a_program_answers_is_read_and_can_be_kept(raw: bytes, end: bytes) -> None:
    """An answer that cannot be stored would have its job delivered again for ever."""
    answers = list(answers_in(raw + end))
    assert len(answers) <= raw.count(b"\n") + 1
    for answer in answers:
        assert Returned.model_validate_json(answer.to_json()) == answer


@given(st.lists(VALUES, max_size=5))
def test_honest_answers_arrive_as_they_are(values: list[JsonValue]) -> None:
    """What protects us from strangers must not change what others say."""
    raw = b"".join(json.dumps({"value": value}).encode() + b"\n" for value in values)
    answers = list(answers_in(raw))
    assert len(answers) == len(values)
    for value, answer in zip(values, answers, strict=True):
        assert is_same(value, answer.value, Language.PYTHON)
