"""What rows come in: JSON Lines, one JSON array, CSV, Parquet, or plain text with a prompt a line."""

import csv
import json
from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import repeat
from pathlib import Path, PurePath
from typing import IO, Any

from jobs.errors import DatasetError

from . import Task
from .lines import GZIP_SUFFIX, MAX_LINE_MIB, lines_in

_PARQUET = b"PAR1"
_NOTHING = "nothing was queued"
# The fields whose cells are taken as they are written. Every other one is no text, and stands in its cell as JSON.
_TEXTS = frozenset(
    [
        "id",
        "prompt",
        "language",
        "expect",
        "compare",
        "checker",
        "tests",
        "entryPoint",
        "stdin",
        "preamble",
        "reference",
        "brokenReference",
        "cluster",
        "released",
    ]
)
_NAMES = {name: field.alias or name for name, field in Task.model_fields.items()}
OURS = _NAMES | {alias: alias for alias in _NAMES.values()}
"""The names that a row of ours may use for its fields, each with the one that is written."""


class Container(StrEnum):
    """How rows stand in a file."""

    JSON = "json"
    """An object a line, or one array of them."""
    CSV = "csv"
    PARQUET = "parquet"
    TEXT = "text"


def container_of(file: IO[bytes], name: str) -> Container:
    """By its first bytes, where those tell, else by the ending of its name, that of gzip aside."""
    file.seek(0)
    start = file.read(len(_PARQUET))
    if start.startswith(_PARQUET):
        return Container.PARQUET
    suffix = PurePath(name.lower().removesuffix(GZIP_SUFFIX)).suffix
    return {".csv": Container.CSV, ".txt": Container.TEXT}.get(suffix, Container.JSON)


def rows_in(file: IO[bytes], name: str, container: Container | None) -> Iterator[str]:
    """Each row as JSON, from the beginning of the file; empty lines of JSON are passed on, and hold none.

    Raises:
        DatasetError: it cannot be read, or not as what it is said to be.
    """
    if container is Container.PARQUET:
        return _parquet_rows(file, name)
    lines = lines_in(file, name, note=_NOTHING)
    match container:
        case Container.CSV:
            return _csv_rows(lines, name)
        case Container.TEXT:
            return (_json({"prompt": line.strip()}) if line.strip() else "" for line in lines)
        case Container.JSON | None:
            return _json_rows(lines, name)


def _json(row: object) -> str:
    return json.dumps(row, ensure_ascii=False)


def _json_rows(lines: Iterator[str], name: str) -> Iterator[str]:
    for line in lines:
        # A row in a line of its own is no object, and told of as that.
        if line.lstrip().startswith("[") and _is_open(line):
            yield from _array_rows(line, lines, name)
            return
        yield line


def _is_open(line: str) -> bool:
    """Whether a line begins an array of objects."""
    inner = line.lstrip()[1:].lstrip()
    return not inner or inner.startswith("{")


def _array_rows(first: str, others: Iterator[str], name: str) -> Iterator[str]:
    parts, n_characters = [first], len(first)
    for line in others:
        n_characters += len(line)
        if n_characters > MAX_LINE_MIB * 2**20:
            raise DatasetError(
                f"{name} cannot be read: it is one JSON array of more than {MAX_LINE_MIB} MiB",
                fixes=["write one JSON object a line, as  jq -c '.[]' FILE  does"],
                note=_NOTHING,
            )
        parts.append(line)
    try:
        rows = json.loads("".join(parts))
    except (ValueError, RecursionError) as error:
        raise DatasetError(
            f"{name} is no JSON array: {error}",
            fixes=["write one JSON object a line, or one array of objects"],
            note=_NOTHING,
        ) from None
    yield from map(_json, rows)


def _csv_rows(lines: Iterable[str], name: str) -> Iterator[str]:
    csv.field_size_limit(MAX_LINE_MIB * 2**20)
    reader = csv.DictReader(lines, restkey="", strict=True)
    try:
        if "prompt" not in (names := reader.fieldnames or ()) and len(set(names)) < 2:
            raise DatasetError(
                f"{name} has no column named prompt in its first line",
                fixes=["name the columns in the first line, such as  id,prompt,stdin,expect"],
                note=_NOTHING,
            )
        n_passed = 0
        for row in reader:
            # A row is told of by the line that it ends on, of which cells may have several.
            yield from repeat("", reader.line_num - n_passed - 1)
            n_passed = reader.line_num
            if "" in row:
                raise DatasetError(
                    f"{name}: the row that ends on line {reader.line_num} has more cells than there are columns",
                    fixes=['put cells that hold a comma between quotation marks: "a, b"'],
                    note=_NOTHING,
                )
            # What is missing may be the check, without which nearly everything is right.
            if None in row.values():
                raise DatasetError(
                    f"{name}: the row that ends on line {reader.line_num} has fewer cells than there are columns",
                    fixes=["write an empty cell for each column that says nothing of it: a,,"],
                    note=_NOTHING,
                )
            yield _json({key: cell for key, cell in row.items() if cell})
    except csv.Error as error:
        raise DatasetError(
            f"{name} is no CSV: line {reader.line_num}: {error}",
            fixes=["save it as CSV again, with commas and quotation marks"],
            note=_NOTHING,
        ) from None


def _parquet_rows(file: IO[bytes], name: str) -> Iterator[str]:
    try:
        from .parquet import rows_of
    except ModuleNotFoundError as error:
        if error.name != "duckdb":
            raise
        raise DatasetError(
            f"{name} is Parquet, which is read by DuckDB, and that is not installed",
            fixes=["pip install 'promptmill[parquet]'"],
            note=_NOTHING,
        ) from None
    # What was piped lies in a file without a name, which this process has under a number.
    return rows_of(Path(f"/proc/self/fd/{file.fileno()}"), name)


def of_columns(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a table that is none of anybody's format: columns by our names, `stdout`, and what else is known."""
    task = {
        key: value if OURS[key] in _TEXTS else _from_json(value)
        for key, value in row.items()
        if key in OURS
    }
    others = {key: value for key, value in row.items() if key not in OURS}
    if "stdout" in others and "expect" not in task:
        task["expect"] = others.pop("stdout")
    told = task.get("metadata") or {}
    # What is no object is refused with its line.
    return {**task, "metadata": {**others, **told}} if isinstance(told, dict) else task


def _from_json(cell: object) -> object:
    """What is written in a cell; what is no JSON stays as it is, and is refused with its line."""
    try:
        return json.loads(cell) if isinstance(cell, str) else cell
    except (ValueError, RecursionError):
        return cell
