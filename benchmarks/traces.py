"""What runs could leave behind on a machine: processes, descriptors, mounts, directories, memory."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024
_RSS_AFTER_PARENT = 19
_SETTLE_SECONDS = 5.0
_LOOK_AGAIN_SECONDS = 0.02
_STEADY_LOOKS = 20
_INSIDE = str(Path(__file__).parents[1] / "worker/sandbox/inside/__main__.py").encode()
_CONTROL_GROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Process:
    """One process of this machine."""

    pid: int
    parent: int
    state: str
    rss_kib: int
    words: tuple[bytes, ...]
    """Its command line."""


@dataclass(frozen=True)
class Traces:
    """A count of everything at a moment when nothing runs; equal to an earlier one where nothing leaks."""

    descriptors: int | None
    supervisor_descriptors: tuple[int | None, ...]
    """Of each slot's supervisor; None where it may not be looked at."""
    own_processes: int
    orphans: int
    """Zygotes and programs that were ours and have got away."""
    zombies: int
    mounts: int
    control_groups: int
    directories: int
    """In the folder for temporary files."""


@dataclass(frozen=True)
class Memory:
    """Resident memory in KiB, of this process and of the largest supervisor."""

    own_kib: int
    supervisor_kib: int


def processes() -> dict[int, Process]:
    """Everybody on this machine, by pid."""
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            stat = (place / "stat").read_text(errors="replace")
            words = (place / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it ended while we looked
        pid = int(place.name)
        # After the name, which may hold anything, parentheses too.
        state, parent, *rest = stat.rpartition(")")[2].split()
        rss_kib = int(rest[_RSS_AFTER_PARENT]) * _PAGE_KIB
        found[pid] = Process(pid, int(parent), state, rss_kib, tuple(words))
    return found


def descendants(everybody: dict[int, Process]) -> list[Process]:
    """Ours, parents before children."""
    by_parent: dict[int, list[Process]] = {}
    for process in everybody.values():
        by_parent.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    parents = [os.getpid()]
    while parents:
        children = by_parent.get(parents.pop(), [])
        found += children
        parents += [child.pid for child in children]
    return found


def _ancestors(everybody: dict[int, Process]) -> set[int]:
    """Whom the kernel may hand orphans of ours to."""
    found = {0, 1}
    pid = everybody[os.getpid()].parent
    while pid in everybody and pid not in found:
        found.add(pid)
        pid = everybody[pid].parent
    return found


def supervisors(ours: list[Process], *, is_strict: bool) -> list[Process]:
    """Those of `ours` that watch over a slot; under `strict` they are children of the process that was started."""
    started = [each for each in ours if each.parent == os.getpid() and _INSIDE in each.words]
    if not is_strict:
        return started
    pids = {each.pid for each in started}
    return [each for each in ours if each.parent in pids]


class Lookout:
    """Looks for traces, and remembers who was there before anything was started."""

    def __init__(self, nap: str, temporary: Path, *, is_strict: bool) -> None:
        self._nap = nap.encode()
        self._temporary = temporary
        self._is_strict = is_strict
        self._before = {process.pid for process in self._orphans(processes())}

    def supervisors(self) -> list[Process]:
        """Everybody who watches over a slot, the youngest last."""
        found = supervisors(descendants(processes()), is_strict=self._is_strict)
        return sorted(found, key=lambda process: process.pid)

    def when_settled(self, expected: Traces | None) -> Traces:
        """The traces, as soon as they are what is expected; what is there after five seconds is a leak.

        A zygote makes its next spare after it has reported, so right after a run things are on their way.
        """
        until = time.monotonic() + _SETTLE_SECONDS
        found, n_alike = self.traces(), 0
        while found != expected and n_alike < _STEADY_LOOKS and time.monotonic() < until:
            time.sleep(_LOOK_AGAIN_SECONDS)
            latest = self.traces()
            # Without an expectation, what does not change any more is taken for it.
            n_alike = n_alike + 1 if expected is None and latest == found else 0
            found = latest
        return found

    def traces(self) -> Traces:
        """What is there now."""
        everybody = processes()
        ours = descendants(everybody)
        known = self._before | {process.pid for process in ours}
        watching = supervisors(ours, is_strict=self._is_strict)
        return Traces(
            descriptors=_n_descriptors("self"),
            supervisor_descriptors=tuple(_n_descriptors(str(each.pid)) for each in watching),
            own_processes=len(ours),
            orphans=sum(each.pid not in known for each in self._orphans(everybody)),
            zombies=sum(each.state == "Z" for each in ours),
            mounts=len(Path("/proc/self/mountinfo").read_text().splitlines()),
            control_groups=len(list(_CONTROL_GROUPS.rglob(f"promptmill-{os.getpid()}-*"))),
            directories=len(list(self._temporary.iterdir())),
        )

    def memory(self) -> Memory:
        """What is held now."""
        everybody = processes()
        watching = supervisors(descendants(everybody), is_strict=self._is_strict)
        return Memory(
            everybody[os.getpid()].rss_kib, max((each.rss_kib for each in watching), default=0)
        )

    def _orphans(self, everybody: dict[int, Process]) -> list[Process]:
        """Whoever has our marks and was handed to somebody above us: zygotes of another worker have that as parent."""
        above = _ancestors(everybody)
        return [
            each
            for each in everybody.values()
            if self._nap in each.words or (_INSIDE in each.words and each.parent in above)
        ]


def _n_descriptors(process: str) -> int | None:
    try:
        return len(list(Path(f"/proc/{process}/fd").iterdir()))
    except OSError:
        return None
