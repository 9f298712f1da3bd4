"""Watches a running program: holds the limits over its whole tree, ends it, and says why it ended."""

import os
import select
import time

from . import processes
from .protocol import Report, Request

_KIB = 1024
# Most programs are over within the first tenth of a second, and most allocations go wrong there.
_EARLY_SECONDS, _EARLY_LOOK_MS, _LATER_LOOK_MS = 0.1, 5, 20
# A look also comes before a program could fill the memory that is left to it: a few cores touch new pages at about
# 4 GiB/s. It does not come sooner than this, or a program that lives near its limit would be slowed down by looks.
_FILLED_KIB_PER_MS, _SHORTEST_LOOK_MS = 4096, 2
_KILL_AGAIN_SECONDS = 0.001
_SIGKILL, _SIGXCPU, _SIGXFSZ = 9, 24, 25


class Supervisor:
    """One program, from its start to the death of the last process it left behind."""

    def __init__(self, pid: int, request: Request, tree: processes.Tree, control: int) -> None:
        self._pid = pid
        self._request = request
        self._tree = tree
        self._started = time.monotonic()
        self._wait_status: int | None = None
        self._reaped_cpu_seconds = 0.0
        self._peak_kib = 0
        self._held_kib = 0
        self._events = select.poll()
        self._control = control
        self._events.register(control, select.POLLIN)
        self._events.register(os.pidfd_open(pid), select.POLLIN)

    def run_to_the_end(self, layers: list[str]) -> Report:
        """Wait for the program or a limit, kill whatever is left, reap all of it, and report."""
        reason = self._watch()
        wall_seconds = self._elapsed()
        self._end_everything()
        return Report(
            wait_status=self._wait_status,
            reason=reason or self._reason_of_the_signal(),
            cpu_seconds=self._reaped_cpu_seconds,
            wall_seconds=wall_seconds,
            peak_memory_kib=self._peak_kib,
            layers=tuple(layers),
        )

    def _watch(self) -> str:
        while True:
            self._reap()
            if self._wait_status is not None:
                return ""
            reason = self._limit_hit()
            if reason:
                return reason
            for descriptor, _ in self._events.poll(self._milliseconds_to_next_look()):
                if descriptor == self._control:
                    # Anything said in the middle of a run means stop; so does a worker that went away.
                    return "cancelled"

    def _limit_hit(self) -> str:
        if self._elapsed() > self._request.wall_seconds:
            return "wall"
        pids = self._tree.pids()
        used = processes.usage(pids)
        if used.cpu_seconds + self._reaped_cpu_seconds > self._request.cpu_seconds:
            return "cpu"
        if used.tasks > self._request.processes:
            return "processes"
        self._held_kib = self._memory_kib(pids, used)
        self._peak_kib = max(self._peak_kib, self._held_kib)
        return "memory" if self._held_kib > self._request.memory_mib * _KIB else ""

    def _memory_kib(self, pids: list[int], used: processes.Usage) -> int:
        """Memory of the tree. The cheap sum is too high for forked processes; only near the limit is it worth more."""
        files_kib = self._scratch_kib()
        held_kib = used.rss_kib + files_kib
        if held_kib > self._request.memory_mib * _KIB:
            held_kib = processes.private_memory_kib(pids) + files_kib
        return held_kib

    def _scratch_kib(self) -> int:
        if self._request.profile != "strict":
            return 0
        room = os.statvfs(self._request.scratch)
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
            if pid == self._pid:
                self._wait_status = status

    def _end_everything(self) -> None:
        self._tree.kill()
        while self._reap():
            time.sleep(_KILL_AGAIN_SECONDS)
            self._tree.kill()

    def _reason_of_the_signal(self) -> str:
        """Name the limits that the kernel holds by a signal of its own."""
        ended_by = os.WTERMSIG(self._wait_status) if self._wait_status else 0
        over_cpu = self._reaped_cpu_seconds >= self._request.cpu_seconds
        if ended_by == _SIGXFSZ:
            return "file_size"
        # The hard limit kills, as anyone may; the time used tells the two apart.
        return "cpu" if ended_by == _SIGXCPU or (ended_by == _SIGKILL and over_cpu) else ""

    def _elapsed(self) -> float:
        return time.monotonic() - self._started

    def _milliseconds_to_next_look(self) -> float:
        elapsed = self._elapsed()
        look_ms = _EARLY_LOOK_MS if elapsed < _EARLY_SECONDS else _LATER_LOOK_MS
        left_kib = self._request.memory_mib * _KIB - self._held_kib
        look_ms = max(_SHORTEST_LOOK_MS, min(look_ms, left_kib // _FILLED_KIB_PER_MS))
        left_ms = (self._request.wall_seconds - elapsed) * 1000
        return max(1.0, min(look_ms, left_ms))
