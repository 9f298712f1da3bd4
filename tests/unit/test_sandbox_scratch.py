"""Removing a directory that a stranger has filled."""

import os
from pathlib import Path

from worker.sandbox.inside import scratch


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    """One link to a home would otherwise empty it."""
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("x")
    top = tmp_path / "top"
    (top / "sub").mkdir(parents=True)
    (top / "to-folder").symlink_to(kept)
    (top / "sub" / "to-file").symlink_to(kept / "file")
    scratch.remove(str(top))
    assert not top.exists()
    assert (kept / "file").read_text() == "x"


def test_no_depth_is_too_deep(tmp_path: Path) -> None:
    """Recursion ends at a thousand; a program may nest as deep as it likes."""
    top = tmp_path / "top"
    top.mkdir()
    here = os.open(top, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    scratch.remove(str(top))
    assert not top.exists()


def test_closed_directories_sockets_and_odd_names_are_no_obstacle(tmp_path: Path) -> None:
    """What cannot be removed piles up until the disk is full."""
    top = tmp_path / "top"
    (top / "closed" / "inner").mkdir(parents=True)
    os.mkfifo(top / "closed" / "inner" / "fifo")
    (top / ".lifted-1").mkdir()
    (top / ".lifted-1" / "x").mkdir()
    (Path(os.fsdecode(os.fsencode(top) + b"/a\n\xff"))).write_text("x")
    (top / "closed" / "inner").chmod(0)
    (top / "closed").chmod(0)
    top.chmod(0)
    scratch.remove(str(top))
    assert not top.exists()
