"""Watches a running program: holds the limits over its whole tree, ends it, and says why it ended.

Theory of operation. The kernel's own limits hold for one process each; a program may start many. So the supervisor
looks at the whole tree every few milliseconds, adds up what it uses, and kills all of it at one stroke when a limit is
passed. It says why it killed: a signal alone cannot tell memory from time. A look is a listing of the slot's own
/proc, which holds this run and nothing else. When the program's first process has ended, however it did, the rest is
killed and reaped until there is nobody left to reap; only then is there a report.
"""

import math
import os
import select
import time

from . import processes
from .protocol import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .cgroups import Groups
    from .walls import Walls

_KIB = 1024
# Most programs are over within the first tenth of a second, and most allocations go wrong there.
_EARLY_SECONDS, _EARLY_LOOK_MS, _LATER_LOOK_MS = 0.1, 5, 20
# A look also comes before a program could fill the memory that is left to it: a few cores touch new pages at about
# 4 GiB/s. It does not come sooner than this, or a program that lives near its limit would be slowed down by looks.
_FILLED_KIB_PER_MS, _SHORTEST_LOOK_MS = 4096, 2
# An exact look that only the peak is wanted of waits so many times as long as the last one took: the processor is the
# program's.
_REST = 9
_SIGKILL, _SIGXCPU, _SIGXFSZ = 9, 24, 25


class Watcher:
    """One program, from its start to the death of the last process it left behind."""

    def __init__(
        self, pid: int, request: Request, walls: "Walls", groups: "Groups", scratch: int
    ) -> None:
        """Watch `pid`; `scratch` is a descriptor of its scratch directory."""
        self._pid = pid
        self._request = request
        self._tree = walls.tree
        self._groups = groups
        self._scratch = scratch if walls.is_scratch_private else -1
        self._started = time.monotonic()
        self._reaped_cpu_seconds = 0.0
        self._cpu_seconds_before = 0.0
        self._held_kib = 0
        self._exact_again_at = 0.0
        self._largest_kib = 0
        self.wait_status: int | None = None
        self.reason = ""
        self.wall_seconds = 0.0
        self.peak_kib = 0
        self.peak_processes = 1

    @property
    def cpu_seconds(self) -> float:
        """User and system time of all that were reaped, what the spare used before it had a job included."""
        return self._reaped_cpu_seconds

    def run_to_the_end(self, process: int, control: int, cpu_seconds_before: float) -> None:
        """Wait for the program or a limit, kill whatever is left, and reap all of it.

        `process` becomes readable when the program's first process ends, `control` when the worker wants it to.
        """
        self._cpu_seconds_before = cpu_seconds_before
        self._reaped_cpu_seconds -= cpu_seconds_before
        events = select.poll()
        events.register(control, select.POLLIN)
        events.register(process, select.POLLIN)
        self.reason = self._watch(events, control)
        self.wall_seconds = self._elapsed()
        self._tree.end_everyone(self._reap)
        # Of a program that was over before the first look the kernel has kept one number, system files included.
        self.peak_kib = self.peak_kib or self._largest_kib
        if self._scratch >= 0:
            # Else the group counts files on the host's disk as well, as long as the kernel remembers them.
            self.peak_kib = max(self.peak_kib, self._groups.peak_kib())
        self.reason = self.reason or self._reason_of_the_end()

    def _watch(self, events: select.poll, control: int) -> str:
        while True:
            for descriptor, _ in events.poll(self._milliseconds_to_next_look()):
                if descriptor == control:
                    # Anything said in the middle of a run means stop; so does a worker that went away.
                    return "cancelled"
            self._reap()
            if self.wait_status is not None:
                return ""
            reason = self._limit_hit()
            if reason:
                return reason

    def _limit_hit(self) -> str:
        if self._elapsed() > self._request.wall_seconds:
            return "wall"
        pids = self._tree.pids()
        used = processes.usage(pids)
        self.peak_processes = max(self.peak_processes, used.tasks)
        if used.cpu_seconds + self._reaped_cpu_seconds > self._request.cpu_seconds:
            return "cpu"
        if used.tasks > self._request.processes:
            return "processes"
        return "memory" if self._is_over_memory(pids, used) else ""

    def _is_over_memory(self, pids: list[int], used: processes.Usage) -> bool:
        """Measure the memory of the tree, no more exactly than is needed: a look at every page takes long.

        The cheap sum is never too low. It is too high where processes share what they had before a fork, and by the
        files of the system. So is the control group's number by other such files; the smaller one is near the truth.
        """
        most_kib = self._request.memory_mib * _KIB
        files_kib = self._scratch_kib()
        held_kib = used.rss_kib + files_kib
        is_near = len(pids) == 1
        if not is_near or held_kib > most_kib:
            by_group_kib = self._groups.held_kib()
            if by_group_kib is not None:
                held_kib, is_near = min(held_kib, by_group_kib), True
        if held_kib > most_kib or (not is_near and self._may_be_a_peak(held_kib)):
            held_kib, is_near = self._exactly_kib(files_kib), True
        self._held_kib = held_kib
        if used.rss_kib and is_near:
            # Without the first it has just ended, and all that is seen are its files.
            self.peak_kib = max(self.peak_kib, held_kib)
        return held_kib > most_kib

    def _may_be_a_peak(self, held_kib: int) -> bool:
        return held_kib > self.peak_kib and time.monotonic() >= self._exact_again_at

    def _exactly_kib(self, files_kib: int) -> int:
        began = time.monotonic()
        held_kib = processes.held_memory_kib(self._tree.pids, files_kib)
        ended = time.monotonic()
        self._exact_again_at = ended + (ended - began) * _REST
        return held_kib

    def _scratch_kib(self) -> int:
        if self._scratch < 0:
            return 0
        room = os.fstatvfs(self._scratch)
        return (room.f_blocks - room.f_bfree) * room.f_frsize // _KIB

    def _reap(self) -> bool:
        """Collect whoever has ended; False where no child is left."""
        while True:
            try:
                pid, status, rusage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            self._reaped_cpu_seconds += rusage.ru_utime + rusage.ru_stime
            self._largest_kib = max(self._largest_kib, rusage.ru_maxrss)
            if pid == self._pid:
                self.wait_status = status

    def _reason_of_the_end(self) -> str:
        """Name the limits that the kernel holds by a signal of its own."""
        ended_by = os.WTERMSIG(self.wait_status) if self.wait_status else 0
        if self._groups.has_run_out_of_memory():
            # Whoever of the tree it was that the kernel chose.
            return "memory"
        if ended_by == _SIGXFSZ:
            return "file_size"
        # Anyone may send these two, the program to itself as well: the time used tells. The kernel's own count begins
        # when the spare does, and is taken by ticks, which may run ahead. Of SIGXFSZ nothing tells.
        used = self._reaped_cpu_seconds + self._cpu_seconds_before
        least = {_SIGXCPU: self._request.cpu_seconds / 2, _SIGKILL: self._request.cpu_seconds}
        return "cpu" if used >= least.get(ended_by, math.inf) else ""

    def _elapsed(self) -> float:
        return time.monotonic() - self._started

    def _milliseconds_to_next_look(self) -> float:
        elapsed = self._elapsed()
        look_ms = _EARLY_LOOK_MS if elapsed < _EARLY_SECONDS else _LATER_LOOK_MS
        left_kib = self._request.memory_mib * _KIB - self._held_kib
        look_ms = max(_SHORTEST_LOOK_MS, min(look_ms, left_kib // _FILLED_KIB_PER_MS))
        left_ms = (self._request.wall_seconds - elapsed) * 1000
        return max(1.0, min(look_ms, left_ms))
