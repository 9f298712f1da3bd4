"""What runs on this machine, as the kernel tells it."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """One process; the time of its start tells it from a later one with the same number."""

    pid: int
    started_ticks: int

    @property
    def is_alive(self) -> bool:
        """Whether it runs; a zombie does not."""
        stat = _stat(self.pid)
        return stat is not None and stat.started_ticks == self.started_ticks and stat.state != "Z"

    def kill(self) -> None:
        """End it at once."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


@dataclass(frozen=True)
class _Stat:
    state: str
    parent: int
    group: int
    started_ticks: int


def tree_of(pid: int) -> frozenset[Process]:
    """The process and all its living descendants."""
    stats = dict(_all())
    found, ahead = set(), [pid]
    while ahead:
        one = ahead.pop()
        if one in stats:
            found.add(Process(one, stats[one].started_ticks))
            ahead += [child for child, stat in stats.items() if stat.parent == one]
    return frozenset(found)


def group_of(group: int) -> frozenset[Process]:
    """Every living process of a process group."""
    return frozenset(
        Process(pid, stat.started_ticks)
        for pid, stat in _all()
        if stat.group == group and stat.state != "Z"
    )


def that_concern(folder: Path) -> frozenset[Process]:
    """Every process that works in `folder`, or was started with a path in it."""
    return frozenset(
        Process(pid, stat.started_ticks) for pid, stat in _all() if _concerns(pid, str(folder))
    )


def _concerns(pid: int, folder: str) -> bool:
    with suppress(OSError):
        words = (_PROC / str(pid) / "cmdline").read_bytes().decode("utf-8", "replace")
        return folder in words or str((_PROC / str(pid) / "cwd").readlink()).startswith(folder)
    return False


def _all() -> Iterator[tuple[int, _Stat]]:
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))) is not None:
            yield int(entry.name), stat


def _stat(pid: int) -> _Stat | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return None
    # The name before the closing bracket may hold anything.
    fields = text.rpartition(")")[2].split()
    return _Stat(fields[0], int(fields[1]), int(fields[2]), int(fields[19]))
