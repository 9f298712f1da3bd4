"""Rows of Parquet files, as JSON. Imports duckdb, an extra."""

from collections.abc import Iterator
from pathlib import Path

import duckdb

from jobs.errors import DatasetError

_AT_A_TIME = 100


def rows_of(path: Path, name: str) -> Iterator[str]:
    """Each row of a Parquet file as a JSON object; `name` is what messages call it.

    Raises:
        DatasetError: it cannot be read.
    """
    with duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"}) as database:
        try:
            found = database.execute(
                "SELECT CAST(to_json(each) AS VARCHAR) FROM read_parquet(?) AS each", [str(path)]
            )
            while rows := found.fetchmany(_AT_A_TIME):
                yield from (row[0] for row in rows)
        except duckdb.Error as error:
            first = str(error).strip().partition("\n")[0]
            raise DatasetError(
                f"{name} cannot be read as Parquet: {first.replace(str(path), name)}",
                fixes=["write it again, or as JSON Lines"],
                note="nothing was queued",
            ) from None
