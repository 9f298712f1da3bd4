"""Messages on a pipe: four bytes that say how long, then that many bytes."""

import builtins
from posix import read, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# A program may put others in their place, and would be waited for as long as it may take.
_len, _min = builtins.len, builtins.min

LONGEST = 16 << 20
"""Of one message, in bytes; what the program sends beyond it ends the conversation."""
_LENGTH_BYTES = 4
_CHUNK_BYTES = 1 << 20


class ClosedError(Exception):
    """The other side went away."""


class TooLongError(ClosedError):
    """The other side said something longer than it may."""


def _at_once() -> None:
    pass


def send(descriptor: int, message: bytes, wait: "Callable[[], None]" = _at_once) -> None:
    """Write one message. `wait` returns when there is room, for a descriptor that writes no more than fits.

    Raises:
        ClosedError: there is no other side.
    """
    left = memoryview(_len(message).to_bytes(_LENGTH_BYTES, "big") + message)
    try:
        while left:
            try:
                left = left[write(descriptor, left) :]
            except BlockingIOError:
                wait()
    except BrokenPipeError:
        raise ClosedError("nobody reads") from None


def receive(
    descriptor: int, wait: "Callable[[], None]" = _at_once, longest: int | None = None
) -> bytes:
    """The next message. `wait` returns when there is something to read; without it, reading waits.

    Raises:
        TooLongError: it is longer than `longest`.
        ClosedError: there is none.
    """
    length = int.from_bytes(_exactly(descriptor, _LENGTH_BYTES, wait), "big")
    if longest is not None and length > longest:
        raise TooLongError(f"{length} bytes, and {longest} may be said at once")
    return _exactly(descriptor, length, wait)


def _exactly(descriptor: int, size: int, wait: "Callable[[], None]") -> bytes:
    parts = []
    while size:
        wait()
        part = read(descriptor, _min(size, _CHUNK_BYTES))
        if not part:
            raise ClosedError("nobody writes")
        parts.append(part)
        size -= _len(part)
    return b"".join(parts)
