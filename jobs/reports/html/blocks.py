"""JSON values in blocks, each packed and written as letters, kept on disk until the page is written."""

import zlib
from base64 import b64encode
from collections.abc import Iterator
from tempfile import TemporaryFile

_BLOCK_CHARACTERS = 256 * 1024


class Blocks:
    """Takes values of any number in, and keeps none of them in memory.

    In letters of base64 no value can end the element it stands in, whatever it says, and packed they take a fifth of
    the room: answers to one dataset are much alike. A reader unpacks the one block of the job that is looked at.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._file = TemporaryFile()  # noqa: SIM115  (it lives as long as this does)
        self._sizes: list[int] = []
        self._waiting: list[str] = []
        self._n_waiting_characters = 0

    def close(self) -> None:
        """Forget all of them."""
        self._file.close()

    def add(self, value: str) -> tuple[str, int]:
        """Take in a value, given as JSON; the answer is its block and its place in that."""
        if self._n_waiting_characters > _BLOCK_CHARACTERS:
            self._pack()
        self._waiting.append(value)
        self._n_waiting_characters += len(value)
        return f"{self._name}-{len(self._sizes)}", len(self._waiting) - 1

    def within(self, most_bytes: int) -> Iterator[tuple[str, str]]:
        """The name and the letters of each block, as long as all of them together do not take more room than this."""
        self._pack()
        self._file.seek(0)
        for number, size in enumerate(self._sizes):
            most_bytes -= size
            if most_bytes < 0:
                return
            yield f"{self._name}-{number}", self._file.read(size).decode("ascii")

    @property
    def n_bytes(self) -> int:
        """The room they all take."""
        self._pack()
        return sum(self._sizes)

    def _pack(self) -> None:
        if not self._waiting:
            return
        block = packed(f"[{','.join(self._waiting)}]")
        self._sizes.append(self._file.write(block))
        self._waiting.clear()
        self._n_waiting_characters = 0


def packed(document: str) -> bytes:
    """A JSON document, deflated, in letters of base64."""
    return b64encode(zlib.compress(document.encode(), 6))
