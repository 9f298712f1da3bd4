"""What a run of a dataset was begun with, so that whoever goes on with it need not remember."""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from .conversations import Conversation
from .identifiers import DEFAULT_QUEUE, QueueName
from .limits import Limits
from .priorities import Priority
from .wire import Wire


class LeftOut(Wire):
    """Which rows are run and left out of the score."""

    path: str
    """The file that says so."""
    digest: str
    """Of what it said then."""


class Begun(Wire):
    """What was chosen for a run when it was begun, but for its part of the dataset: that stands in its jobs as well."""

    jobs: Annotated[int, Field(ge=1)] | None = None
    """How many it has. Of a run that Redis has forgotten nobody can say, nor what is None below."""
    samples: Annotated[int, Field(ge=1)]
    form: str | None = None
    """What the rows were said to be."""
    left_out: LeftOut | None = None
    model: str | None
    max_attempts: int | None = None
    """Of a row that does not say for itself."""
    limits: Limits | None = None
    """Likewise."""
    conversation: Conversation = Conversation()
    cache: bool = False
    code_execution: bool = False
    as_recorded: bool = False
    in_batches: bool = False
    queue: QueueName = DEFAULT_QUEUE
    priority: Priority = Priority.NORMAL


def digest_of(excluded: Mapping[str, str]) -> str:
    """The same for the same rows that are left out for the same reasons."""
    words = json.dumps(excluded, sort_keys=True)
    return hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()
