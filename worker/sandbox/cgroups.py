"""Control groups for slots, where this account may make some: their folders, and their certain removal.

What they are for and how a run uses them stands in `inside/cgroups.py`.
"""

import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_NAME = "promptmill"
_MEMORY_LIMITS = ("memory.max", "memory.limit_in_bytes")
_PROCESS_LIMIT = "pids.max"
# The last process of a group leaves it a moment after it was reaped.
_REMOVE_SECONDS, _LOOK_AGAIN_SECONDS = 2.0, 0.005


@dataclass(frozen=True)
class Mount:
    """One hierarchy of control groups, and where in it this process is."""

    folder: Path
    is_unified: bool


def find_places() -> tuple[Path, ...]:
    """Folders in which slots can have groups that bound them: each found out by making one and removing it."""
    places = []
    for mount in _mounts(
        Path("/proc/self/mountinfo").read_text(), Path("/proc/self/cgroup").read_text()
    ):
        _sweep(mount.folder)
        if mount.is_unified:
            # Nothing can be handed down from a group that has processes of its own, unless it is the root.
            with suppress(OSError):
                (mount.folder / "cgroup.subtree_control").write_text("+memory +pids")
        with suppress(OSError):
            group = mount.folder / _new_name()
            group.mkdir()
            if any((group / name).exists() for name in (*_MEMORY_LIMITS, _PROCESS_LIMIT)):
                places.append(mount.folder)
            group.rmdir()
    return tuple(places)


class SlotGroups:
    """The groups of one slot."""

    def __init__(self, places: Sequence[Path]) -> None:
        """Make them.

        Raises:
            OSError: they can be made no more.
        """
        name = _new_name()
        self.folders: list[Path] = []
        try:
            for place in places:
                folder = place / name
                folder.mkdir()
                self.folders.append(folder)
        except OSError:
            self.remove()
            raise

    def add(self, pid: int) -> None:
        """Put a process into them, and with it all that it will start."""
        for folder in self.folders:
            (folder / "cgroup.procs").write_text(str(pid))

    def remove(self) -> None:
        """Remove them once their last process is gone; calling it twice changes nothing."""
        deadline = time.monotonic() + _REMOVE_SECONDS
        while self.folders:
            try:
                self.folders[-1].rmdir()
            except FileNotFoundError:
                pass
            except OSError:
                if time.monotonic() > deadline:
                    # The next worker that starts here sweeps it away.
                    return
                time.sleep(_LOOK_AGAIN_SECONDS)
                continue
            self.folders.pop()


def _new_name() -> str:
    return f"{_NAME}-{os.getpid()}-{secrets.token_hex(4)}"


def _sweep(folder: Path) -> None:
    """Remove what workers left that were killed."""
    for group in folder.glob(f"{_NAME}-*"):
        pid = group.name.split("-")[1]
        if not Path("/proc", pid).exists():
            with suppress(OSError):
                group.rmdir()


def _mounts(mountinfo: str, own_groups: str) -> Iterator[Mount]:
    """Where this process's groups are, for the hierarchies that can bound memory or processes."""
    paths: dict[str, str] = {}
    for line in own_groups.splitlines():
        _, controllers, path = line.split(":", 2)
        paths |= dict.fromkeys(controllers.split(","), path)
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        root, place = before.split()[3:5]
        kind, _, options = after.split(maxsplit=2)
        names = {""} if kind == "cgroup2" else set(options.split(",")) & {"memory", "pids"}
        if kind not in ("cgroup", "cgroup2"):
            continue
        for name in sorted(names & paths.keys()):
            inside = os.path.relpath(paths[name], root)
            yield Mount(Path(os.path.normpath(f"{place}/{inside}")), kind == "cgroup2")
