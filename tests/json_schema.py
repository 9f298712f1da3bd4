"""The part of JSON Schema that our own schema uses, written from its specification and not from our models."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_SAYS_NOTHING = {"$schema", "$defs", "title", "description", "default", "discriminator"}


@dataclass(frozen=True)
class _Place:
    root: dict[str, Any]
    schema: dict[str, Any]
    value: Any
    path: str

    def inside(self, schema: dict[str, Any], value: Any, step: str = "") -> Iterator[str]:
        return _violations(_Place(self.root, schema, value, self.path + step))


def violations(schema: dict[str, Any], value: Any) -> list[str]:
    """What is wrong with `value`, place by place; a keyword that is not known here is wrong too."""
    return list(_violations(_Place(schema, schema, value, "$")))


def _violations(place: _Place) -> Iterator[str]:
    for keyword in place.schema.keys() - _SAYS_NOTHING:
        if keyword in _NESTED:
            yield from _NESTED[keyword](place)
        elif keyword not in _PLAIN:
            yield f"{place.path}: the schema says {keyword}, which is not known here"
        elif not _PLAIN[keyword](place.schema[keyword], place.value):
            yield f"{place.path}: not {keyword} {place.schema[keyword]}"


def _reference(place: _Place) -> Iterator[str]:
    name = place.schema["$ref"].removeprefix("#/$defs/")
    return place.inside(place.root["$defs"][name], place.value)


def _any_of(place: _Place) -> Iterator[str]:
    choices = place.schema.get("anyOf") or place.schema["oneOf"]
    found = [list(place.inside(choice, place.value)) for choice in choices]
    if all(found):
        yield f"{place.path}: no choice fits: {found}"


def _fields(place: _Place) -> Iterator[str]:
    if not isinstance(place.value, dict):
        return
    known, others = place.schema.get("properties", {}), place.schema["additionalProperties"]
    for name, inner in place.value.items():
        expected = known.get(name, others)
        if expected is False:
            yield f"{place.path}.{name}: unknown"
        elif expected is not True:
            yield from place.inside(expected, inner, f".{name}")


def _items(place: _Place) -> Iterator[str]:
    for position, inner in enumerate(place.value if isinstance(place.value, list) else ()):
        yield from place.inside(place.schema["items"], inner, f"[{position}]")


def _is_of_type(name: str, value: Any) -> bool:
    return isinstance(value, _TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def _is_aware(_: str, value: Any) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


_NESTED: dict[str, Callable[[_Place], Iterator[str]]] = {
    "$ref": _reference,
    "anyOf": _any_of,
    "oneOf": _any_of,
    "properties": lambda _: iter(()),  # with the next
    "additionalProperties": _fields,
    "items": _items,
}
_PLAIN: dict[str, Callable[[Any, Any], bool]] = {
    "type": _is_of_type,
    "required": lambda names, value: not isinstance(value, dict) or value.keys() >= set(names),
    "enum": lambda words, value: value in words,
    "const": lambda word, value: bool(value == word),
    "minimum": lambda bound, value: not _is_of_type("number", value) or value >= bound,
    "maximum": lambda bound, value: not _is_of_type("number", value) or value <= bound,
    "exclusiveMinimum": lambda bound, value: not _is_of_type("number", value) or value > bound,
    "minLength": lambda bound, value: not isinstance(value, str) or len(value) >= bound,
    "maxProperties": lambda bound, value: not isinstance(value, dict) or len(value) <= bound,
    "maxLength": lambda bound, value: not isinstance(value, str) or len(value) <= bound,
    "pattern": lambda form, value: not isinstance(value, str) or bool(re.search(form, value)),
    "format": _is_aware,
}
