"""The system calls that Python has no word for; each raises OSError naming the call that was refused."""

import ctypes
import os

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000

MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_NOSUID = 0x2
MOUNT_ATTR_NODEV = 0x4
MOUNT_ATTR_NOEXEC = 0x8

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_SET_SECUREBITS = 28
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

# Calls without a function in every C library; since 5.2 they have one number on every architecture.
_NUMBERS = {
    "open_tree": 428,
    "move_mount": 429,
    "openat2": 437,
    "mount_setattr": 442,
    "landlock_create_ruleset": 444,
    "landlock_add_rule": 445,
    "landlock_restrict_self": 446,
}

_AT_FDCWD = -100
_AT_EMPTY_PATH = 0x1000
_AT_RECURSIVE = 0x8000
_OPEN_TREE_CLONE = 1
_MOVE_MOUNT_F_EMPTY_PATH = 4
_MNT_DETACH = 2
_CAPABILITY_VERSION_3 = 0x20080522
_SIG_DFL, _SIG_IGN, _SIGINT, _SIG_SETMASK, _N_SIGNALS = 0, 1, 2, 2, 64
# NOROOT, NO_SETUID_FIXUP and NO_CAP_AMBIENT_RAISE, each with its lock: uid 0 is then nobody special.
_SECUREBITS = 0x01 | 0x02 | 0x04 | 0x08 | 0x40 | 0x80

_libc = ctypes.CDLL(None, use_errno=True)
# struct __user_cap_header_struct: version, pid; and two of struct __user_cap_data_struct. Made here, before any fork.
_CAPABILITIES_OF_SELF = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
_NO_CAPABILITIES = (ctypes.c_uint32 * 6)()


def unshare(flags: int) -> None:
    """Leave the namespaces named by `flags` for fresh ones."""
    call("unshare", flags)


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    """Mount(2)."""
    call("mount", source, target, kind, flags, options or None)


def pivot_into_current_directory() -> None:
    """Make the current directory the root, and let go of the old one."""
    call("pivot_root", ".", ".")
    # Both now lie at the same place, the old root on top.
    call("umount2", ".", _MNT_DETACH)
    os.chdir("/")


def set_host_name(name: str) -> None:
    """Name this UTS namespace."""
    call("sethostname", name, len(name))


def clone_tree(path: str, attributes: int) -> int:
    """A descriptor of a private, detached copy of the mounts at `path`, restricted by `attributes`.

    Unlike a bind mount it can be taken before a change of user and attached after it (Linux 5.12).
    """
    tree = call("open_tree", _AT_FDCWD, path, _OPEN_TREE_CLONE | os.O_CLOEXEC | _AT_RECURSIVE)
    # struct mount_attr: attr_set, attr_clr, propagation, userns_fd
    restriction = (ctypes.c_uint64 * 4)(attributes, 0, MS_PRIVATE, 0)
    flags = _AT_EMPTY_PATH | _AT_RECURSIVE
    call("mount_setattr", tree, "", flags, restriction, ctypes.sizeof(restriction))
    return tree


def attach_tree(tree: int, target: str) -> None:
    """Put a detached tree at `target`."""
    call("move_mount", tree, "", _AT_FDCWD, target, _MOVE_MOUNT_F_EMPTY_PATH)


def prctl(operation: int, argument: int, pointer: bytes | None = None) -> None:
    """Prctl(2) with one argument, or two."""
    call("prctl", operation, argument, pointer or 0, 0, 0)


def drop_capabilities() -> None:
    """Give up every capability, and the way in which uid 0 would get them back at the next exec."""
    try:
        prctl(PR_SET_SECUREBITS, _SECUREBITS)
    except PermissionError:
        # Only who holds CAP_SETPCAP may; who does not, and is not uid 0, gets nothing at an exec anyway.
        if os.geteuid() == 0:
            raise
    call("capset", _CAPABILITIES_OF_SELF, _NO_CAPABILITIES)


def write_to_proc(path: str, text: str) -> None:
    """Write to a file of /proc, which is neither created nor truncated."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    except OSError as error:
        raise OSError(error.errno, f"write {path}: {error.strerror}") from error
    finally:
        os.close(descriptor)


def ignore_interrupts() -> None:
    """Take away the one signal handler Python installs: a handler is what lets a signal reach PID 1."""
    _libc.signal(_SIGINT, ctypes.c_void_p(_SIG_IGN))


def default_signals() -> None:
    """Every signal as a fresh process has it: Python ignores SIGPIPE and SIGXFSZ, and an exec would keep that."""
    for number in range(1, _N_SIGNALS + 1):
        _libc.signal(number, ctypes.c_void_p(_SIG_DFL))
    _libc.sigprocmask(_SIG_SETMASK, (ctypes.c_uint64 * 16)(), None)


def call(name: str, *arguments: object) -> int:
    """A call of the C library, or of the kernel where the C library has no function for it.

    Raises:
        OSError: it was refused; the message names the call.
    """
    if name in _NUMBERS:
        result: int = _libc.syscall(*map(_foreign, (_NUMBERS[name], *arguments)))
    else:
        result = getattr(_libc, name)(*map(_foreign, arguments))
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def _foreign(argument: object) -> object:
    if isinstance(argument, int):
        return ctypes.c_long(argument)
    return os.fsencode(argument) if isinstance(argument, str) else argument
