"""Messages on a pipe: four bytes that say how long, then that many bytes."""

import builtins
from posix import read, write

# A program may put another in its place, and would be waited for as long as it may take.
_len = builtins.len

LONGEST = 16 << 20
"""Of one message, in bytes; what the program sends beyond it ends the conversation."""
_LENGTH_BYTES = 4
_CHUNK_BYTES = 1 << 20


class ClosedError(Exception):
    """The other side went away, or said something longer than it may."""


def send(descriptor: int, message: bytes) -> None:
    """Write one message; waits until the other side has room.

    Raises:
        ClosedError: there is no other side.
    """
    left = memoryview(_len(message).to_bytes(_LENGTH_BYTES, "big") + message)
    try:
        while left:
            left = left[write(descriptor, left) :]
    except BrokenPipeError:
        raise ClosedError("nobody reads") from None


def receive(descriptor: int) -> bytes:
    """The next message; waits for it.

    Raises:
        ClosedError: there is none, or it is too long.
    """
    length = int.from_bytes(_exactly(descriptor, _LENGTH_BYTES), "big")
    if length > LONGEST:
        raise ClosedError(f"a message of {length} bytes")
    return _exactly(descriptor, length)


def _exactly(descriptor: int, size: int) -> bytes:
    part = read(descriptor, min(size, _CHUNK_BYTES))
    if _len(part) == size:
        return part
    whole = bytearray(part)
    while _len(whole) < size:
        if not part:
            raise ClosedError("nobody writes")
        part = read(descriptor, min(size - _len(whole), _CHUNK_BYTES))
        whole += part
    return bytes(whole)
