"""Profiles `contained` and `rlimits`: the run shares the host's processes and mounts with everybody.

Theory of operation. Without namespaces the walls are what a process can put around itself: under `contained` Landlock
and the filter of system calls, under `rlimits` only resource limits and the lack of privileges. The supervisor is the
subreaper of the run, so that whoever loses its parent becomes its child and is found. It has no death signal: whoever
killed it would save the program's children; the closed control socket tells it that the worker died.
"""

import os

from . import identity, landlock, processes, rlimits, scratch, syscalls
from .layers import SPARE
from .walls import Walls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .walls import Step

_SIGKILL = 9
# TCP since 4; since 6 signals and abstract sockets, without which a program could end the worker.
_LEAST_ABI = 6
_ROOM_FOR_OTHERS = 64
# A program can make more directories than can be removed while somebody waits for its report.
_REMOVE_SECONDS = 5.0
# Of /proc a program sees itself and the machine, never its neighbours.
_PROC = ("/proc/self", "/proc/meminfo", "/proc/cpuinfo", "/proc/stat", "/proc/filesystems")
_FILES = (
    "/etc/ssl/openssl.cnf",
    "/etc/passwd",
    "/etc/group",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/dev/fd",
)


class SharedWalls(Walls):
    """A directory of its own for each run, and under `contained` no way to reach beyond it."""

    tree = processes.DESCENDANTS
    scratch = ""
    is_scratch_private = False

    _n_runs = 0
    _abi = 0

    def build(self) -> None:
        """Find out who runs will be, and whether the filters can be had."""
        with self.layers.preparing("unprivileged-uid"):
            self.uid = identity.unprivileged_uid()
        with self.layers.adding("no-new-privileges"):
            syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
        with self.layers.adding("process-tree-watcher"):
            syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
            syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
        if self.setup.profile == "contained":
            with self.layers.preparing("landlock"):
                self._abi = landlock.require_abi(_LEAST_ABI)
            self.build_filter(private=False)

    def before_a_run(self) -> None:
        """Make the run's directory: here, so that it can be removed by whoever made it."""
        self._n_runs += 1
        self.scratch = f"{self.setup.scratch_parent}/{self._n_runs}"
        with self.layers.adding("scratch-directory"):
            scratch.make(self.scratch, self.uid)
        if self.uid is None:
            # Everything of this user counts, and may be more by the time there is a job; the watcher counts exactly.
            self.tasks_besides = rlimits.tasks_of_this_user() + _ROOM_FOR_OTHERS
        self.held = (("scratch-directory", self.scratch),)
        self.steps = self._steps()

    def _steps(self) -> "tuple[Step, ...]":
        """Stop being root if we are, and raise the filters if the profile has them."""
        become: tuple[Step, ...] = ()
        if self.uid is not None:
            become = (("unprivileged-uid", identity.become, (self.uid,)),)
        filters: tuple[Step, ...] = ()
        if self.setup.profile == "contained":
            filters = (
                (f"landlock-abi-{self._abi}", self._restrict_files, ()),
                *self.steps_to_be_filtered(),
            )
        return (
            *become,
            # After the change of credentials, which clears it.
            (SPARE, syscalls.prepared_prctl(syscalls.PR_SET_PDEATHSIG, _SIGKILL), ()),
            (SPARE, syscalls.prepared_prctl(syscalls.PR_SET_DUMPABLE, 1), ()),
            *self.steps_to_start_over("scratch-directory"),
            ("no-capabilities", syscalls.GiveUpCapabilities(), ()),
            *filters,
        )

    def after_a_run(self) -> None:
        """Remove the run's directory with all it holds, if that is done soon."""
        scratch.remove(self.scratch, _REMOVE_SECONDS)

    def tear_down(self) -> None:
        """Remove the slot's own directory, if it is empty. The worker does it too, unless it was killed."""
        try:
            os.rmdir(self.setup.scratch_parent)
        except OSError:
            pass

    def _restrict_files(self) -> None:
        """By rules that are made anew for each run: they name its directory, and its process in /proc."""
        rules = landlock.Ruleset()
        self.grant_system_files(rules)
        for path in (*_PROC, *_FILES):
            rules.grant(landlock.READ, path)
        rules.grant(landlock.OWN, self.scratch)
        rules.restriction()()
        rules.close()
