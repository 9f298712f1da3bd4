"""The JSON Schema of the record, made from the models: `python -m jobs.schema` prints it."""

import json
import sys
from typing import Any

from pydantic.json_schema import GenerateJsonSchema
from typing_extensions import override

from .models import Record


class _WithoutTitles(GenerateJsonSchema):
    @override
    def field_title_should_be_set(self, schema: Any) -> bool:
        # `startedAt` would be titled "Startedat".
        return False


def record_schema() -> str:
    """The schema of a record as it is stored, as JSON text that always comes out the same."""
    schema = {
        "$schema": _WithoutTitles.schema_dialect,
        **Record.model_json_schema(mode="serialization", schema_generator=_WithoutTitles),
    }
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(record_schema())
