"""A scratch directory on the host's own disk, for runs that cannot have a private one in memory."""

import errno
import math
import os
import time

_PRIVATE = 0o700


def make(path: str, uid: int | None) -> None:
    """Create it for `uid`, None being this process's own user.

    Raises:
        OSError: it exists already, or cannot be made.
    """
    os.mkdir(path, _PRIVATE)
    if uid is not None:
        os.chown(path, uid, uid)


def remove(path: str, within_seconds: float = math.inf) -> None:
    """Remove it with all it holds, links never followed, however deep it is nested.

    Every process that could change it meanwhile has to be dead.

    Raises:
        TimeoutError: there is so much that it is not done yet; what is left can be removed later.
    """
    flattener = _Flattener(path, time.monotonic() + within_seconds)
    try:
        flattener.empty()
    finally:
        flattener.close()
    os.rmdir(path)


class _Flattener:
    """Empties a directory by moving what lies in its directories up: no recursion, no paths that grow."""

    def __init__(self, path: str, deadline: float) -> None:
        self._deadline = deadline
        os.chmod(path, _PRIVATE)
        self._top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._moved = 0

    def close(self) -> None:
        os.close(self._top)

    def empty(self) -> None:
        """Remove everything."""
        directories = self._unlink_files(self._top)
        while directories:
            if time.monotonic() > self._deadline:
                raise TimeoutError("a directory holds more than can be removed in time")
            self._lift(directories.pop(), directories)

    def _lift(self, name: str, directories: list[str]) -> None:
        """Remove the directory `name`, after moving the directories in it beside it."""
        if self._was_empty(name):
            return
        os.chmod(name, _PRIVATE, dir_fd=self._top)
        inner = os.open(
            name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._top
        )
        try:
            for child in self._unlink_files(inner):
                # A directory that may not be written cannot be moved either.
                os.chmod(child, _PRIVATE, dir_fd=inner)
                place = self._free_name()
                os.rename(child, place, src_dir_fd=inner, dst_dir_fd=self._top)
                directories.append(place)
        finally:
            os.close(inner)
        os.rmdir(name, dir_fd=self._top)

    def _was_empty(self, name: str) -> bool:
        """Remove it if nothing is in it: that is one write to the disk for each of many, and not two."""
        try:
            os.rmdir(name, dir_fd=self._top)
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                raise
            return False
        return True

    def _free_name(self) -> str:
        while True:
            self._moved += 1
            name = f".lifted-{self._moved}"
            try:
                os.lstat(name, dir_fd=self._top)
            except FileNotFoundError:
                return name

    def _unlink_files(self, directory: int) -> list[str]:
        """Unlink all that is no directory; return the names of the directories."""
        directories = []
        with os.scandir(directory) as entries:
            for entry in list(entries):
                if entry.is_dir(follow_symlinks=False):
                    directories.append(entry.name)
                else:
                    os.unlink(entry.name, dir_fd=directory)
                if time.monotonic() > self._deadline:
                    raise TimeoutError("a directory holds more than can be removed in time")
        return directories
