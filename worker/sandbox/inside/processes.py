"""What the processes of a run use, read from /proc."""

import os
import time

from . import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_KILL_AGAIN_SECONDS = 0.001
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024
# Places in /proc/<pid>/stat, counted from the state, which follows the name in parentheses.
_UTIME, _CUTIME_END, _THREADS, _RSS = 11, 15, 17, 21
_ZOMBIE = "Z"
_PARENT = 1
_KCMP_VM = 1
# Whoever still makes new ones after so many has had each of those before read.
_MOST_LISTS = 4


class Usage:
    """What some processes use together at one moment."""

    def __init__(self) -> None:
        self.cpu_seconds = 0.0
        """Theirs, and that of children they have waited for."""
        self.rss_kib = 0
        """Pages shared by several processes count for each of them: never less than the truth."""
        self.tasks = 0
        """Processes and threads that live; the dead wait to be reaped, which may be our own turn."""

    def add(self, stat: str) -> None:
        """Count one process by the content of its `stat`."""
        # The name may hold spaces and parentheses: the program chooses it.
        fields = stat.rpartition(")")[2].split()
        self.cpu_seconds += sum(map(int, fields[_UTIME:_CUTIME_END])) / _TICKS_PER_SECOND
        self.rss_kib += _rss_kib(stat)
        n_threads = int(fields[_THREADS])
        if fields[0] != _ZOMBIE or n_threads > 1:
            self.tasks += n_threads


def usage(pids: list[int]) -> Usage:
    """What these use now; whoever has ended meanwhile uses nothing."""
    total = Usage()
    for pid in pids:
        stat = _read(f"/proc/{pid}/stat")
        if stat:
            total.add(stat)
            if _is_headless(stat):
                total.rss_kib += _rss_kib(_of_a_thread(pid, "stat"))
    return total


def held_memory_kib(pids: "Callable[[], Iterable[int]]", files_kib: int) -> int:
    """Memory of all that `pids` lists and of their files in memory, each page once, files of the system not at all.

    Exact, and slow: a page counts for each process by its share, and one process is read after the other. Where one
    ends meanwhile its share goes over to those that are read later; so only those count that are still there after
    the last, and the list is made again until nobody is new: else who hands its memory on to a child and ends, sooner
    than all the others are read, would never be seen. A page of a file that is mapped as well cannot be told from
    other shared memory: of the two sums the larger one counts.
    """
    shares: dict[int, tuple[int, int]] = {}
    holders: dict[int, list[int]] = {}
    for n_lists in range(_MOST_LISTS):
        n_before = len(holders)
        for pid in pids():
            if pid in holders:
                continue
            parent = _parent(pid)
            if parent in holders and _share_all_memory(pid, parent):
                # Between a vfork and an exec: asked before it is read, for afterwards it may have its own.
                holders[pid] = holders[parent]
                holders[pid].append(pid)
                continue
            holders[pid] = [pid]
            if n_lists and parent in holders and _has_memory(parent):
                # When its parent was read all that it has from there was the parent's alone.
                shares[pid] = _own_kib(pid), 0
            else:
                shares[pid] = _shares_kib(pid)
        if len(holders) == n_before:
            break
    held = [shares[pid] for pid in shares if any(map(_has_memory, holders[pid]))]
    return sum(private for private, _ in held) + max(sum(shared for _, shared in held), files_kib)


def pids_of(uid: int) -> list[int]:
    """Everybody of this user, as far as they can be seen."""
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == uid:
                found.append(int(name))
        except FileNotFoundError:
            continue  # it has ended, and was reaped
    return found


def _everyone_else() -> list[int]:
    """All pids of this PID namespace but 1, which is ours."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and name != "1"]


def _descendants() -> list[int]:
    """All descendants of this process. One that loses its parent becomes ours, as we are their subreaper."""
    found: list[int] = []
    parents = [os.getpid()]
    while parents:
        children = _children(parents.pop())
        found += children
        parents += children
    return found


def kill_everyone_else() -> None:
    """Kill all of this PID namespace whom we may kill, but ourselves, at one stroke that no fork outruns."""
    try:
        os.kill(-1, 9)
    except ProcessLookupError:
        pass


def _kill_descendants() -> None:
    """Kill whoever can be found; a fork may outrun it, so it is repeated until nobody is left."""
    for pid in _descendants():
        try:
            os.kill(pid, 9)
        except ProcessLookupError:
            continue


class Tree:
    """The way to list and to end the processes of a run."""

    def __init__(self, pids: "Callable[[], list[int]]", kill: "Callable[[], None]") -> None:
        self.pids = pids
        self._kill = kill

    def end_everyone(self, reap: "Callable[[], bool] | None" = None) -> None:
        """Kill them all and reap them, until nobody is left; `reap` collects, and says whether there are more.

        Whoever loses its parent becomes our child, so where there is no child there is nobody.
        """
        reap = reap or _reap_unseen
        while reap():
            self._kill()
            time.sleep(_KILL_AGAIN_SECONDS)


NAMESPACE = Tree(_everyone_else, kill_everyone_else)
"""Everybody in the slot's PID namespace, where we are PID 1."""
DESCENDANTS = Tree(_descendants, _kill_descendants)
"""Whoever descends from us, the subreaper."""


def _reap_unseen() -> bool:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _is_headless(stat: str) -> bool:
    """Whether a process lives on in its other threads: with the first one /proc has lost sight of its memory."""
    fields = stat.rpartition(")")[2].split()
    return fields[0] == _ZOMBIE and int(fields[_THREADS]) > 1


def _of_a_thread(pid: int, name: str) -> str:
    """What a thread that still runs says under this name, empty where there is none."""
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    for task in tasks:
        text = _read(f"/proc/{pid}/task/{task}/{name}")
        # The first thread comes first, and is the one that has ended.
        if text and int(task) != pid:
            return text
    return ""


def _rss_kib(stat: str) -> int:
    return int(stat.rpartition(")")[2].split()[_RSS]) * _PAGE_KIB if stat else 0


def _shares_kib(pid: int) -> tuple[int, int]:
    """Its part of anonymous memory, and of shared."""
    rollup = _read(f"/proc/{pid}/smaps_rollup") or _of_a_thread(pid, "smaps_rollup")
    if rollup:
        return _sum_kib(rollup, "Pss_Anon:"), _sum_kib(rollup, "Pss_Shmem:")
    # A program can take itself out of our sight (PR_SET_DUMPABLE): then the cheap number has to do.
    return usage([pid]).rss_kib, 0


def _own_kib(pid: int) -> int:
    """What it has written and shares with nobody."""
    return _sum_kib(_read(f"/proc/{pid}/smaps_rollup"), "Private_Dirty:")


def _parent(pid: int) -> int:
    """Whose child it is, 0 where that cannot be known."""
    stat = _read(f"/proc/{pid}/stat")
    return int(stat.rpartition(")")[2].split()[_PARENT]) if stat else 0


def _share_all_memory(one: int, other: int) -> bool:
    """Whether two processes are one in this (CLONE_VM), as far as the kernel tells."""
    try:
        return syscalls.call("kcmp", one, other, _KCMP_VM, 0, 0) == 0
    except OSError:
        return False


def _has_memory(pid: int) -> bool:
    """Whether it still holds some: the kernel says it does not before it takes the first page from it."""
    own = _read(f"/proc/{pid}/statm")
    if own.startswith("0 "):
        own = _of_a_thread(pid, "statm")
    return own != "" and not own.startswith("0 ")


def _sum_kib(rollup: str, name: str) -> int:
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith(name))


def _children(pid: int) -> list[int]:
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [
        int(child) for task in tasks for child in _read(f"/proc/{pid}/task/{task}/children").split()
    ]


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8", "replace")
    except OSError:
        # It has ended, or hides. Nothing that a program does may end whoever watches it.
        return ""
