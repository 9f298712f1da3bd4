"""The settings as a flat list: every dotted name with its variable, what it allows and its default."""

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from .redaction import mask, redact_known_forms
from .settings import Allowed, Settings

PREFIX = "PROMPTMILL_"
_SHOWN_CHARACTERS = 80
_WORDS_OF_KINDS: dict[object, str] = {Path: "a path", bool: "true or false"}


@dataclass(frozen=True)
class Leaf:
    """One setting."""

    group: str
    """The dotted name of the group, which may lie in another one."""
    key: str
    field: FieldInfo
    default: object

    @property
    def name(self) -> str:
        """The dotted name, as `--help`, messages and `promptmill config show` give it."""
        return f"{self.group}.{self.key}"

    @property
    def variable(self) -> str:
        """The name in the environment and in `.env`."""
        return variable_of(self.name)

    @property
    def is_secret(self) -> bool:
        """Whether its value is never shown."""
        return SecretStr in _kinds(self.field)

    @property
    def is_url(self) -> bool:
        """Whether its value may hold a password."""
        return self.key.endswith("url")

    @property
    def allowed(self) -> str:
        """What a value has to be, in words that end a sentence."""
        words = [hint.words for hint in self.field.metadata if isinstance(hint, Allowed)]
        return words[0] if words else _allowed_by_kind(self.field)

    def value_in(self, settings: Settings) -> object:
        """What it is set to in these settings."""
        return getattr(_group_in(settings, self.group), self.key)

    def shown(self, value: object) -> str:
        """`value` as text that may be read by anybody: secrets and passwords are masked."""
        if isinstance(value, SecretStr):
            value = value.get_secret_value()
        if value is None or value == ():
            return "unset"
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, tuple):
            value = ", ".join(value)
        text = str(value).removesuffix(".0") if isinstance(value, float) else str(value)
        return mask(text) if self.is_secret else redact_known_forms(text)


@cache
def leaves() -> dict[str, Leaf]:
    """Every setting by its dotted name, in the order of `Settings`."""
    defaults = Settings()
    every = [
        Leaf(group, key, field, getattr(_group_in(defaults, group), key))
        for group in groups()
        for key, field in fields_of(group).items()
    ]
    return {leaf.name: leaf for leaf in every}


def groups() -> tuple[str, ...]:
    """The dotted names of all groups; one that lies in another comes after it."""
    return tuple(_groups_below(Settings, ""))


def fields_of(group: str) -> dict[str, FieldInfo]:
    """The settings of one group by their keys; groups that lie in it are groups of their own."""
    fields = group_class(group).model_fields.items()
    return {key: field for key, field in fields if _group_of(field) is None}


def group_class(group: str) -> type[BaseModel]:
    """The model behind a group."""
    kind: type[BaseModel] = Settings
    for key in group.split("."):
        inner = _group_of(kind.model_fields[key])
        assert inner is not None, group  # noqa: S101  # `groups` knows no other names
        kind = inner
    return kind


def nearest(name: str) -> str | None:
    """The setting or group that a dotted name was probably meant to be, if there is one."""
    joined = {leaf.name.replace(".", "_"): leaf.name for leaf in leaves().values()}
    if name.replace(".", "_") in joined:
        return joined[name.replace(".", "_")]
    group, _, key = (
        name.rpartition(".") if name.rpartition(".")[0] in groups() else name.partition(".")
    )
    if group not in groups():
        meant = _closest(group, groups())
        return meant and (nearest(f"{meant}.{key}") or meant)
    if close := _closest(key, fields_of(group)):
        return f"{group}.{close}"
    return next((leaf.name for leaf in leaves().values() if leaf.key == key), None)


def variable_of(name: str) -> str:
    """What a dotted name is called in the environment."""
    return PREFIX + name.replace(".", "__").upper()


def shortened(text: str) -> str:
    """`text` in a length that fits into a message."""
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def _groups_below(kind: type[BaseModel], prefix: str) -> Iterator[str]:
    for key, field in kind.model_fields.items():
        inner = _group_of(field)
        if inner is not None:
            yield prefix + key
            yield from _groups_below(inner, f"{prefix}{key}.")


def _group_of(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _group_in(settings: Settings, group: str) -> object:
    found: object = settings
    for key in group.split("."):
        found = getattr(found, key)
    return found


def _kinds(field: FieldInfo) -> tuple[object, ...]:
    members = (
        (field.annotation,)
        if get_origin(field.annotation) is Literal
        else get_args(field.annotation)
    )
    return tuple(kind for kind in members or (field.annotation,) if kind is not type(None))


def _allowed_by_kind(field: FieldInfo) -> str:
    (kind,) = _kinds(field)
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(map(str, get_args(kind)))
    if kind in _WORDS_OF_KINDS:
        return _WORDS_OF_KINDS[kind]
    return ("a whole number " if kind is int else "a number ") + _bounds(field)


def _bounds(field: FieldInfo) -> str:
    words = []
    for bound in field.metadata:
        match bound:
            case Ge(ge=least):
                words.append(f"from {least}")
            case Gt(gt=least):
                words.append(f"above {least}")
            case Le(le=most):
                words.append(f"up to {most}")
            case _:
                continue
    return " ".join(words)


def _closest(name: str, known: Iterable[str]) -> str | None:
    close = difflib.get_close_matches(name, list(known), n=1)
    return close[0] if close else None
