"""The filter of system calls, run instruction by instruction as the kernel would."""

import errno
import re
import struct
from pathlib import Path

import pytest

from tests.requiring import require
from worker.sandbox.inside.seccomp import Code, instructions
from worker.sandbox.inside.syscall_table import ALLOWED, ATTRIBUTES, CHECKED, REFUSED

_ALLOW, _KILL = 0x7FFF_0000, 0x8000_0000
_ARCHITECTURES = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
_COLUMNS = {"x86_64": 0, "aarch64": 1}
_I386 = 0x4000_0003
_CLONE_NEWUSER = 0x1000_0000


def _fails(error: int) -> int:
    return 0x0005_0000 | error


def _answer(code: Code, architecture: int, number: int, *arguments: int) -> tuple[int, int]:
    """What the filter says, and in how many steps."""
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("=IIQ6Q", number, architecture, 0, *padded)
    accumulator = place = steps = 0
    while True:
        operation, if_true, if_false, operand = code[place]
        place, steps = place + 1, steps + 1
        match operation:
            case 0x20:
                (accumulator,) = struct.unpack_from("=I", data, operand)
            case 0x54:
                accumulator &= operand
            case 0x06:
                return operand, steps
            case 0x15:
                place += if_true if accumulator == operand else if_false
            case 0x35:
                place += if_true if accumulator >= operand else if_false
            case 0x45:
                place += if_true if accumulator & operand else if_false
            case _:
                pytest.fail(f"no such operation: {operation:#x}")


def _ask(machine: str, name: str, *arguments: int, private: bool = True) -> int:
    table = ALLOWED | ATTRIBUTES | REFUSED | CHECKED
    number = table[name][_COLUMNS[machine]]
    assert number is not None
    code = instructions(private=private, machine=machine)
    return _answer(code, _ARCHITECTURES[machine], number, *arguments)[0]


@pytest.mark.parametrize("machine", _ARCHITECTURES)
def test_every_number_gets_the_answer_its_table_says(machine: str) -> None:
    """A tree that is wrong at one edge gives one call the answer of its neighbour."""
    column = _COLUMNS[machine]
    allowed = {row[column] for row in (ALLOWED | ATTRIBUTES).values()}
    refused = {row[column] for row in REFUSED.values()}
    checked = {row[column] for row in CHECKED.values()}
    code = instructions(private=True, machine=machine)
    for number in (*range(2000), 0x4000_0000, 0x4000_0001, 0xFFFF_FFFF):
        answer, _ = _answer(code, _ARCHITECTURES[machine], number)
        if number in allowed:
            assert answer == _ALLOW
        elif number in refused:
            assert answer == _fails(errno.EPERM)
        elif number not in checked:
            assert answer == _fails(errno.ENOSYS)


@pytest.mark.parametrize("machine", _ARCHITECTURES)
def test_the_tree_is_balanced_and_fits_the_kernel(machine: str) -> None:
    """Every system call of every program pays for its depth."""
    code = instructions(private=True, machine=machine)
    numbers = {row[_COLUMNS[machine]] or 0 for row in (ALLOWED | REFUSED).values()}
    deepest = max(_answer(code, _ARCHITECTURES[machine], number)[1] for number in numbers)
    assert len(code) < 4096
    assert deepest <= 14


@pytest.mark.parametrize("machine", _ARCHITECTURES)
def test_a_call_through_a_foreign_door_kills(machine: str) -> None:
    """By `int 0x80` the number of a harmless call is that of another one."""
    code = instructions(private=True, machine=machine)
    assert _answer(code, _I386, 0)[0] == _KILL


@pytest.mark.parametrize("machine", _ARCHITECTURES)
@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("clone", (0x3D0F00,), _ALLOW),
        ("clone", (_CLONE_NEWUSER | 17,), _fails(errno.EPERM)),
        ("clone", (0x4000_0000 | 17,), _fails(errno.EPERM)),
        ("socket", (1,), _ALLOW),
        ("socket", (10,), _ALLOW),
        ("socket", (16,), _fails(errno.EAFNOSUPPORT)),
        ("socket", (40,), _fails(errno.EAFNOSUPPORT)),
        ("socketpair", (1, 2 | 0o2000000), _ALLOW),
        ("socketpair", (1, 3), _fails(errno.EPERM)),
        ("socketpair", (16, 2), _fails(errno.EAFNOSUPPORT)),
        ("setsockopt", (3, 1, 2), _ALLOW),
        ("setsockopt", (3, 6, 7), _ALLOW),
        ("setsockopt", (3, 1, 7), _fails(errno.EPERM)),
        ("fcntl", (3, 3), _ALLOW),
        ("fcntl", (3, 1031), _fails(errno.EPERM)),
        ("fcntl", (3, 1024), _fails(errno.EPERM)),
        ("fcntl", (3, 1026), _fails(errno.EPERM)),
        ("fcntl", (3, 1025), _ALLOW),
        ("ioctl", (0, 0x5401), _ALLOW),
        ("ioctl", (0, 0x5412), _fails(errno.EPERM)),
        ("ioctl", (0, 0x541C), _fails(errno.EPERM)),
        ("prlimit64", (0, 7), _ALLOW),
        ("prlimit64", (1, 7), _fails(errno.EPERM)),
        ("sched_setaffinity", (1,), _fails(errno.EPERM)),
        ("personality", (0xFFFF_FFFF,), _ALLOW),
        ("personality", (0x0040_0000,), _fails(errno.EPERM)),
        ("mknodat", (0, 0, 0o10644), _ALLOW),
        ("mknodat", (0, 0, 0o60644), _fails(errno.EPERM)),
    ],
)
def test_arguments_decide_where_a_number_says_too_little(
    machine: str, name: str, arguments: tuple[int, ...], expected: int
) -> None:
    """Threads and namespaces are one call, terminals and their hijacking another."""
    assert _ask(machine, name, *arguments) == expected


def test_without_a_network_of_its_own_a_program_gets_no_socket() -> None:
    """The host's network would be on the other end."""
    assert _ask("x86_64", "socket", 1, private=False) == _fails(errno.EPERM)
    assert _ask("x86_64", "socketpair", 1, 2, private=False) == _fails(errno.EPERM)
    assert _ask("x86_64", "socketpair", 1, 1, private=False) == _ALLOW


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_among_the_host_s_files_no_mode_and_no_time_is_changed(name: str) -> None:
    """Landlock rules over content alone: a key of the worker's user could be made readable for everybody."""
    for machine, column in _COLUMNS.items():
        if ATTRIBUTES[name][column] is not None:
            assert _ask(machine, name, private=False) == _fails(errno.EPERM)
            assert _ask(machine, name) == _ALLOW


@pytest.mark.parametrize("machine", _ARCHITECTURES)
def test_among_the_host_s_files_no_flag_is_changed(machine: str) -> None:
    """They are set through a descriptor that only reads: one flag has a file that nobody may write any more."""
    fs_ioc_setflags, fs_ioc_enable_verity, fs_ioc_fssetxattr = 0x40086602, 0x40806685, 0x401C5820
    for command in (fs_ioc_setflags, fs_ioc_enable_verity, fs_ioc_fssetxattr):
        assert _ask(machine, "ioctl", 3, command, private=False) == _fails(errno.EPERM)
        assert _ask(machine, "ioctl", 3, command) == _ALLOW
    tcgets, fionbio, siocgifconf, tiocsti = 0x5401, 0x5421, 0x8912, 0x5412
    for command in (tcgets, fionbio, siocgifconf):
        assert _ask(machine, "ioctl", 3, command, private=False) == _ALLOW
    assert _ask(machine, "ioctl", 3, tiocsti, private=False) == _fails(errno.EPERM)


@pytest.mark.parametrize("name", ["clone3", "memfd_create", "inotify_init1"])
def test_what_no_filter_could_hold_does_not_exist(name: str) -> None:
    """Flags behind a pointer; files in memory that nothing counts; news of what others open."""
    assert name not in ALLOWED | ATTRIBUTES | REFUSED | CHECKED


def test_no_call_stands_in_two_tables() -> None:
    """Which of two answers it gets would depend on the order of the tables."""
    tables = (ALLOWED, ATTRIBUTES, REFUSED, CHECKED)
    names = {name for table in tables for name in table}
    assert len(names) == sum(map(len, tables))


@pytest.mark.parametrize(
    ("header", "column"),
    [("x86_64-linux-gnu/asm/unistd_64.h", 0), ("asm-generic/unistd.h", 1)],
)
def test_the_numbers_are_the_kernel_s(header: str, column: int) -> None:
    """A wrong digit lets another call through."""
    path = Path("/usr/include", header)
    require(f"the kernel's headers ({path}, Debian's linux-libc-dev)", available=path.is_file())
    # `__NR3264_` marks numbers that a 32-bit machine gives to an older form of the call.
    found = re.findall(r"#define __NR(?:3264)?_(\w+) (\d+)", path.read_text())
    theirs = {name: int(number) for name, number in found}
    ours = {name: row[column] for name, row in (ALLOWED | ATTRIBUTES | REFUSED | CHECKED).items()}
    for name, number in ours.items():
        if name in theirs:
            assert number == theirs[name], name
    assert len(ours.keys() & theirs.keys()) > 200
