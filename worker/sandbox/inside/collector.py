"""Takes the files that a program left, when nobody is left who could change them.

Theory of operation. This is where sandboxes are broken: a collector outside that follows a link a program has made
reads the host for it. So collecting happens inside, after every process of the run is dead, from a descriptor of the
run's own directory, and every step down is an openat2(2) that refuses links, other mounts and the way up. A file
counts only if it is a plain one with one name; a FIFO is never opened for reading. What is bounded is what is read,
not what a size claims: a sparse file says a terabyte. Names are bytes of the program's choice; they are data to us and
never a path outside.
"""

import ctypes
import os
import stat
import struct

from . import protocol, syscalls

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
# linux/openat2.h: RESOLVE_NO_XDEV, NO_MAGICLINKS, NO_SYMLINKS and BENEATH.
_RESOLVE = 0x01 | 0x02 | 0x04 | 0x08
_DEEPEST = 16
_MOST_ENTRIES = 4096
# Names and sizes travel in one packet with the report, each behind a NUL.
_MOST_WORDS_BYTES = protocol.LONGEST_MESSAGE_BYTES - 2048
_BYTES_BESIDES = 2
_CHUNK_BYTES = 65_536


class Collection:
    """What was taken: names, sizes, and one memfd with the contents one after the other."""

    def __init__(self, most: int, most_kib: int) -> None:
        """Take no more than `most` files, and no more than `most_kib` of all of them together."""
        self.names: list[str] = []
        self.sizes: list[str] = []
        self.omitted = 0
        self.content = os.memfd_create("artefacts")
        self._most = most
        self._left = most_kib * 1024
        self._entries_left = _MOST_ENTRIES
        self._words_bytes_left = _MOST_WORDS_BYTES

    def take_all(self, scratch: int, passed_over: tuple[str, ...]) -> None:
        """Walk the folder `work` below `scratch` level by level; `passed_over` are paths of files that we put there."""
        passed_over = tuple(path.removeprefix("work/") for path in passed_over)
        work = self._open_directory(scratch, "work")
        level = [""] if work >= 0 else []
        for _ in range(_DEEPEST):
            level = [
                name for prefix in level for name in self._take_from(work, prefix, passed_over)
            ]
        self.omitted += len(level)
        if work >= 0:
            os.close(work)

    def _take_from(self, work: int, prefix: str, passed_over: tuple[str, ...]) -> list[str]:
        """Take the files of one directory; the directories in it, by name: there may be more than can be kept open."""
        directories: list[str] = []
        directory = self._open_directory(work, prefix or ".")
        if directory < 0:
            self.omitted += 1
            return directories
        for name in self._some_names_in(directory):
            path = prefix + name
            self._entries_left -= 1
            if path in passed_over:
                continue
            opened = self._open(directory, name)
            if opened < 0:
                self.omitted += 1
                continue
            if stat.S_ISDIR(os.fstat(opened).st_mode) and self._entries_left > 0:
                directories.append(path + "/")
            else:
                self._take(opened, path)
            os.close(opened)
        os.close(directory)
        return directories

    def _some_names_in(self, directory: int) -> list[str]:
        """A listing can be as long as a program makes it, and is cut where no more would be taken."""
        names: list[str] = []
        with os.scandir(directory) as entries:
            for entry in entries:
                if len(names) > self._entries_left:
                    self.omitted += 1
                    break
                names.append(entry.name)
        return sorted(names)

    def _open_directory(self, directory: int, name: str) -> int:
        """A descriptor of the directory of this name, -1 where it is none: a program may put anything in its place."""
        opened = self._open(directory, name)
        if opened >= 0 and not stat.S_ISDIR(os.fstat(opened).st_mode):
            os.close(opened)
            return -1
        return opened

    def _open(self, directory: int, name: str) -> int:
        """A descriptor of what has this name, -1 where it may not be opened."""
        if self._entries_left < 0:
            return -1
        # struct open_how: flags, mode, resolve
        how = ctypes.create_string_buffer(struct.pack("=QQQ", _FLAGS, 0, _RESOLVE), 24)
        try:
            if stat.S_ISFIFO(os.lstat(name, dir_fd=directory).st_mode):
                return -1
            return syscalls.call("openat2", directory, name, how, 24)
        except OSError:
            return -1

    def _take(self, file: int, path: str) -> None:
        status = os.fstat(file)
        # A second name could be one that lies elsewhere.
        is_plain = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
        if not is_plain or len(self.names) >= self._most or not self._has_words_for(path, status):
            self.omitted += 1
            return
        kept = 0
        while self._left > 0:
            part = os.read(file, min(_CHUNK_BYTES, self._left))
            if not part:
                break
            os.write(self.content, part)
            kept += len(part)
            self._left -= len(part)
        self.names.append(path)
        self.sizes.append(f"{kept} of {status.st_size}")

    def _has_words_for(self, path: str, status: os.stat_result) -> bool:
        """Whether its name and sizes still go into the report."""
        whole = str(status.st_size)
        self._words_bytes_left -= len(os.fsencode(path) + f"{whole} of {whole}".encode())
        self._words_bytes_left -= _BYTES_BESIDES
        return self._words_bytes_left >= 0
