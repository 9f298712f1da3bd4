"""The slot's control groups, where the worker could make some: an exact measure of memory, and a limit without gaps.

Theory of operation. A group is made by the worker, one for each slot and for its life, and the zygote is put into it
before it does anything. Making one for each run would double what a run costs. For each run the limit is written and
the peak is reset; meanwhile the watcher asks what is held, and afterwards the peak is read, and whether the kernel had
to kill. The files are opened once, before the private root hides them, and stay writable through their descriptors.
Version 1 and version 2 name them differently and mean the same.

The zygote is in the group as well: its own few mebibytes come on top of the program's limit.
"""

import os

_MIB = 1024 * 1024
_OWN_ROOM_MIB = 32
# More than any machine has: both versions take it, each has another word for "no limit".
_NO_LIMIT = str(1 << 60)
_MORE_THAN_ANY_KIB = 1 << 50
# The zygote, and under `strict` the process that waits for it.
_OWN_PROCESSES = 2
# What each version calls the limit, the value now and the highest so far, and the count of kills.
_LIMIT = ("memory.limit_in_bytes", "memory.max")
_HELD = ("memory.usage_in_bytes", "memory.current")
_PEAK = ("memory.max_usage_in_bytes", "memory.peak")
_KILLS = ("memory.oom_control", "memory.events")


class Groups:
    """The files of the slot's groups, as far as there are any."""

    def __init__(self, folders: tuple[str, ...]) -> None:
        """Open what is there below `folders`."""
        self._limit = _open_first(folders, _LIMIT, os.O_WRONLY)
        self._processes = _open_first(folders, ("pids.max",), os.O_WRONLY)
        self._held = _open_first(folders, _HELD, os.O_RDONLY)
        self._peak = _open_first(folders, _PEAK, os.O_RDWR)
        self._kills = _open_first(folders, _KILLS, os.O_RDONLY)
        self._kills_before = 0
        self._least_held_kib = _MORE_THAN_ANY_KIB
        self._peak_before_kib = 0

    @property
    def layers(self) -> list[str]:
        """What is in force by them."""
        files = {"cgroup-memory": self._limit, "cgroup-processes": self._processes}
        return [name for name, file in files.items() if file >= 0]

    def reset(self) -> None:
        """Lift the limits of the run before and begin to measure anew: the next one is on its way before it is
        known.
        """
        _write(self._processes, "max")
        _write(self._limit, _NO_LIMIT)
        self._kills_before = self._count_kills()
        if self._held >= 0:
            self._least_held_kib = min(self._least_held_kib, _read_kib(self._held))
        self._peak_before_kib = 0
        if self._peak >= 0:
            try:
                os.pwrite(self._peak, b"0", 0)
            except OSError:
                # A kernel of version 2 before 6.12 cannot reset it: then it tells nothing of a single run.
                os.close(self._peak)
                self._peak = -1
        if self._peak >= 0:
            self._peak_before_kib = _read_kib(self._peak)

    def bound(self, memory_mib: int, processes: int) -> None:
        """Bound the run that has begun."""
        _write(self._processes, str(processes + _OWN_PROCESSES))
        _write(self._limit, str((memory_mib + _OWN_ROOM_MIB) * _MIB))

    def held_kib(self) -> int | None:
        """What the group holds beyond the least that it ever held between runs; None where it is not known.

        Each page counts once. Files of the system that this run or one before it was the first to read count as well,
        until the kernel has another use for their memory. Had those that counted before it begun been given another use
        since, it would be less than what the run holds, by as much; the limit in the kernel holds all the same.
        """
        return max(0, _read_kib(self._held) - self._least_held_kib) if self._held >= 0 else None

    def peak_kib(self) -> int:
        """The most the group held at one moment, beyond what it held when the run began; 0 where it is not known."""
        return max(0, _read_kib(self._peak) - self._peak_before_kib) if self._peak >= 0 else 0

    def has_run_out_of_memory(self) -> bool:
        """Whether the kernel killed somebody since the run began."""
        return self._count_kills() > self._kills_before

    def _count_kills(self) -> int:
        if self._kills < 0:
            return 0
        for line in os.pread(self._kills, 4096, 0).split(b"\n"):
            name, _, value = line.partition(b" ")
            if name == b"oom_kill":
                return int(value)
        return 0


def _read_kib(file: int) -> int:
    return int(os.pread(file, 64, 0)) // 1024


def _write(file: int, value: str) -> None:
    if file >= 0:
        try:
            os.pwrite(file, value.encode(), 0)
        except OSError:
            # Version 1 refuses a limit below what is in use already. The watcher sees it at its next look.
            pass


def _open_first(folders: tuple[str, ...], names: tuple[str, ...], mode: int) -> int:
    for folder in folders:
        for name in names:
            try:
                return os.open(f"{folder}/{name}", mode | os.O_CLOEXEC)
            except OSError:
                continue
    return -1
