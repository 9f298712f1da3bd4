"""What a program hands back beside its output: values that its function returned, and files."""

from typing import Annotated

from pydantic import Field, JsonValue

from .wire import Wire


class Returned(Wire):
    """What one call of a program's function came to."""

    value: JsonValue = None
    error: str | None = None
    """What the function raised; it is not called again then."""
    unfit: str | None = None
    """The type of what it returned, if JSON has no word for that; it is not called again then."""


class Artefact(Wire):
    """A file that a program left in its working directory."""

    name: str
    """Relative to that directory. The program chose it: it is data, and never a path to write to."""
    size_bytes: Annotated[int, Field(ge=0)]
    content_base64: str
    """Its bytes, as many as were allowed."""
    truncated: bool
