"""From the raw JSON of a reply to what we keep of it; fields and words newer than us pass unharmed."""

import json
import re
from collections.abc import Iterator

from pydantic import JsonValue, TypeAdapter

from jobs.models import ModelReply
from jobs.usage import Usage

_Json = dict[str, JsonValue]
_an_object = TypeAdapter(_Json)
# Escaped backslashes and whole pairs are found first, and kept, so that what else is found is half a character.
_HALF_CHARACTERS = re.compile(
    r"(\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
_COUNTS = {
    "prompt_token_count": "promptTokenCount",
    "cached_content_token_count": "cachedContentTokenCount",
    "candidates_token_count": "candidatesTokenCount",
    "thoughts_token_count": "thoughtsTokenCount",
    "total_token_count": "totalTokenCount",
}


def read_object(body: str) -> _Json:
    """The JSON object in `body`; an empty body, which the service does send, is an object without fields.

    Raises:
        ValueError: it is no JSON object.
    """
    try:
        return (
            _an_object.validate_python(json.loads(_with_whole_characters(body)))
            if body.strip()
            else {}
        )
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _with_whole_characters(body: str) -> str:
    """The body with U+FFFD for each lone surrogate: JSON can spell half a character, and no file can hold it."""
    return _HALF_CHARACTERS.sub(lambda found: found[1] or "\\ufffd", body)


def reply_of(answer: _Json, *, latency_seconds: float) -> ModelReply:
    """The reply in the service's answer. What is blocked, cut, empty or of an unknown form is a reply too."""
    candidate = next(objects_in(answer.get("candidates")), {})
    content = candidate.get("content")
    content = content if isinstance(content, dict) else None
    parts = list(objects_in(content.get("parts"))) if content else []
    return ModelReply(
        content=content,
        text="".join(_visible_texts(parts)),
        code_parts=tuple(_codes(parts)),
        finish_reason=_word(candidate.get("finishReason")),
        block_reason=_word(_object(answer.get("promptFeedback")).get("blockReason")),
        model_version=_word(answer.get("modelVersion")),
        response_id=_word(answer.get("responseId")),
        usage=_usage(_object(answer.get("usageMetadata"))),
        latency_seconds=latency_seconds,
    )


def objects_in(value: JsonValue) -> Iterator[_Json]:
    """The objects of a JSON array; none of what is no array."""
    return (
        entry for entry in (value if isinstance(value, list) else ()) if isinstance(entry, dict)
    )


def _visible_texts(parts: list[_Json]) -> Iterator[str]:
    for part in parts:
        if not part.get("thought") and isinstance(text := part.get("text"), str):
            yield text


def _codes(parts: list[_Json]) -> Iterator[str]:
    for part in parts:
        if isinstance(code := _object(part.get("executableCode")).get("code"), str):
            yield code


def _usage(metadata: _Json) -> Usage:
    counts = {name: metadata.get(alias) for name, alias in _COUNTS.items()}
    return Usage(**{name: count for name, count in counts.items() if isinstance(count, int)})


def _word(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None


def _object(value: JsonValue) -> _Json:
    return value if isinstance(value, dict) else {}
