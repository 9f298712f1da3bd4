"""Rows that come through a pipe, which gives everything once."""

import gzip
import os

import pytest

from jobs.datasets.readers import piped_tasks

GOOD = '{"prompt": "Print 1."}'


@pytest.mark.parametrize("is_gzipped", [False, True], ids=["plain", "gzipped"])
def test_what_comes_through_a_pipe_is_read_twice_as_well(*, is_gzipped: bool) -> None:
    """A pipe gives everything once, and nothing may be queued of a document that has a bad row at its end."""
    raw = f"{GOOD}\n{GOOD}\n".encode()
    reading, writing = os.pipe()
    with open(writing, "wb") as file:  # noqa: PTH123  (it has no path)
        file.write(gzip.compress(raw) if is_gzipped else raw)
    with open(reading, "rb") as file:  # noqa: PTH123
        tasks = piped_tasks(file, "standard input")
    for _ in range(2):
        assert [task.id for task in tasks] == ["line-1", "line-2"]
