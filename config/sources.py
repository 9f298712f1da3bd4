"""Where values are read: the command line, the environment, `.env`, `promptmill.toml`; each keeps its place."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from io import StringIO
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from .errors import Problem
from .leaves import PREFIX, groups, leaves, nearest, variable_of
from .toml_lines import flatten, lines_of

TOML_FILE = "promptmill.toml"
SCHEDULES = "schedules"
"""The tables of that file that declare schedules; they are no settings, and read by `schedules_in`."""
DOTENV_FILE = ".env"
COMMAND_LINE = "command line"

# The weaker first. Both are what Google's own tools read.
WELL_KNOWN_KEY_VARIABLES = ("GOOGLE_API_KEY", "GEMINI_API_KEY")


_HEADER = re.compile(r"\s*\[\[\s*schedules\s*\]\]")


@dataclass(frozen=True)
class Entry:
    """A value that was written somewhere for a setting that exists."""

    name: str
    """The dotted name."""
    value: object = field(repr=False)
    place: str
    """Where it was written, in words for a person."""


@dataclass(frozen=True)
class Variable:
    """A variable of the environment or of `.env`. An empty one counts as unset and never gets here."""

    name: str
    value: str = field(repr=False)
    place: str


@dataclass(frozen=True)
class Found:
    """What the sources hold: the weaker entries first, so that the last of a name is the one in force."""

    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]


def read_sources(
    directory: Path, overrides: Mapping[str, str], environment: Mapping[str, str]
) -> Found:
    """Read everything that may set something. Whatever is wrong is a problem in the result, never an exception."""
    problems: list[Problem] = []
    exported = [
        Variable(name, text, f"{name} (environment)") for name, text in environment.items() if text
    ]
    written = _dotenv_variables(directory / DOTENV_FILE, problems)
    entries = [
        *_well_known_keys(exported, written),
        *_known(_toml_entries(directory / TOML_FILE, problems), problems),
        *_from_variables(written, problems),
        *_from_variables(exported, problems),
        *_known((Entry(name, text, COMMAND_LINE) for name, text in overrides.items()), problems),
    ]
    return Found(tuple(entries), tuple(problems))


@dataclass(frozen=True)
class ScheduleTable:
    """One `[[schedules]]` of `promptmill.toml`, as it was written."""

    values: Mapping[str, object]
    place: str


def schedules_in(directory: Path) -> tuple[ScheduleTable, ...]:
    """The schedules that the project in `directory` declares; none where the file cannot be read as TOML."""
    text = _text_of(directory / TOML_FILE, [])
    try:
        tables = tomllib.loads(text).get(SCHEDULES, [])
    except tomllib.TOMLDecodeError:
        return ()
    lines = text.splitlines()
    places = [number for number, line in enumerate(lines, start=1) if _HEADER.match(line)]
    if len(places) != len(tables):
        # Written in another way, as a list of tables in one line.
        return tuple(ScheduleTable(table, TOML_FILE) for table in tables)
    return tuple(
        ScheduleTable(table, f"{TOML_FILE}:{line}")
        for table, line in zip(tables, places, strict=True)
    )


def _well_known_keys(exported: list[Variable], written: list[Variable]) -> Iterable[Entry]:
    for name in WELL_KNOWN_KEY_VARIABLES:
        for variable in (*written, *exported):
            if variable.name == name:
                place = variable.place if variable in exported else f"{variable.place} ({name})"
                yield Entry("model.api_key", variable.value, place)


def _from_variables(variables: list[Variable], problems: list[Problem]) -> Iterable[Entry]:
    names = {leaf.variable: leaf.name for leaf in leaves().values()}
    for variable in variables:
        if variable.name in names:
            yield Entry(names[variable.name], variable.value, variable.place)
        elif variable.name.upper().startswith(PREFIX):
            meant = nearest(variable.name[len(PREFIX) :].lower().replace("__", "."))
            problems.append(_unknown(variable.name, meant and variable_of(meant), variable.place))


def _known(entries: Iterable[Entry], problems: list[Problem]) -> Iterable[Entry]:
    for entry in entries:
        if entry.name in leaves():
            yield entry
        else:
            problems.append(_unknown(entry.name, nearest(entry.name), entry.place))


def _unknown(name: str, meant: str | None, place: str) -> Problem:
    hint = f"; did you mean {meant}?" if meant else ""
    return Problem(place, f"{name} is not the name of a setting{hint}", is_unknown_name=True)


def _toml_entries(path: Path, problems: list[Problem]) -> Iterable[Entry]:
    text = _text_of(path, problems)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        told = re.search(r"at line (\d+)", str(error))
        place = f"{path.name}:{told[1]}" if told else path.name
        problems.append(Problem(place, f"{path.name} is not TOML: {error}"))
        return
    if not isinstance(table.pop(SCHEDULES, []), list):
        problems.append(Problem(path.name, f"{SCHEDULES} is no list: write [[{SCHEDULES}]]"))
    lines = lines_of(text)
    for name, value in flatten(table):
        if value == {} and name in groups():
            continue
        line = lines.get(name)
        if isinstance(value, list) and get_close_matches(name, [SCHEDULES]):
            place = f"{path.name}:{line}" if line else path.name
            problems.append(
                Problem(place, f"[[{name}]] is not known; did you mean [[{SCHEDULES}]]?")
            )
            continue
        yield Entry(name, value, f"{path.name}:{line}" if line else path.name)


def _dotenv_variables(path: Path, problems: list[Problem]) -> list[Variable]:
    variables = []
    for binding in parse_stream(StringIO(_text_of(path, problems))):
        place = f"{path.name}:{_line_of(binding)}"
        if binding.error:
            problems.append(Problem(place, "this line is not NAME=value"))
        elif binding.key and binding.value:
            variables.append(Variable(binding.key, binding.value, place))
    return variables


def _line_of(binding: Binding) -> int:
    # The parser counts the blank lines before a binding as part of it.
    source = binding.original.string
    return binding.original.line + source[: len(source) - len(source.lstrip())].count("\n")


def _text_of(path: Path, problems: list[Problem]) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        problems.append(Problem(path.name, f"{path.name} is not UTF-8 text (byte {error.start})"))
    except OSError as error:
        problems.append(Problem(path.name, f"{path.name} cannot be read: {error.strerror}"))
    return ""
