"""Files of tasks that are not what they are called, or not there: what is said of what may have been meant."""

from pathlib import Path

import pytest

from jobs.datasets.readers import read_tasks
from jobs.errors import DatasetError


def test_a_file_that_is_only_called_gzip_is_told_as_that(tmp_path: Path) -> None:
    """Whoever named it so looks for the fault in its text."""
    path = tmp_path / "tasks.jsonl.gz"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(DatasetError) as caught:
        read_tasks(path)
    assert caught.value.facts == {"gzip": "it is none, though it is called so"}


def test_a_table_without_rows_is_told_how_a_table_is_written(tmp_path: Path) -> None:
    """A table whose first line is a row of it has taken that for its columns."""
    path = tmp_path / "tasks.csv"
    path.write_text("a,Print 1.,1\n")
    with pytest.raises(DatasetError, match="holds no task") as caught:
        read_tasks(path)
    assert "name the columns in the first line" in caught.value.fixes[0]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("task.jsonl", "tasks.jsonl"), ("tasks.json", "tasks.jsonl"), ("elsewhere", None)],
)
def test_a_mistyped_path_names_the_file_that_is_nearly_called_so(
    tmp_path: Path, typed: str, meant: str | None
) -> None:
    """It is a letter more often than a folder."""
    (tmp_path / "tasks.jsonl").write_text('{"prompt": "Print 1."}')
    with pytest.raises(DatasetError) as caught:
        read_tasks(tmp_path / typed)
    expected = {} if meant is None else {"did you mean": str(tmp_path / meant)}
    assert caught.value.facts == expected


@pytest.mark.parametrize("typed", ["humanevall", "HumanEval", "human-eval"])
def test_a_mistyped_name_of_a_known_dataset_names_that(typed: str) -> None:
    """It is no file, so nothing that is one tells how it is spelled."""
    with pytest.raises(DatasetError) as caught:
        read_tasks(Path(typed))
    assert caught.value.facts == {"did you mean": "humaneval"}
