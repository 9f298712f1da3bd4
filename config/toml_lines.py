"""Finds the line of each key in a TOML file, which the standard library's reader does not tell."""

import tomllib
from collections.abc import Iterator, Mapping


def lines_of(text: str) -> dict[str, int]:
    """The line, from 1, on which each dotted key of a well-formed TOML text is set."""
    lines: dict[str, int] = {}
    section: tuple[str, ...] = ()
    for line, source, statement in _statements(text):
        if source.lstrip().startswith("["):
            section = _header_path(statement)
            lines.setdefault(".".join(section), line)
        else:
            lines.update(
                dict.fromkeys((".".join((*section, name)) for name, _ in flatten(statement)), line)
            )
    return lines


def flatten(table: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Each value of nested tables with its dotted name; an empty table is a value."""
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from ((f"{key}.{name}", inner) for name, inner in flatten(value))
        else:
            yield key, value


def _statements(text: str) -> Iterator[tuple[int, str, dict[str, object]]]:
    """Each statement with its first line: lines are added until they are TOML by themselves."""
    pending: list[str] = []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        pending.append(line)
        source = "\n".join(pending)
        try:
            statement = tomllib.loads(source)
        except tomllib.TOMLDecodeError:
            continue
        if statement:
            yield number - len(pending) + 1, source, statement
        pending.clear()


def _header_path(header: Mapping[str, object]) -> tuple[str, ...]:
    path: list[str] = []
    table: object = header
    while isinstance(table, dict) and table:
        ((key, table),) = table.items()
        path.append(key)
    return tuple(path)
