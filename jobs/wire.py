"""How everything stored or sent is written: frozen models, camelCase JSON, nothing unknown, never pickle."""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Wire(BaseModel):
    """The base of every model that leaves the process."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        # Errors are shown to people and logged; the input may be a prompt or a program.
        hide_input_in_errors=True,
    )

    def to_json(self, *, indent: int | None = None) -> str:
        """This model as camelCase JSON, `null` written out: a reader never guesses what was left out."""
        return self.model_dump_json(by_alias=True, indent=indent)


def encode(message: dict[str, Any]) -> bytes:
    """Arq's job serializer. An exception, which arq would pickle, becomes its type and message."""
    return json.dumps(message, default=_describe, separators=(",", ":")).encode()


def decode(raw: bytes) -> dict[str, Any]:
    """Arq's job deserializer: the counterpart of `encode`."""
    message: dict[str, Any] = json.loads(raw)
    return message


def _describe(value: object) -> dict[str, str]:
    return {"error": type(value).__name__, "message": str(value)}
