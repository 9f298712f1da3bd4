"""The words between worker and launcher: length-prefixed frames, and messages of named text fields."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

_LENGTH_BYTES = 4
# A program's source is the largest thing that is sent; a length beyond this is not one of ours.
_MAX_FRAME_BYTES = 64 * 1024 * 1024


class ProtocolError(Exception):
    """The other side sent something that is not a message, or went away in the middle of one."""


class Message:
    """Named fields; the annotations of a subclass are its whole definition.

    Values are text, whole numbers, decimals and tuples of text. None of them may hold a NUL.
    """

    def __init__(self, **values: object) -> None:
        if values.keys() != self.__annotations__.keys():
            raise ProtocolError(
                f"{type(self).__name__} has the fields {', '.join(self.__annotations__)}"
            )
        self.__dict__.update(values)

    def encode(self) -> bytes:
        """This message as the content of one frame."""
        parts = [type(self).__name__]
        for name in self.__annotations__:
            value = self.__dict__[name]
            for item in value if isinstance(value, tuple) else (value,):
                text = str(item)
                if "\0" in text:
                    raise ProtocolError(f"{name} holds a NUL")
                parts += [name, text]
        return "\0".join(parts).encode("utf-8", "surrogateescape")

    @classmethod
    def decode(cls, raw: bytes) -> "Self":
        """The message in the content of one frame.

        Raises:
            ProtocolError: it is none, or not of this kind.
        """
        kind, *parts = raw.decode("utf-8", "surrogateescape").split("\0")
        if kind != cls.__name__ or len(parts) % 2:
            raise ProtocolError(f"expected {cls.__name__}, received {kind[:40]!r}")
        texts: dict[str, list[str]] = {name: [] for name in cls.__annotations__}
        try:
            for name, text in zip(parts[::2], parts[1::2], strict=True):
                texts[name].append(text)
            return cls(
                **{name: _value(kind, texts[name]) for name, kind in cls.__annotations__.items()}
            )
        except (KeyError, ValueError) as error:
            raise ProtocolError(f"{cls.__name__} is malformed: {error}") from error


class Request(Message):
    """What to run, and inside which walls."""

    profile: str
    argv: tuple[str, ...]
    environment: tuple[str, ...]
    """`NAME=value`, and nothing else reaches the program."""
    scratch: str
    """The directory all files of the run live in, as the program will see it."""
    files: tuple[str, ...]
    """Paths below the scratch directory; their contents follow in as many frames."""
    links: tuple[str, ...]
    """`path below the scratch directory=target`."""
    readable: tuple[str, ...]
    """Host paths that a private root shows read-only, at the same place; those that do not exist are left out."""
    descriptors: tuple[str, ...]
    """Numbers that become the program's 0, 1, 2 and so on."""
    cpu_seconds: float
    wall_seconds: float
    memory_mib: int
    private_memory_mib: int
    """Of each process."""
    address_space_mib: int
    """0 leaves it unlimited."""
    file_size_mib: int
    scratch_mib: int
    processes: int
    open_files: int


class Report(Message):
    """How a run ended. It is sent when every process of the run is dead."""

    wait_status: int
    """Of the program itself, as waitpid(2) gives it."""
    reason: str
    """Which limit ended it, `cancelled` where the worker asked, empty where the program ended by itself."""
    cpu_seconds: float
    wall_seconds: float
    peak_memory_kib: int
    """As sampled; 0 where the program was over before the first look."""
    layers: tuple[str, ...]
    """Names of what was put in force, in order."""


class Refusal(Message):
    """A layer could not be had, and no program ran."""

    layer: str
    detail: str


def frame(content: bytes) -> bytes:
    """One frame, ready to be written."""
    return len(content).to_bytes(_LENGTH_BYTES, "big") + content


def frame_length(prefix: bytes) -> int:
    """How many bytes of content follow this prefix."""
    length = int.from_bytes(prefix, "big")
    if len(prefix) != _LENGTH_BYTES or length > _MAX_FRAME_BYTES:
        raise ProtocolError(f"a frame of {length} bytes is not one of ours")
    return length


def receive_frame(descriptor: int) -> bytes:
    """The content of the next frame; blocks until all of it is there."""
    return _receive(descriptor, frame_length(_receive(descriptor, _LENGTH_BYTES)))


def send(descriptor: int, message: Message) -> None:
    """Write one message; blocks until all of it is on its way."""
    left = memoryview(frame(message.encode()))
    while left:
        left = left[os.write(descriptor, left) :]


def _receive(descriptor: int, length: int) -> bytes:
    received = bytearray()
    while len(received) < length:
        part = os.read(descriptor, length - len(received))
        if not part:
            raise ProtocolError("the other side went away")
        received += part
    return bytes(received)


def _value(kind: type, texts: list[str]) -> object:
    if kind not in (int, float, str):
        return tuple(texts)
    (text,) = texts
    return kind(text)
