"""Rows of results in DuckDB: Parquet files, and questions in SQL. Alone imports duckdb."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from jobs.errors import UsageError

from .rows import ResultRow

TABLE = "results"
_ASK = f"ask of the table {TABLE}"
_COLUMNS = {
    "sample": "INTEGER",
    "solvedAt": "INTEGER",
    "attempts": "INTEGER",
    "simulated": "BOOLEAN",
    "totalTokens": "BIGINT",
    "costUsd": "DOUBLE",
    "modelSeconds": "DOUBLE",
    "cpuSeconds": "DOUBLE",
    "startedAt": "TIMESTAMPTZ",
    "finishedAt": "TIMESTAMPTZ",
}


def write_parquet(rows: Iterable[ResultRow], path: Path) -> None:
    """Write the rows to a Parquet file, over one that is there.

    Raises:
        UsageError: it cannot be written there.
    """
    with _holding(rows) as database:
        try:
            database.table(TABLE).write_parquet(str(path))
        except duckdb.IOException as error:
            raise UsageError(f"{str(path)!r} cannot be written: {error}") from error


def query(rows: Iterable[ResultRow], sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """What one statement says of the rows, which are the table `results`: names of columns, and rows of its own.

    Raises:
        UsageError: it is none that DuckDB understands, or not one.
    """
    with _holding(rows) as database:
        try:
            statements = database.extract_statements(sql)
            if len(statements) != 1:
                raise UsageError(
                    f"that is {len(statements) or 'no'} statements, and one is asked at a time",
                    fixes=[_ASK],
                )
            answer = database.execute(statements[0])
            return [column[0] for column in answer.description or ()], answer.fetchall()
        except duckdb.Error as error:
            raise UsageError(
                f"DuckDB does not understand that: {str(error).strip()}",
                fixes=[f"{_ASK}, whose columns are {', '.join(_aliases())}"],
            ) from error


@contextmanager
def _holding(rows: Iterable[ResultRow]) -> Iterator[duckdb.DuckDBPyConnection]:
    # It would load from the network what a statement seems to need.
    offline: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    with (
        duckdb.connect(":memory:", config=offline) as database,
        tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file,
    ):
        # Row by row into the table would take minutes for a hundred thousand.
        file.writelines(f"{row.to_json()}\n" for row in rows)
        file.flush()
        columns = {alias: _COLUMNS.get(alias, "VARCHAR") for alias in _aliases()}
        database.execute("SET TimeZone = 'UTC'")
        database.execute(
            f"CREATE TABLE {TABLE} AS SELECT * FROM read_json(?, format = 'newline_delimited', columns = ?, "  # noqa: S608
            "maximum_object_size = 268435456)",
            [file.name, columns],
        )
        yield database


def _aliases() -> list[str]:
    return [field.alias or name for name, field in ResultRow.model_fields.items()]
