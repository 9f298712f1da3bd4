"""The words between worker and zygote: messages of text fields in a fixed order, one to a packet.

Theory of operation. The socket is a SOCK_SEQPACKET: a packet is a message, and descriptors travel beside it. Both
sides run from the definitions below, so a field needs no name on the way; a tuple is its length and its texts. Anything
large (sources, files) travels as the content of a memfd, because a packet may be no longer than the socket's buffer.
Nothing here can name a type or call anything, so whatever the other side sends is a message or an error.
"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket as Socket  # noqa: N812  a class, by the name of a module
    from collections.abc import Callable, Iterator
    from typing import Self

PACKET_BYTES = 65_536
"""The longest packet. Kernels allow about 200 KiB by default."""
# What is put before a job when it is handed on: a number of seconds.
_ROOM_TO_HAND_ON_BYTES = 32
LONGEST_MESSAGE_BYTES = PACKET_BYTES - _ROOM_TO_HAND_ON_BYTES
"""A job still fits when it is handed on."""
SCRATCH_MARK = "{scratch}"
"""Stands for the run's directory in a command, since only the zygote knows where that is."""
STOP = b"stop"
"""The packet that asks for the end of a run; its report still comes."""
_FD_BYTES = 4
# _socket knows these; it is named here so that the worker's side needs no private module.
_SOL_SOCKET, _SCM_RIGHTS, _MSG_CMSG_CLOEXEC = 1, 1, 0x4000_0000
_ANCILLARY_BYTES = 256


class ProtocolError(Exception):
    """The other side sent something that is not a message, or went away in the middle of one."""


class Message:
    """Fields; the annotations of a subclass are its whole definition, their order included.

    Values are text, whole numbers, decimals and tuples of text. None of them may hold a NUL.
    """

    def __init__(self, **values: object) -> None:
        if values.keys() != type(self).__annotations__.keys():
            raise ProtocolError(
                f"{type(self).__name__} has the fields {', '.join(type(self).__annotations__)}"
            )
        self.__dict__.update(values)

    def encode(self) -> bytes:
        """This message as the content of one packet."""
        parts = [type(self).__name__]
        for name in type(self).__annotations__:
            value = self.__dict__[name]
            if isinstance(value, tuple):
                parts += [str(len(value)), *value]
            else:
                parts.append(str(value))
        text = "\0".join(parts)
        if text.count("\0") >= len(parts):
            raise ProtocolError(f"a field of {parts[0]} holds a NUL")
        raw = text.encode("utf-8", "surrogateescape")
        if len(raw) > LONGEST_MESSAGE_BYTES:
            raise ProtocolError(f"{parts[0]} takes {len(raw)} bytes, and a packet holds fewer")
        return raw

    @classmethod
    def decode(cls, raw: bytes) -> "Self":
        """The message in one packet.

        Raises:
            ProtocolError: it is none, or not of this kind.
        """
        kind, *texts = raw.decode("utf-8", "surrogateescape").split("\0")
        if kind != cls.__name__:
            raise ProtocolError(f"expected {cls.__name__}, received {kind[:40]!r}")
        left = iter(texts)
        try:
            message = cls(
                **{name: _next_value(kind, left) for name, kind in cls.__annotations__.items()}
            )
        except StopIteration:
            raise ProtocolError(f"{kind} has fewer fields than it should have") from None
        except ValueError as error:
            raise ProtocolError(f"{kind} is malformed: {error}") from error
        if next(left, None) is not None:
            raise ProtocolError(f"{kind} has more fields than it should have")
        return message


class Setup(Message):
    """What a slot is to be; sent once, before anything runs."""

    role: str
    """`programs`, or `tests` for a slot that runs tests of programs in other slots."""
    profile: str
    """`strict`, `contained` or `rlimits`."""
    readable: tuple[str, ...]
    """Host paths that programs may read, at the same place; those that do not exist are left out."""
    scratch_parent: str
    """Where runs without a private root have their directories."""
    scratch_mib: int
    """How large a private one is: the spare has it before it has a job, so a slot is made for one size."""
    search_path: str
    """The program's PATH."""
    python_path: tuple[str, ...]
    """Folders whose packages Python programs may import beside the standard library."""
    preload: tuple[str, ...]
    """Modules that are imported once, before there is a program."""
    cgroups: tuple[str, ...]
    """Folders of the slot's own control groups, which it is in already; none where none could be had."""


class Ready(Message):
    """A slot that waits for its first program."""

    uid: int
    """Whom pipes have to belong to; -1 where that is the worker's own user."""
    layers: tuple[str, ...]
    """Names of what is in force, in order."""


class Refusal(Message):
    """A layer could not be had, and no program ran."""

    layer: str
    detail: str


class Request(Message):
    """One program to run. Its files follow in a memfd, one after the other, as the last descriptor."""

    argv: tuple[str, ...]
    """The command. The first word says how: `python` is the zygote's own interpreter, a path is exec'ed."""
    files: tuple[str, ...]
    """Paths below the scratch directory; the program is the first."""
    sizes: tuple[str, ...]
    """Their lengths in bytes."""
    cpu_seconds: float
    wall_seconds: float
    memory_mib: int
    private_memory_mib: int
    """Of each process."""
    address_space_mib: int
    """0 leaves it unlimited."""
    file_size_mib: int
    processes: int
    open_files: int
    artefacts: int
    """How many files of its own the program may have collected afterwards; 0 collects nothing."""
    artefact_kib: int
    """How much of all of them together."""


class Confined(Message):
    """The first spare of a slot is behind its walls. Those after it do as it did, and say nothing."""


class Report(Message):
    """How a run ended. It is sent when every process of the run is dead."""

    wait_status: int
    """Of the program itself, as waitpid(2) gives it."""
    reason: str
    """Which limit ended it, `cancelled` where the worker asked, empty where the program ended by itself."""
    cpu_seconds: float
    wall_seconds: float
    peak_memory_kib: int
    """The most the tree held at one moment, as sampled; where there was no sample, the most one of its processes
    did."""
    peak_processes: int
    """The most there were at one look; 1 where the program was over before the first."""
    artefacts: tuple[str, ...]
    """Names of what was collected; its content is in a memfd beside this message."""
    artefact_sizes: tuple[str, ...]
    """`kept of whole` in bytes, for each."""
    artefacts_omitted: int
    """How many files were passed over because of a bound, or because they were no plain files."""


def receive(channel: "Socket", flags: int = _MSG_CMSG_CLOEXEC) -> tuple[bytes, list[int]]:
    """The next packet and its descriptors, which an exec closes unless `flags` are 0; blocks until there is one.

    Raises:
        ProtocolError: the other side went away.
    """
    raw, ancillary, _, _ = channel.recvmsg(PACKET_BYTES, _ANCILLARY_BYTES, flags)
    descriptors = [
        int.from_bytes(data[at : at + _FD_BYTES], "little")
        for level, kind, data in ancillary
        if (level, kind) == (_SOL_SOCKET, _SCM_RIGHTS)
        for at in range(0, len(data) - len(data) % _FD_BYTES, _FD_BYTES)
    ]
    if not raw:
        for descriptor in descriptors:
            os.close(descriptor)
        raise ProtocolError("the other side went away")
    return raw, descriptors


def send(channel: "Socket", message: Message, descriptors: "tuple[int, ...]" = ()) -> None:
    """Send one message, and descriptors beside it."""
    channel.sendmsg([message.encode()], _rights(descriptors))


def send_descriptors(channel: "Socket", descriptors: "tuple[int, ...]") -> None:
    """Send descriptors, and nothing that is read."""
    channel.sendmsg([b"descriptors"], _rights(descriptors))


def ready_to_hand_on(
    channel: "Socket", cpu_seconds: float, held: "tuple[int, ...]"
) -> "Callable[[bytes], object]":
    """What says that the spare has taken the job it is called with, and how much time it had used before.

    Beside it go a descriptor of its scratch directory and those of its own namespaces. Who holds a namespace puts off
    its end: taking one apart takes a process longer than to die, and the report should not wait for it.
    """
    before, rights = f"{cpu_seconds}\0".encode(), _rights(held)
    return lambda request: channel.sendmsg([before, request], rights)


def handed_on(packet: bytes) -> tuple[Request, float]:
    """What the spare has taken, and the time it had used before.

    Raises:
        ProtocolError: it has not.
    """
    cpu_seconds, _, request = packet.partition(b"\0")
    try:
        return Request.decode(request), float(cpu_seconds)
    except ValueError as error:
        raise ProtocolError(f"this is no job: {error}") from error


def _rights(descriptors: "tuple[int, ...]") -> list[tuple[int, int, bytes]]:
    rights = b"".join(each.to_bytes(_FD_BYTES, "little") for each in descriptors)
    return [(_SOL_SOCKET, _SCM_RIGHTS, rights)] if rights else []


def _next_value(kind: type, texts: "Iterator[str]") -> object:
    if kind in (int, float, str):
        return kind(next(texts))
    return tuple([next(texts) for _ in range(int(next(texts)))])
