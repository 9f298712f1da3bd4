"""How everything stored or sent is written: frozen models, camelCase JSON, nothing unknown, never pickle."""

import json
from collections.abc import Iterable
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, JsonValue
from pydantic.alias_generators import to_camel

_DEEPEST = 100
"""Half of what pydantic's reader follows, so that what is stored in something else can still be read."""


class Wire(BaseModel):
    """The base of every model that leaves the process."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        # Errors are shown to people and logged; the input may be a prompt or a program.
        hide_input_in_errors=True,
        # Built when the first of it is read or made: most commands meet few of all these models, and a model that lies
        # in another one is built for that one once more.
        defer_build=True,
        # Nothing is left out when it is written.
        json_schema_serialization_defaults_required=True,
    )

    def to_json(self, *, indent: int | None = None) -> str:
        """This model as camelCase JSON, `null` written out: a reader never guesses what was left out."""
        return self.model_dump_json(by_alias=True, indent=indent)


_Value = TypeVar("_Value", bound=JsonValue)


def _writable(value: _Value) -> _Value:
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("half a surrogate pair cannot be written as UTF-8") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ValueError:
        raise ValueError("JSON has no word for NaN and infinity") from None
    level: list[JsonValue] = [value]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in _values(outer)]
        # Nearly always at once: most jobs carry nothing.
        if not level:
            return value
    raise ValueError(f"nested more than {_DEEPEST} deep")


def _values(value: JsonValue) -> Iterable[JsonValue]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


OpaqueJson = Annotated[dict[str, JsonValue], AfterValidator(_writable)]
"""A JSON object that we carry and do not read: whatever is accepted can be written, and read back unchanged."""

PlainJson = Annotated[JsonValue, AfterValidator(_writable)]
"""Any JSON value of which the same holds."""


def is_writable(value: JsonValue) -> bool:
    """Whether a value is a `PlainJson`."""
    try:
        _writable(value)
    except ValueError:
        return False
    return True


def encode(message: dict[str, Any]) -> bytes:
    """Arq's job serializer. An exception, which arq would pickle, becomes its type and message."""
    return json.dumps(message, default=_describe, separators=(",", ":")).encode()


def decode(raw: bytes) -> dict[str, Any]:
    """Arq's job deserializer: the counterpart of `encode`."""
    message: dict[str, Any] = json.loads(raw)
    return message


def _describe(value: object) -> dict[str, str]:
    return {"error": type(value).__name__, "message": str(value)}
