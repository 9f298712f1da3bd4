"""Machines of their own: one for the slot, and inside it a fresh one for each run.

Theory of operation. A namespace is the kernel's answer to "which processes, mounts, networks are there?". The slot
leaves all of the host's at once and keeps the expensive and the empty ones for its life: the PID namespace, whose PID 1
is the supervisor, so that no process of a run can outlive it or hide from it; and the network namespace, which holds
nothing but a loopback that is down, and so nothing that one run could leave to the next. What a program can write to is
made fresh for each run: a user namespace, in which the kernel counts this run's processes alone; a mount namespace for
its scratch directory; IPC, where shared memory would stay; and UTS, where it could rename the machine.

Making them costs a run half a millisecond less than nothing: the spare does it before there is a job.
"""

import os

from . import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# Not 0: as uid 0 of the namespace the program would be offered privileges back at every exec.
_INSIDE_ID = 1000
_OF_THE_SLOT = (
    syscalls.CLONE_NEWPID
    | syscalls.CLONE_NEWNS
    | syscalls.CLONE_NEWNET
    | syscalls.CLONE_NEWIPC
    | syscalls.CLONE_NEWUTS
    | syscalls.CLONE_NEWCGROUP
)
_OF_A_RUN = (
    syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS | syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWUTS
)


HELD = ("/proc/self/ns/mnt", "/proc/self/ns/ipc", "/proc/self/ns/uts")
"""The namespaces that would be taken apart with the last process of a run, had nobody else them."""


def leave_the_user_namespace() -> None:
    """For one that maps a single id."""
    for step in _to_namespaces(syscalls.CLONE_NEWUSER):
        step()


def leave_the_others() -> None:
    """For those of the slot; the network is empty, and the next child is PID 1."""
    syscalls.call("unshare", _OF_THE_SLOT)
    syscalls.set_host_name("sandbox")


def to_those_of_a_run() -> "tuple[Callable[[], object], ...]":
    """The steps that leave those of the slot which a program could write to."""
    return _to_namespaces(_OF_A_RUN)


def forbid_nested() -> syscalls.WriteToProc:
    """The step after which nobody in this user namespace can make another: it would hand back most of the kernel."""
    return syscalls.WriteToProc("/proc/sys/user/max_user_namespaces", "0")


def _to_namespaces(flags: int) -> "tuple[Callable[[], object], ...]":
    """The steps into fresh namespaces, a user namespace among them.

    The maps are part of it: Ubuntu's AppArmor lets unshare pass and refuses what it is for.
    """
    uid, gid = os.geteuid(), os.getegid()
    return (
        syscalls.Prepared("unshare", flags),
        # A change of user namespace takes /proc/self away from its own process.
        syscalls.prepared_prctl(syscalls.PR_SET_DUMPABLE, 1),
        syscalls.WriteToProc("/proc/self/setgroups", "deny"),
        syscalls.WriteToProc("/proc/self/uid_map", f"{_INSIDE_ID} {uid} 1"),
        syscalls.WriteToProc("/proc/self/gid_map", f"{_INSIDE_ID} {gid} 1"),
    )
