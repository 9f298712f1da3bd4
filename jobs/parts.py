"""Which part of a dataset is run, where that is not all of it."""

import hashlib
import json
from shlex import quote
from typing import Annotated

from pydantic import Field, JsonValue, model_validator

from .languages import Language
from .wire import Wire

MAX_ITEMS = 200
"""Tasks that can be named one by one."""
_FIELDS = "tag=NAME, language=NAME and metadata.KEY=VALUE"
_WORD = Annotated[str, Field(min_length=1, max_length=256)]


class Shard(Wire):
    """One of several parts that have no task in common and are all of it together."""

    number: Annotated[int, Field(ge=1)]
    of: Annotated[int, Field(ge=1, le=10_000)]

    @model_validator(mode="after")
    def _is_one_of_them(self) -> "Shard":
        if self.number > self.of:
            raise ValueError(f"there is no shard {self.number} of {self.of}")
        return self

    def has(self, task_id: str) -> bool:
        """Whether it is this one that the task belongs to: the same one on every machine, whatever else there is."""
        digest = hashlib.sha256(task_id.encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest[:8]) % self.of == self.number - 1


class Where(Wire):
    """What a task has to say of itself."""

    field: _WORD
    """`tag`, `language`, or a key of its metadata, such as `metadata.difficulty`."""
    value: Annotated[str, Field(max_length=256)]

    @model_validator(mode="after")
    def _can_be_looked_for(self) -> "Where":
        if self.field not in {"tag", "language"} and not self.keys:
            raise ValueError(f"there is no field {self.field!r} of tasks; known are {_FIELDS}")
        return self

    @property
    def keys(self) -> tuple[str, ...]:
        """Where in the metadata it stands; empty for the other fields."""
        first, _, rest = self.field.partition(".")
        return tuple(rest.split(".")) if first == "metadata" and rest else ()

    def holds(self, tags: tuple[str, ...], language: Language, metadata: JsonValue) -> bool:
        """Whether a task of which these are said is meant."""
        if self.field == "tag":
            return self.value in tags
        if self.field == "language":
            return self.value == language
        return self.value == value_in(metadata, self.keys)


class Part(Wire):
    """What of a dataset is run: the tasks for which all of it holds."""

    items: Annotated[tuple[_WORD, ...], Field(max_length=MAX_ITEMS)] = ()
    """Ids of tasks; empty means that any will do."""
    where: tuple[Where, ...] = ()
    shard: Shard | None = None
    limit: Annotated[int, Field(ge=1)] | None = None
    """So many at most, the first ones of those that are left by the rest."""

    @property
    def in_words(self) -> str:
        """The flags that mean it, as a shell takes them."""
        words = [
            *(f"--item {quote(item)}" for item in self.items),
            *(f"--where {quote(f'{each.field}={each.value}')}" for each in self.where),
            *([f"--shard {self.shard.number}/{self.shard.of}"] if self.shard else []),
            *([f"--limit {self.limit}"] if self.limit else []),
        ]
        return " ".join(words)


def value_in(metadata: JsonValue, keys: tuple[str, ...]) -> str | None:
    """What stands there, as it is written on a command line; None where nothing does."""
    for key in keys:
        if not isinstance(metadata, dict) or key not in metadata:
            return None
        metadata = metadata[key]
    return metadata if isinstance(metadata, str) else json.dumps(metadata, ensure_ascii=False)
