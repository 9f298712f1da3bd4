"""What the processes of a run use, read from /proc."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024
# Places in /proc/<pid>/stat, counted from the state, which follows the name in parentheses.
_UTIME, _CUTIME_END, _THREADS, _RSS = 11, 15, 17, 21


class Usage:
    """What some processes use together at one moment."""

    def __init__(self) -> None:
        self.cpu_seconds = 0.0
        """Theirs, and that of children they have waited for."""
        self.rss_kib = 0
        """Pages shared by several processes count for each of them: never less than the truth."""
        self.tasks = 0
        """Processes and threads."""

    def add(self, stat: str) -> None:
        """Count one process by the content of its `stat`."""
        # The name may hold spaces and parentheses: the program chooses it.
        fields = stat.rpartition(")")[2].split()
        self.cpu_seconds += sum(map(int, fields[_UTIME:_CUTIME_END])) / _TICKS_PER_SECOND
        self.rss_kib += int(fields[_RSS]) * _PAGE_KIB
        self.tasks += int(fields[_THREADS])


def usage(pids: list[int]) -> Usage:
    """What these use now; whoever has ended meanwhile uses nothing."""
    total = Usage()
    for pid in pids:
        stat = _read(f"/proc/{pid}/stat")
        if stat:
            total.add(stat)
    return total


def private_memory_kib(pids: list[int]) -> int:
    """Memory of these, each shared page counted once and files of the system not at all. Exact, and slow."""
    return sum(_own_share_kib(_read(f"/proc/{pid}/smaps_rollup")) for pid in pids)


def everyone_else() -> list[int]:
    """All pids of this PID namespace but 1, which is ours."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and name != "1"]


def descendants() -> list[int]:
    """All descendants of this process. One that loses its parent becomes ours, as we are their subreaper."""
    found: list[int] = []
    parents = [os.getpid()]
    while parents:
        children = _children(parents.pop())
        found += children
        parents += children
    return found


def kill_everyone_else() -> None:
    """Kill this whole PID namespace but ourselves, at one stroke that no fork outruns."""
    try:
        os.kill(-1, 9)
    except ProcessLookupError:
        pass


def kill_descendants() -> None:
    """Kill whoever can be found; a fork may outrun it, so the caller repeats it until nobody is left."""
    for pid in descendants():
        try:
            os.kill(pid, 9)
        except ProcessLookupError:
            continue


class Tree:
    """The way to list and to end the processes of a run."""

    def __init__(self, pids: "Callable[[], list[int]]", kill: "Callable[[], None]") -> None:
        self.pids = pids
        self.kill = kill


NAMESPACE = Tree(everyone_else, kill_everyone_else)
DESCENDANTS = Tree(descendants, kill_descendants)


def _own_share_kib(rollup: str) -> int:
    total = 0
    for line in rollup.splitlines():
        if line.startswith(("Pss_Anon:", "Pss_Shmem:")):
            total += int(line.split()[1])
    return total


def _children(pid: int) -> list[int]:
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except FileNotFoundError:
        return []
    return [
        int(child) for task in tasks for child in _read(f"/proc/{pid}/task/{task}/children").split()
    ]


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
