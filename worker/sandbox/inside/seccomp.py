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
from .syscall_table import ALLOWED, ATTRIBUTES, CHECKED, REFUSED

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
_AF_UNIX, _KIND_BITS = 1, 0xF
_KINDS, _KINDS_WITHOUT_ADDRESS = (1, 2, 5), (1, 5)  # SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET
_SOL_SOCKET = 1
# F_SETLEASE would hold up whoever opens a file of the host that is shown, F_NOTIFY would tell of what others do in its
# folders, and F_SETPIPE_SZ would take the kernel's memory.
_DESCRIPTOR_COMMANDS = (1024, 1026, 1031)
_BUFFER_SIZES = (7, 8, 32, 33)  # SO_SNDBUF, SO_RCVBUF and the forced forms of both
# Of terminals and of sockets, and nothing of file systems, which has flags of files beside their modes.
_KIND_OF_COMMAND, _OF_TERMINALS, _OF_SOCKETS = 0xFF00, 0x5400, 0x8900
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C  # both put words into a terminal's mouth
_FILE_TYPE_BITS, _FILE, _FIFO, _SOCKET = 0xF000, 0x8000, 0x1000, 0xC000
_QUERY = 0xFFFF_FFFF


class Filter:
    """The filter, ready to be installed: made once a slot, since making it costs more than installing it."""

    def __init__(self, *, private: bool) -> None:
        """`private` says whether files and network are the program's own: then it may make sockets, and change modes.

        Raises:
            OSError: this machine's architecture has no table.
        """
        self._code = b"".join(
            struct.pack("=HBBI", *instruction) for instruction in instructions(private=private)
        )
        self._buffer = ctypes.create_string_buffer(self._code, len(self._code))
        # struct sock_fprog: how many instructions, and where they are.
        length = len(self._code) // struct.calcsize("=HBBI")
        program = struct.pack("@HP", length, ctypes.addressof(self._buffer))
        self.install = syscalls.prepared_prctl(syscalls.PR_SET_SECCOMP, _MODE_FILTER, program)
        """The step that puts it over this thread and all its children, for good; `no_new_privs` has to be set."""


def instructions(*, private: bool, machine: str = "") -> Code:
    """The whole filter, for this machine or a named one."""
    machine = machine or os.uname().machine
    if machine not in _ARCHITECTURES:
        raise OSError(errno.ENOSYS, f"no table of system calls for {machine}")
    architecture, column = _ARCHITECTURES[machine]
    actions: dict[int, Code] = {}
    attributes = _passes() if private else _fails(errno.EPERM)
    for table, action in (
        (ALLOWED, _passes()),
        (REFUSED, _fails(errno.EPERM)),
        (ATTRIBUTES, attributes),
    ):
        actions |= {row[column]: action for row in table.values() if row[column] is not None}  # type: ignore[misc]
    checks = _checks(private=private)
    for name, row in CHECKED.items():
        number = row[column]
        if number is not None:
            actions[number] = checks[name]
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


def _checks(*, private: bool) -> "dict[str, Code]":
    """What is done with the calls whose arguments decide."""
    # A pair of datagram sockets can still send to any address.
    kinds = _KINDS if private else _KINDS_WITHOUT_ADDRESS
    unix_only = [(_JUMP_EQUAL, 1, 0, _AF_UNIX), *_fails(errno.EAFNOSUPPORT)]
    at_socket_level = [(_JUMP_EQUAL, 1, 0, _SOL_SOCKET), *_passes()]
    families = [*_argument(0), *_one_of(_FAMILIES, otherwise=errno.EAFNOSUPPORT)]
    # Of itself only: the supervisor has the program's user, and would have to live under its limits.
    itself = [*_argument(0), *_one_of((0,))]
    no_device = [(_AND, 0, 0, _FILE_TYPE_BITS), *_one_of((0, _FILE, _FIFO, _SOCKET))]
    no_namespace = [(_JUMP_ANY_BIT, 0, 1, _NEW_NAMESPACES), *_fails(errno.EPERM), *_passes()]
    no_file_s = [
        *_argument(1),
        (_AND, 0, 0, _KIND_OF_COMMAND),
        (_JUMP_EQUAL, 2, 0, _OF_TERMINALS),
        (_JUMP_EQUAL, 1, 0, _OF_SOCKETS),
        *_fails(errno.EPERM),
    ]
    return {
        # Threads and processes, but no namespaces: in each a program would be root.
        "clone": [*_argument(0), *no_namespace],
        "socket": families if private else _fails(errno.EPERM),
        "socketpair": [
            *_argument(0),
            *unix_only,
            *_argument(1),
            (_AND, 0, 0, _KIND_BITS),
            *_one_of(kinds),
        ],
        # Buffers are the kernel's memory, which counts as nobody's.
        "setsockopt": [
            *_argument(1),
            *at_socket_level,
            *_argument(2),
            *_none_of(_BUFFER_SIZES),
        ],
        "fcntl": [*_argument(1), *_none_of(_DESCRIPTOR_COMMANDS)],
        "ioctl": [
            *(() if private else no_file_s),
            *_argument(1),
            *_none_of((_TIOCSTI, _TIOCLINUX)),
        ],
        "prlimit64": itself,
        "sched_setaffinity": itself,
        "personality": [*_argument(0), *_one_of((0, _QUERY))],
        "mknod": [*_argument(1), *no_device],
        "mknodat": [*_argument(2), *no_device],
    }


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
