"""Reading replies whose form nobody promised."""

import pytest
from pydantic import JsonValue

from jobs.usage import Usage
from worker.model.replies import read_object, reply_of


def _with(**candidate: JsonValue) -> dict[str, JsonValue]:
    return {"candidates": [candidate]}


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"candidates": None},
        {"candidates": "none"},
        {"candidates": [None, 1, []]},
        {"candidates": [{}], "promptFeedback": "SAFETY", "usageMetadata": [1]},
        {"modelVersion": 3.8, "responseId": ["r"], "promptFeedback": {"blockReason": 1}},
        {"usageMetadata": {"promptTokenCount": "12", "totalTokenCount": 1.5}},
        _with(content="text", finishReason=1),
        _with(content={"parts": {"text": "a"}}),
        _with(content={"parts": [None, "a", {"text": 1}, {"text": None}, {"thought": True}]}),
        _with(content={"parts": [{"executableCode": "x"}, {"executableCode": {"code": 1}}]}),
    ],
    ids=str,
)
def test_an_object_of_any_form_is_an_empty_reply(answer: dict[str, JsonValue]) -> None:
    """The service grows fields and words at will; none of them may stop a worker."""
    reply = reply_of(answer, latency_seconds=0.5)
    assert (reply.text, reply.code_parts) == ("", ())
    assert (reply.finish_reason, reply.block_reason, reply.model_version) == (None, None, None)
    assert reply.usage == Usage()
    assert reply.latency_seconds == 0.5


@pytest.mark.parametrize("body", ["", " \n"])
def test_an_empty_body_is_an_object_without_fields(body: str) -> None:
    """The service sends it with a 200, and it means that the model said nothing."""
    assert read_object(body) == {}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("<html>", id="HTML"),
        pytest.param('{"candidates": [', id="cut JSON"),
        pytest.param("[]", id="a list"),
        pytest.param("null", id="null"),
        pytest.param("[" * 100_000, id="too deep"),
    ],
)
def test_what_is_no_object_is_a_value_error(body: str) -> None:
    """The caller knows one way in which a body is bad, not five."""
    with pytest.raises(ValueError):  # noqa: PT011  # the words are those of whoever reads JSON
        read_object(body)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param(r'{"a": "x\ud800y"}', "x\ufffdy", id="first half"),
        pytest.param(r'{"a": "x\uDC00"}', "x\ufffd", id="second half"),
        pytest.param(r'{"a": "\ud83d\ude00"}', "\U0001f600", id="whole pair"),
        pytest.param(r'{"a": "\\ud800"}', r"\ud800", id="escaped backslash"),
    ],
)
def test_half_a_character_is_replaced_when_a_reply_is_read(body: str, text: str) -> None:
    """JSON can spell what no file can hold; a reply that cannot be kept would be paid for at every delivery."""
    assert read_object(body) == {"a": text}
