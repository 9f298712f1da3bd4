"""What the service says of a model that could be asked."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ListedModel:
    """One line of `promptmill model list`."""

    name: str
    """As `model.name` takes it."""
    input_tokens: int | None
    """The longest prompt; None where the service does not say."""
    output_tokens: int | None
    """The longest reply, thoughts included."""
