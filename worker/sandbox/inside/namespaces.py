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


def new_user_namespace() -> None:
    """Leave the user namespace for one that maps a single id."""
    _unshare_and_map(syscalls.CLONE_NEWUSER)


def new_namespaces_of_the_slot() -> None:
    """Leave all other namespaces; the network is empty, and the next child is PID 1."""
    syscalls.unshare(_OF_THE_SLOT)
    syscalls.set_host_name("sandbox")


def new_namespaces_of_a_run() -> None:
    """Leave those of the slot that a program could write to."""
    _unshare_and_map(_OF_A_RUN)


def of_this_run() -> list[int]:
    """Descriptors of the namespaces that would be taken apart with this process, had nobody else them."""
    names = ("mnt", "ipc", "uts")
    return [os.open(f"/proc/self/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in names]


def _unshare_and_map(flags: int) -> None:
    """Unshare(2) with a user namespace among the flags.

    The maps are part of the step: Ubuntu's AppArmor lets unshare pass and refuses what it is for.
    """
    uid, gid = os.geteuid(), os.getegid()
    syscalls.unshare(flags)
    # A change of user namespace takes /proc/self away from its own process.
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 1)
    syscalls.write_to_proc("/proc/self/setgroups", "deny")
    syscalls.write_to_proc("/proc/self/uid_map", f"{_INSIDE_ID} {uid} 1")
    syscalls.write_to_proc("/proc/self/gid_map", f"{_INSIDE_ID} {gid} 1")


def forbid_nested() -> None:
    """Let nobody in this user namespace make another one: it would hand back most of the kernel's surface."""
    syscalls.write_to_proc("/proc/sys/user/max_user_namespaces", "0")
