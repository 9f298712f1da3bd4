"""A machine of its own for the run: user, process, mount, network, IPC, host name and cgroup namespaces."""

import os

from . import syscalls

# Not 0: as uid 0 of the namespace the program would be offered privileges back at every exec.
_INSIDE_ID = 1000
_OTHERS = (
    syscalls.CLONE_NEWPID
    | syscalls.CLONE_NEWNS
    | syscalls.CLONE_NEWNET
    | syscalls.CLONE_NEWIPC
    | syscalls.CLONE_NEWUTS
    | syscalls.CLONE_NEWCGROUP
)


def new_user_namespace() -> None:
    """Leave the user namespace for one that maps a single id.

    The maps are part of the step: Ubuntu's AppArmor lets unshare pass and refuses what it is for.
    """
    uid, gid = os.geteuid(), os.getegid()
    syscalls.unshare(syscalls.CLONE_NEWUSER)
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{_INSIDE_ID} {uid} 1")
    _write("/proc/self/gid_map", f"{_INSIDE_ID} {gid} 1")


def new_namespaces() -> None:
    """Leave all other namespaces; the network is empty, and the next child is PID 1."""
    syscalls.unshare(_OTHERS)
    syscalls.set_host_name("sandbox")


def forbid_nested() -> None:
    """Let nobody in this user namespace make another one: it would hand back most of the kernel's surface."""
    _write("/proc/sys/user/max_user_namespaces", "0")


def _write(path: str, text: str) -> None:
    # O_WRONLY alone: a file of /proc is neither created nor truncated.
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    except OSError as error:
        raise OSError(error.errno, f"write {path}: {error.strerror}") from error
    finally:
        os.close(descriptor)
