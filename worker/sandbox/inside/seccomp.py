"""A filter of system calls: a program has the calls honest programs need, and none of the rest of the kernel.

Theory of operation. The kernel runs a small program in its own language, BPF, at every system call. Ours first asks
for the architecture, since the numbers mean other calls on another one: a call through a foreign door (`int 0x80`)
kills the process. Then it searches the number in a balanced tree of comparisons: eight steps, where a list would take
hundreds, and a quarter of a list's time to install. What the search ends at is the answer: pass, EPERM, ENOSYS, or a
look at one argument. Numbers that are in no table, those of the x32 door among them, are ENOSYS: never a kill, because
runtimes try new calls to find out whether they are there.

A filter sees registers and no memory. So a call is decided here only by its number and plain arguments; what depends on
a path is Landlock's, and what depends on a privilege is the kernel's.
"""

import ctypes
import errno
import os
import struct

from . import syscalls
from .syscall_table import ALLOWED, CHECKED, REFUSED

TYPE_CHECKING = False
if TYPE_CHECKING:
    pass

Code = list[tuple[int, int, int, int]]
"""Instructions: operation, how many to skip if true, how many if false, operand."""

# Operations of classic BPF, as in linux/bpf_common.h.
_LOAD_WORD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _AND, _RETURN = (
    0x20,
    0x15,
    0x35,
    0x45,
    0x54,
    0x06,
)
_ALLOW, _KILL_PROCESS, _ERRNO = 0x7FFF_0000, 0x8000_0000, 0x0005_0000
# struct seccomp_data: number, architecture, instruction pointer, six arguments of eight bytes. Both architectures are
# little-endian: the low half, which holds all that is asked for here, comes first.
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_MODE_FILTER = 2
_LONGEST_JUMP = 255

# AUDIT_ARCH_X86_64 and AUDIT_ARCH_AARCH64, and where the tables keep that architecture's numbers.
_ARCHITECTURES = {"x86_64": (0xC000_003E, 0), "aarch64": (0xC000_00B7, 1)}

_NEW_NAMESPACES = (
    syscalls.CLONE_NEWNS
    | syscalls.CLONE_NEWCGROUP
    | syscalls.CLONE_NEWUTS
    | syscalls.CLONE_NEWIPC
    | syscalls.CLONE_NEWUSER
    | syscalls.CLONE_NEWPID
    | syscalls.CLONE_NEWNET
)
_FAMILIES = (1, 2, 10)  # AF_UNIX, AF_INET and AF_INET6: what programs use to talk to themselves
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C  # both put words into a terminal's mouth
_FILE_TYPE_BITS, _FILE, _FIFO, _SOCKET = 0xF000, 0x8000, 0x1000, 0xC000
_QUERY = 0xFFFF_FFFF


class Filter:
    """The filter, ready to be installed: made once a slot, since making it costs more than installing it."""

    def __init__(self, *, sockets: bool) -> None:
        """`sockets` says whether a program may make any: yes where it has a network of its own, which is empty.

        Raises:
            OSError: this machine's architecture has no table.
        """
        self._code = b"".join(
            struct.pack("=HBBI", *instruction) for instruction in instructions(sockets=sockets)
        )
        self._buffer = ctypes.create_string_buffer(self._code, len(self._code))
        # struct sock_fprog: how many instructions, and where they are.
        length = len(self._code) // struct.calcsize("=HBBI")
        self._program = struct.pack("@HP", length, ctypes.addressof(self._buffer))

    def install(self) -> None:
        """Put it over this thread and all its children, for good; `no_new_privs` has to be set."""
        syscalls.prctl(syscalls.PR_SET_SECCOMP, _MODE_FILTER, self._program)


def instructions(*, sockets: bool, machine: str = "") -> Code:
    """The whole filter, for this machine or a named one."""
    machine = machine or os.uname().machine
    if machine not in _ARCHITECTURES:
        raise OSError(errno.ENOSYS, f"no table of system calls for {machine}")
    architecture, column = _ARCHITECTURES[machine]
    actions: dict[int, Code] = {}
    for table, action in ((ALLOWED, _passes()), (REFUSED, _fails(errno.EPERM))):
        actions |= {row[column]: action for row in table.values() if row[column] is not None}  # type: ignore[misc]
    for name, row in CHECKED.items():
        number = row[column]
        if number is not None:
            actions[number] = _check(name, sockets=sockets)
    return [
        (_LOAD_WORD, 0, 0, _ARCHITECTURE_AT),
        (_JUMP_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD_WORD, 0, 0, _NUMBER_AT),
        *_search(_segments(actions)),
    ]


def _segments(actions: "dict[int, Code]") -> "list[tuple[int, Code]]":
    """All numbers there are, as runs that are treated alike: the first of each, and what is done."""
    unknown = _fails(errno.ENOSYS)
    segments = [(0, actions.get(0, unknown))]
    for number in range(1, max(actions) + 2):
        action = actions.get(number, unknown)
        if action != segments[-1][1]:
            segments.append((number, action))
    return segments


def _search(segments: "list[tuple[int, Code]]") -> Code:
    """A balanced tree over the runs; each comparison skips its lower half or falls into it."""
    if len(segments) == 1:
        return segments[0][1]
    middle = len(segments) // 2
    lower, upper = _search(segments[:middle]), _search(segments[middle:])
    if len(lower) > _LONGEST_JUMP:
        raise OSError(errno.E2BIG, "half of the filter is longer than a jump")
    return [(_JUMP_AT_LEAST, len(lower), 0, segments[middle][0]), *lower, *upper]


def _check(name: str, *, sockets: bool) -> Code:
    """What is done with a call whose arguments decide."""
    match name:
        case "clone":
            # Threads and processes, but no namespaces: each is a machine in which the program would be root.
            return [
                *_argument(0),
                (_JUMP_ANY_BIT, 0, 1, _NEW_NAMESPACES),
                *_fails(errno.EPERM),
                *_passes(),
            ]
        case "socket":
            if not sockets:
                return _fails(errno.EPERM)
            return [*_argument(0), *_one_of(_FAMILIES, otherwise=errno.EAFNOSUPPORT)]
        case "ioctl":
            return [*_argument(1), *_none_of((_TIOCSTI, _TIOCLINUX))]
        case "prlimit64" | "sched_setaffinity":
            # Of itself only: the supervisor has the program's user, and would have to live under its limits.
            return [*_argument(0), *_one_of((0,))]
        case "personality":
            return [*_argument(0), *_one_of((0, _QUERY))]
        case "mknod" | "mknodat":
            mode = _argument(1 if name == "mknod" else 2)
            return [*mode, (_AND, 0, 0, _FILE_TYPE_BITS), *_one_of((0, _FILE, _FIFO, _SOCKET))]
        case _:
            raise AssertionError(name)


def _argument(place: int) -> Code:
    return [(_LOAD_WORD, 0, 0, _ARGUMENTS_AT + 8 * place)]


def _one_of(values: tuple[int, ...], otherwise: int = errno.EPERM) -> Code:
    last = len(values) - 1
    # A hit skips the comparisons that are left and the refusal.
    tests = [(_JUMP_EQUAL, last - place + 1, 0, value) for place, value in enumerate(values)]
    return [*tests, *_fails(otherwise), *_passes()]


def _none_of(values: tuple[int, ...]) -> Code:
    last = len(values) - 1
    tests = [(_JUMP_EQUAL, last - place + 1, 0, value) for place, value in enumerate(values)]
    return [*tests, *_passes(), *_fails(errno.EPERM)]


def _passes() -> Code:
    return [(_RETURN, 0, 0, _ALLOW)]


def _fails(error: int) -> Code:
    return [(_RETURN, 0, 0, _ERRNO | error)]
