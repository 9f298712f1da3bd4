"""Files of tasks that are larger than memory: checked as a whole, and read again row by row."""

import gzip
import json
import os
import tracemalloc
from pathlib import Path

import pytest

from jobs.datasets.readers import piped_tasks, read_tasks
from jobs.errors import DatasetError

GOOD = '{"prompt": "Print 1."}'


def written(folder: Path, content: bytes) -> Path:
    path = folder / "tasks.jsonl"
    path.write_bytes(content)
    return path


def test_a_dataset_takes_no_memory_for_its_rows(tmp_path: Path) -> None:
    """Whoever evaluates a million prompts has no memory for them, nor for the jobs that are made of them."""
    row = json.dumps({"prompt": "x" * 2000})
    dataset_mib = 20_000 * len(row) / 2**20
    path = written(tmp_path, f"{row}\n".encode() * 20_000)
    tracemalloc.start()
    try:
        tasks = read_tasks(path)
        n_read = sum(1 for _ in tasks)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert n_read == len(tasks) == 20_000
    assert peak / 2**20 < dataset_mib / 10


def test_a_file_that_changes_while_it_is_read_is_no_riddle(tmp_path: Path) -> None:
    """It is read twice: once to check it, and once row by row as there is room in the queue."""
    path = written(tmp_path, f"{GOOD}\n{GOOD}\n".encode())
    tasks = read_tasks(path)
    path.write_text(f"{GOOD}\nnot a row\n")
    with pytest.raises(DatasetError, match="changed since it was checked: line 2"):
        list(tasks)


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
