"""What jobs, runs and queues may be called."""

from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

# Ids name files and Redis keys, so they hold nothing that either would read as its own.
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=128)]
_IDENTIFIERS: TypeAdapter[str] = TypeAdapter(Identifier)

# A schedule's runs are called by it and an instant, with a sign between them that nobody else may use.
RunId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(@[0-9TZ]+)?$", max_length=128)]
_RUN_IDS: TypeAdapter[str] = TypeAdapter(RunId)

# No colon: it stands between the parts of a key.
QueueName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]
_QUEUE_NAMES: TypeAdapter[str] = TypeAdapter(QueueName)

DEFAULT_QUEUE = "default"
"""Where jobs go that name no queue, and where workers take from that are told of none."""


def is_identifier(text: str) -> bool:
    """Whether a job or a run could have this id: for ids that a person typed."""
    try:
        _IDENTIFIERS.validate_python(text)
    except ValidationError:
        return False
    return True


def is_run_id(text: str) -> bool:
    """Whether there can be a run of this id: for ids that are looked for."""
    try:
        _RUN_IDS.validate_python(text)
    except ValidationError:
        return False
    return True


def is_queue_name(text: str) -> bool:
    """Whether a queue could have this name: for names that a person typed."""
    try:
        _QUEUE_NAMES.validate_python(text)
    except ValidationError:
        return False
    return True
