"""Pipes between the event loop and a program that nobody trusts.

Theory of operation. To have the loop watch a pipe, wake it at the pipe's end and have it forget the pipe takes longer
than many programs run. So at first nobody looks: a pipe holds 64 KiB, and what a program wrote is taken out when its
end was reported. Only the pipes of a program that is still running after some milliseconds are watched and emptied as
they fill, and its output is bounded while it comes.
"""

import asyncio
import os
from collections.abc import Callable

_CHUNK_BYTES = 65_536
_UNWATCHED_SECONDS = 0.01


class CappedReader:
    """Keeps no more of what comes through a pipe than its cap; soon after the cap it reads no more at all."""

    def __init__(self, cap_bytes: int) -> None:
        self._cap_bytes = cap_bytes
        self._kept = bytearray()
        self._overflowed: Callable[[], None] | None = None
        # The loop is asked to forget a pipe once: each time more costs as much as reading it does.
        self._is_watched = False
        # Not inherited unless passed on by number.
        self._read_end, self.write_end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._read_end, False)
        self.ended = asyncio.Event()
        """Set when nobody can write any more, or nothing more is read."""
        self.n_bytes = 0
        """Bytes read: those that were kept, and those of the last chunk that went over."""

    @property
    def truncated(self) -> bool:
        """Whether anything was cut."""
        return self.n_bytes > self._cap_bytes

    @property
    def kept(self) -> bytes:
        """What was kept."""
        return bytes(self._kept)

    @property
    def text(self) -> str:
        """What was kept; a byte that is no UTF-8 is U+FFFD."""
        return self._kept.decode("utf-8", "replace")

    def start(self, overflowed: Callable[[], None]) -> None:
        """Leave the write end to whoever got it. `overflowed` is called when a byte past the cap has been read."""
        self.write_end = _closed(self.write_end)
        self._overflowed = overflowed

    def watch(self) -> None:
        """Read from now on, whenever there is something."""
        asyncio.get_running_loop().add_reader(self._read_end, self._read)
        self._is_watched = True

    def read_what_is_left(self) -> None:
        """Take what lies in the pipe now, without waiting for its end: somebody may hold it open for ever.

        Whoever wrote it has ended, and is not ended for having written too much.
        """
        self._overflowed = None
        while not self.ended.is_set() and self._read():
            pass

    def close(self) -> None:
        """Let go of both ends; calling it twice changes nothing."""
        self.write_end = _closed(self.write_end)
        self._unwatch()
        self._read_end = _closed(self._read_end)

    def _read(self) -> bool:
        try:
            part = os.read(self._read_end, _CHUNK_BYTES)
        except BlockingIOError:
            return False
        self.n_bytes += len(part)
        self._kept += part[: self._cap_bytes - len(self._kept)]
        if not part or self.truncated:
            self._unwatch()
            self.ended.set()
        if self.truncated and self._overflowed is not None:
            self._overflowed()
        return bool(part)

    def _unwatch(self) -> None:
        if self._is_watched:
            self._is_watched = False
            asyncio.get_running_loop().remove_reader(self._read_end)


class Feeder:
    """Writes text into a pipe as fast as it is read there, and closes it after the last byte."""

    def __init__(self, text: str) -> None:
        # A lone surrogate is not UTF-8, but JSON can carry one: the program shall see something.
        self._left = memoryview(text.encode("utf-8", "replace"))
        self.read_end, self._write_end = os.pipe2(os.O_CLOEXEC)
        self._is_watched = False
        os.set_blocking(self._write_end, False)

    def start(self) -> None:
        """Write from now on. What fits into the pipe goes at once and costs the loop nothing."""
        self.read_end = _closed(self.read_end)
        self._write()
        if self._write_end >= 0:
            asyncio.get_running_loop().add_writer(self._write_end, self._write)
            self._is_watched = True

    def close(self) -> None:
        """Let go of both ends; calling it twice changes nothing."""
        self.read_end = _closed(self.read_end)
        if self._is_watched:
            self._is_watched = False
            asyncio.get_running_loop().remove_writer(self._write_end)
        self._write_end = _closed(self._write_end)

    def _write(self) -> None:
        try:
            if self._left:
                self._left = self._left[os.write(self._write_end, self._left) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._left = self._left[:0]
        if not self._left:
            self.close()


class Plumbing:
    """All pipes of one run: the three standard ones, and two for the harness where there is one."""

    def __init__(self, stdin: str, question: str | None, cap_bytes: int) -> None:
        self.stdout = CappedReader(cap_bytes)
        self.stderr = CappedReader(cap_bytes)
        self._stdin = Feeder(stdin)
        self._answer = None if question is None else CappedReader(cap_bytes)
        self._question = None if question is None else Feeder(question)
        self._watching: asyncio.TimerHandle | None = None

    @property
    def ends_for_the_program(self) -> tuple[int, ...]:
        """What becomes the program's descriptors 0, 1, 2 and on; valid until `start`."""
        standard = (self._stdin.read_end, self.stdout.write_end, self.stderr.write_end)
        if self._question is None or self._answer is None:
            return standard
        return (*standard, self._question.read_end, self._answer.write_end)

    @property
    def answer(self) -> bytes:
        """What the harness says, or the program in its name."""
        return b"" if self._answer is None else self._answer.kept

    @property
    def overflowed(self) -> bool:
        """Whether anything was cut anywhere."""
        return any(reader.truncated for reader in self._readers)

    def start(self, overflowed: Callable[[], None]) -> None:
        """Close the program's ends, which it has by now, and let everything flow; output is read some time later."""
        for reader in self._readers:
            reader.start(overflowed)
        for feeder in self._feeders:
            feeder.start()
        self._watching = asyncio.get_running_loop().call_later(_UNWATCHED_SECONDS, self._watch)

    def read_what_is_left(self) -> None:
        """Take what lies in the pipes now that the program has ended."""
        for reader in self._readers:
            reader.read_what_is_left()

    def close(self) -> None:
        """Let go of everything; calling it twice changes nothing."""
        if self._watching is not None:
            self._watching.cancel()
        for reader in self._readers:
            reader.close()
        for feeder in self._feeders:
            feeder.close()

    def _watch(self) -> None:
        for reader in self._readers:
            reader.watch()

    @property
    def _readers(self) -> tuple[CappedReader, ...]:
        readers = (self.stdout, self.stderr)
        return readers if self._answer is None else (*readers, self._answer)

    @property
    def _feeders(self) -> tuple[Feeder, ...]:
        return (self._stdin,) if self._question is None else (self._stdin, self._question)


def _closed(descriptor: int) -> int:
    if descriptor >= 0:
        os.close(descriptor)
    return -1
