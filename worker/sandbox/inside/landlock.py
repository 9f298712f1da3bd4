"""Rules on files, connections and signals that a program carries with it wherever it goes.

Theory of operation. Landlock lets a process give up rights for itself and all its children, without any privilege. A
ruleset names every right it rules over; a right that is named and granted nowhere is gone. Under `strict` it is a
second wall behind the private root: should a program find a way out of the mounts, it still holds no right to what is
there. Under `contained` it is the wall.

The kernel knows more rights with each version (ABI). We rule over all that the running kernel knows, and say which
version that was. ABI 4 brings TCP, ABI 6 abstract sockets and signals.
"""

import ctypes
import errno
import os
import struct

from . import syscalls

# linux/landlock.h: the rights over files, in the order of their bits.
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_AND_MAKE = sum(1 << bit for bit in range(4, 13))
_REFER, _TRUNCATE, _IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15
_BIND_AND_CONNECT_TCP = 0b11
_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11

READ_DIRECTORIES = _READ_DIR
READ = _READ_FILE | _READ_DIR
RUN = READ | _EXECUTE
DEVICE = _READ_FILE | _WRITE_FILE | _IOCTL_DEVICE
OWN = RUN | _WRITE_FILE | _REMOVE_AND_MAKE | _REFER | _TRUNCATE
"""What a program may do with its own files: everything, hard links and renames between directories included."""

_ONLY_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE
_CREATE_VERSION = 1
_RULE_PATH_BENEATH = 1


def abi() -> int:
    """The kernel's version of Landlock.

    Raises:
        OSError: it has none, or it is switched off.
    """
    return syscalls.call("landlock_create_ruleset", None, 0, _CREATE_VERSION)


class Ruleset:
    """What will be left to whoever restricts itself by it."""

    def __init__(self) -> None:
        self.abi = abi()
        self._rights = OWN | DEVICE
        for since, rights in ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEVICE)):
            if self.abi < since:
                self._rights &= ~rights
        network = _BIND_AND_CONNECT_TCP if self.abi >= 4 else 0
        scopes = _ABSTRACT_SOCKETS_AND_SIGNALS if self.abi >= 6 else 0
        # An older kernel knows a shorter struct, and refuses a longer one only if what it does not know is not zero.
        attributes = struct.pack("=QQQ", self._rights, network, scopes)
        buffer = ctypes.create_string_buffer(attributes, len(attributes))
        self._descriptor = syscalls.call("landlock_create_ruleset", buffer, len(attributes), 0)

    def grant(self, rights: int, path: str) -> None:
        """Leave these rights to what lies at `path` and below; what is not there, or out of reach, needs none."""
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except (FileNotFoundError, PermissionError):
            return
        rights &= self._rights
        if not os.path.isdir(path):
            rights &= _ONLY_OF_FILES
        # struct landlock_path_beneath_attr is packed: twelve bytes.
        rule = struct.pack("=Qi", rights, place)
        try:
            buffer = ctypes.create_string_buffer(rule, len(rule))
            syscalls.call("landlock_add_rule", self._descriptor, _RULE_PATH_BENEATH, buffer, 0)
        finally:
            os.close(place)

    def restriction(self) -> syscalls.Prepared:
        """The step that gives up all else, for good; `no_new_privs` has to be set."""
        return syscalls.Prepared("landlock_restrict_self", self._descriptor, 0)

    def close(self) -> None:
        """Let go of it; whoever is restricted stays so."""
        os.close(self._descriptor)


def require_abi(least: int) -> int:
    """The kernel's version of Landlock, where it knows enough.

    Raises:
        OSError: it is older than `least`, or there is none.
    """
    found = abi()
    if found < least:
        raise OSError(errno.ENOSYS, f"Landlock ABI {found}, and {least} is needed")
    return found
