"""What the formats share: how one is recognised, and how what its rows hold is read."""

import ast
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
"""A row as others wrote it, or as we do: by camelCase or snake_case name, a plain JSON value each."""

_NAME = r"[A-Za-z_][\w.]*(?:[ \t]+as[ \t]+\w+)?"
_IMPORT = re.compile(
    rf"^[ \t]*(?:import[ \t]+({_NAME}(?:[ \t]*,[ \t]*{_NAME})*)[ \t]*(?:[#;].*)?$"
    r"|from[ \t]+([A-Za-z_][\w.]*)[ \t]+import\b)",
    re.MULTILINE,
)
_OF_THE_PROGRAM = {"program", "solution", "__main__"}


class ForeignRowError(Exception):
    """A row is not what its format says."""


@dataclass(frozen=True)
class Format:
    """A format of others, by the keys that each of its rows has."""

    name: str
    title: str
    """For people."""
    keys: frozenset[str]
    task: Callable[[Row], dict[str, Any]]
    """A row of ours, by the names of `Task`. Raises `ForeignRowError`, or `KeyError` for a key that is not there."""
    gives: str
    """What comes of a row, for people."""
    also: Callable[[Row], bool] = lambda _: True
    """What else a row has to be, of those that have these keys."""

    def fits(self, row: Row) -> bool:
        """Whether this row is one of it."""
        try:
            return self.keys <= row.keys() and self.also(row)
        except ForeignRowError:
            return False


def text_of(row: Row, key: str) -> str:
    """The text at this key, its line ends as Unix has them; empty where there is none.

    Raises:
        ForeignRowError: there is something else.
    """
    value = row.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ForeignRowError(f'"{key}" is no text')
    return value.replace("\r\n", "\n")


def texts_of(row: Row, key: str) -> list[str]:
    """The texts of the list at this key, or of the JSON or Python list that is written there.

    Raises:
        ForeignRowError: there is something else.
    """
    value = parsed(row.get(key) or [], key)
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ForeignRowError(f'"{key}" is no list of texts')
    return [each.replace("\r\n", "\n") for each in value]


def parsed(value: object, key: str) -> Any:  # noqa: ANN401  (whoever asks knows what it has to be)
    """A value, or the one that is written in a text as JSON, or as Python writes it.

    Raises:
        ForeignRowError: the text holds neither.
    """
    if not isinstance(value, str):
        return value
    for read in (json.loads, ast.literal_eval):
        try:
            return read(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    raise ForeignRowError(f'"{key}" is a text that holds no JSON')


def rest_of(row: Row, *used: str) -> dict[str, Any]:
    """What else is known of a row, for its metadata."""
    return {key: value for key, value in row.items() if key not in used and value is not None}


def requires_of(*sources: str) -> list[str]:
    """The modules beyond the standard library that Python sources import, wherever in them they do."""
    # Not read as Python: tests of a megabyte take a second then.
    found = {
        name.partition(".")[0].split()[0]
        for source in sources
        for several, one in _IMPORT.findall(source)
        for name in (several or one).split(",")
    }
    return sorted(found - sys.stdlib_module_names - _OF_THE_PROGRAM)


def before_function(prompt: str, name: str) -> str:
    """What stands in a prompt in Python before this function: imports, and functions that it may call."""
    head, found, _ = f"\n{prompt}".partition(f"\ndef {name}(")
    return f"{head.strip()}\n" if found and head.strip() else ""


def to_complete(language: str, start: str) -> str:
    """A prompt that asks for the whole of what begins so."""
    fence = "```"
    return (
        "Complete this program. Write it out whole, beginning with what is given, and add nothing that runs by itself."
        f"\n\n{fence}{language}\n{start.rstrip()}\n{fence}"
    )


def to_mend(language: str, broken: str, about: str = "") -> str:
    """A prompt that asks for a program without its fault."""
    fence = "```"
    said = f"{about.strip()}\n\n" if about.strip() else ""
    return (
        f"{said}This program has a fault. Find it, and write the whole corrected program; keep every name."
        f"\n\n{fence}{language}\n{broken.rstrip()}\n{fence}"
    )


def tests_of_method(name: str, calls: Iterable[tuple[list[Any], Any]]) -> str:
    """Asserts about a method of the class `Solution`, given arguments and results."""
    asserts = (f"assert Solution().{name}(*{given!r}) == {expected!r}" for given, expected in calls)
    return "\n".join(asserts)


def lines(parts: Iterable[str]) -> str:
    """The parts that are not empty, one below the other."""
    return "".join(f"{part.rstrip()}\n" for part in parts if part.strip())
