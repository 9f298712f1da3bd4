"""What of a hidden check came out: to the model in feedback, or written into an answer."""

from typing import Annotated, Literal

from pydantic import Field

from .wire import Wire


class Leak(Wire):
    """Something of a hidden check that stands where it should not."""

    place: Literal["feedback", "answer"]
    """What the model was told, or the program that it gave: then its outputs may be written down and not worked out."""
    case: Annotated[str, Field(max_length=300)]
    """What the check calls its part, else where that stands."""
    text: Annotated[str, Field(max_length=200)]
    """The beginning of it, white space and quotes made alike."""
