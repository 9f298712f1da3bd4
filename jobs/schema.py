"""The JSON Schema of the record, made from the models: `python -m jobs.schema` prints it."""

import ast
import inspect
import json
import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from typing_extensions import override

from .models import Record


class _ForReaders(GenerateJsonSchema):
    """What stands below a field in the source is what a reader of the schema wants to know of it.

    Pydantic can read it there as well (`use_attribute_docstrings`), but does so whenever a model is imported, which
    takes a fifth of the time in which a command starts.
    """

    @override
    def field_title_should_be_set(self, schema: Any) -> bool:
        # `startedAt` would be titled "Startedat".
        return False

    @override
    def model_schema(self, schema: Any) -> Any:
        made = super().model_schema(schema)
        kind: type[BaseModel] = schema["cls"]
        for name, text in _told_of_fields(kind).items():
            field = kind.model_fields[name]
            made["properties"][field.serialization_alias or name].setdefault("description", text)
        return made


def _told_of_fields(kind: type[BaseModel]) -> dict[str, str]:
    told: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        if issubclass(each, BaseModel) and each is not BaseModel:
            told |= _below_fields(each)
    return told


def _below_fields(kind: type[BaseModel]) -> Iterator[tuple[str, str]]:
    [defined] = ast.parse(inspect.getsource(kind)).body
    assert isinstance(defined, ast.ClassDef)  # noqa: S101  # no model of ours is defined in a function
    for statement, below in pairwise(defined.body):
        match statement, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(
                value=ast.Constant(value=str(text))
            ):
                yield name, inspect.cleandoc(text)
            case _:
                continue


def record_schema() -> str:
    """The schema of a record as it is stored, as JSON text that always comes out the same."""
    schema = {
        "$schema": _ForReaders.schema_dialect,
        **Record.model_json_schema(mode="serialization", schema_generator=_ForReaders),
    }
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(record_schema())
