"""The processes of this machine, as seen from outside every wall."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024


@dataclass(frozen=True)
class Process:
    """One process at one moment."""

    pid: int
    parent: int
    uid: int
    state: str
    cpu_ticks: int


def processes() -> dict[int, Process]:
    """All there are."""
    found: dict[int, Process] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208  it is a list of numbers
        if name.isdigit():
            with suppress(OSError):
                found[int(name)] = _process(int(name))
    return found


def below(pid: int, among: dict[int, Process]) -> list[Process]:
    """The descendants of a process, parents before children."""
    found: list[Process] = []
    parents = [pid]
    while parents:
        parent = parents.pop()
        children = [each for each in among.values() if each.parent == parent]
        found += children
        parents += [child.pid for child in children]
    return found


def memory_kib(pids: list[int]) -> int:
    """What these hold together: exact where we may ask, at least as much as the truth where we may not.

    They are read one after the other. What one of them shared with the others is theirs when it has ended meanwhile:
    so it does not count.
    """
    held = {pid: _memory_kib(pid) for pid in pids}
    return sum(kib for pid, kib in held.items() if _is_whole(pid))


def mentions(pid: int, text: str) -> bool:
    """Whether a process has this in its environment, arguments or working directory, as far as we may look."""
    place = Path(f"/proc/{pid}")
    for name in ("environ", "cmdline"):
        with suppress(OSError):
            if text.encode() in (place / name).read_bytes():
                return True
    with suppress(OSError):
        return text in os.readlink(place / "cwd")  # noqa: PTH115  where it pointed, though it may be gone
    return False


def _process(pid: int) -> Process:
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    return Process(
        pid=pid,
        parent=int(fields[1]),
        uid=Path(f"/proc/{pid}").stat().st_uid,
        state=fields[0],
        cpu_ticks=sum(map(int, fields[11:13])),
    )


def _is_whole(pid: int) -> bool:
    """Whether a process has not begun to end, whatever its first thread did."""
    with suppress(OSError):
        return any(
            not (task / "statm").read_text().startswith("0 ")
            for task in Path(f"/proc/{pid}/task").iterdir()
        )
    return False


def _memory_kib(pid: int) -> int:
    with suppress(OSError):
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        lines = [line.split() for line in rollup.splitlines()]
        return sum(int(words[1]) for words in lines if words[0] in {"Pss_Anon:", "Pss_Shmem:"})
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_KIB
    return 0
