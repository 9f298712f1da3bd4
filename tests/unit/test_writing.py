"""What was asked for comes whole into a file, or not at all."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.errors import UsageError
from worker.cli.writing import deliver


def test_lines_go_to_a_file_and_the_person_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Silence after a minute of work makes people look for what they have just got."""
    deliver(["one", "two"], tmp_path / "report.txt")
    assert (tmp_path / "report.txt").read_text() == "one\ntwo\n"
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("written  ")


def test_without_a_file_they_go_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe is the other half of a shell."""
    deliver(["one", "two"], None)
    assert capsys.readouterr() == ("one\ntwo\n", "")


def test_a_report_that_fails_leaves_the_one_before(tmp_path: Path) -> None:
    """Half a page in place of yesterday's whole one is a loss that nobody asked for."""
    file = tmp_path / "report.html"
    file.write_text("yesterday")

    def lines() -> Iterator[str]:
        yield "today"
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        deliver(lines(), file)
    assert file.read_text() == "yesterday"
    assert list(tmp_path.iterdir()) == [file]


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    """`latest.html` points to where somebody keeps their reports."""
    (tmp_path / "real.html").write_text("old")
    (tmp_path / "latest.html").symlink_to("real.html")
    deliver(["new"], tmp_path / "latest.html")
    assert (tmp_path / "latest.html").is_symlink()
    assert (tmp_path / "real.html").read_text() == "new\n"


def test_what_is_no_file_is_written_to(tmp_path: Path) -> None:
    """A named pipe that is replaced by a file leaves its reader waiting for ever."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    deliver(["one"], pipe)
    reader.join(20)
    assert read == ["one\n"]
    assert pipe.is_fifo()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    """A misspelt path is the usual mistake, and no defect."""
    with pytest.raises(UsageError, match="No such file or directory"):
        deliver(["one"], tmp_path / "nowhere" / "report.html")
