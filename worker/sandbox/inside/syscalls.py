"""The system calls that Python has no word for; each raises OSError naming the call that was refused.

Theory of operation. A call can be prepared: found in the C library, with its arguments in the C library's own form.
What a child does between its fork and its program is prepared by its parent: whatever a child makes, or looks at first,
costs it a copy of the memory that this touches, and that is most of what a child costs.
"""

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
    # Older than the numbers that architectures share.
    "kcmp": 312 if os.uname().machine == "x86_64" else 272,
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
# struct __user_cap_header_struct: version, pid; and two of struct __user_cap_data_struct.
_CAPABILITIES_OF_SELF = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
_NO_CAPABILITIES = (ctypes.c_uint32 * 6)()


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    """Mount(2)."""
    prepared_mount(source, target, kind, flags, options)()


def prepared_mount(
    source: str, target: str, kind: str | None, flags: int, options: str
) -> "Prepared":
    """The same, to be made later."""
    return Prepared("mount", source, target, kind, flags, options or None)


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


def prctl(operation: int, argument: int, pointer: bytes = b"") -> None:
    """Prctl(2) with one argument, or two."""
    prepared_prctl(operation, argument, pointer)()


def prepared_prctl(operation: int, argument: int, pointer: bytes = b"") -> "Prepared":
    """The same, to be made later."""
    return Prepared("prctl", operation, argument, pointer or 0, 0, 0)


def ignore_interrupts() -> None:
    """Take away the one signal handler Python installs: a handler is what lets a signal reach PID 1."""
    _libc.signal(_SIGINT, ctypes.c_void_p(_SIG_IGN))


def keep_for_good(thing: object) -> None:
    """Have the interpreter never free it, even when nobody can find it any more."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def default_signals() -> None:
    """Every signal as a fresh process has it: Python ignores SIGPIPE and SIGXFSZ, and an exec would keep that."""
    for number in range(1, _N_SIGNALS + 1):
        _libc.signal(number, ctypes.c_void_p(_SIG_DFL))
    _libc.sigprocmask(_SIG_SETMASK, (ctypes.c_uint64 * 16)(), None)


def call(name: str, *arguments: object) -> int:
    """Prepare a call and make it."""
    return Prepared(name, *arguments)()


class Prepared:
    """A call of the C library, or of the kernel where the C library has no function for it, with its arguments."""

    def __init__(self, name: str, *arguments: object) -> None:
        if name in _NUMBERS:
            self._function = _libc.syscall
            arguments = (_NUMBERS[name], *arguments)
        else:
            self._function = getattr(_libc, name)
        self._name = name
        self._arguments = tuple(map(_foreign, arguments))

    def __call__(self) -> int:
        """Make it.

        Raises:
            OSError: it was refused; the message names the call.
        """
        result: int = self._function(*self._arguments)
        if result == -1:
            number = ctypes.get_errno()
            raise OSError(number, f"{self._name}: {os.strerror(number)}")
        return result


class WriteToProc:
    """What is to be written to a file of /proc, which is neither created nor truncated."""

    def __init__(self, path: str, text: str) -> None:
        self._path = path
        self._content = text.encode()

    def __call__(self) -> None:
        """Write it.

        Raises:
            OSError: it was refused; the message names the file.
        """
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, self._content)
        except OSError as error:
            raise OSError(error.errno, f"write {self._path}: {error.strerror}") from error
        finally:
            os.close(descriptor)


class GiveUpCapabilities:
    """To give up every capability, and the way in which uid 0 would get them back at the next exec."""

    def __init__(self) -> None:
        self._lock = prepared_prctl(PR_SET_SECUREBITS, _SECUREBITS)
        self._give_up = Prepared("capset", _CAPABILITIES_OF_SELF, _NO_CAPABILITIES)

    def __call__(self) -> None:
        """Give them up.

        Raises:
            OSError: it was refused.
        """
        try:
            self._lock()
        except PermissionError:
            # Only who holds CAP_SETPCAP may; who does not, and is not uid 0, gets nothing at an exec anyway.
            if os.geteuid() == 0:
                raise
        self._give_up()


def _foreign(argument: object) -> object:
    if isinstance(argument, int):
        return ctypes.c_long(argument)
    return os.fsencode(argument) if isinstance(argument, str) else argument
