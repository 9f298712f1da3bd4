"""What an event may hold when it is written: no secret, no prompt, no program, nothing that steers a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .escaping import escaped, escaped_block
from .redaction import REDACTED, Redactor

if TYPE_CHECKING:
    from structlog.typing import EventDict, WrappedLogger

# Prompts, programs and what they print belong to whoever sent them, not into logs.
_CONTENT_KEYS = frozenset({"prompt", "code", "source", "stdin", "stdout", "stderr", "content"})
_SECRET_KEYS = frozenset(
    {"authorization", "x-goog-api-key", "api_key", "password", "secret", "token"}
)
_WITHHELD_KEYS = _CONTENT_KEYS | _SECRET_KEYS

_BLOCK_KEYS = frozenset({"exception", "stack"})
_FIRST_KEYS = ("time", "level", "event")


class Withhold:
    """A processor: content and secrets become "[redacted]", and what is not plain data becomes text."""

    def __init__(self, redact: Redactor) -> None:
        """Take what `redact` finds out of every text, at any depth."""
        self._redact = redact

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        """Clean every value of `event`; its keys stay."""
        return {key: self._clean(key, value) for key, value in event.items()}

    def _clean(self, key: object, value: object) -> object:
        if isinstance(key, str) and key.lower() in _WITHHELD_KEYS and value is not None:
            return REDACTED
        match value:
            case str():
                return self._redact(value)
            case None | bool() | int() | float():
                return value
            case Mapping():
                return {
                    self._redact(str(name)): self._clean(name, inner)
                    for name, inner in value.items()
                }
            case list() | tuple() | set() | frozenset():
                return [self._clean(None, inner) for inner in value]
            case BaseException():
                return self._redact(repr(value))
            case _:
                return self._redact(str(value))


def in_reading_order(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A processor: time, level and event come first, where an eye and a `cut` look for them."""
    first = {key: event[key] for key in _FIRST_KEYS if key in event}
    return {**first, **event}


def escape_controls(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A processor: characters that would steer a terminal or hide text are written as escapes."""
    return {escaped(key): _escape(key, value) for key, value in event.items()}


def _escape(key: str, value: object) -> object:
    if not isinstance(value, str):
        return value
    return escaped_block(value) if key in _BLOCK_KEYS else escaped(value)
