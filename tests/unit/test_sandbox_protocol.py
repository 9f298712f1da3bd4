"""The packets between worker and zygote."""

import os
import socket

import pytest

from worker.sandbox.inside.protocol import (
    LONGEST_MESSAGE_BYTES,
    ProtocolError,
    Refusal,
    Report,
    Request,
    handed_on,
    ready_to_hand_on,
    receive,
    send,
)

_REPORT = Report(
    wait_status=256,
    reason="",
    cpu_seconds=0.25,
    wall_seconds=1.5,
    peak_memory_kib=9000,
    peak_processes=2,
    artefacts=("a", "b c"),
    artefact_sizes=("1 of 1", "2 of 3"),
    artefacts_omitted=0,
)


def test_a_message_survives_the_way() -> None:
    """A report that arrives changed would be a wrong verdict."""
    assert vars(Report.decode(_REPORT.encode())) == vars(_REPORT)


@pytest.mark.parametrize("names", [(), ("one",), ("", "\N{SNOWMAN}", "two\nlines", "\udcff")])
def test_lists_of_any_text_survive_the_way(names: tuple[str, ...]) -> None:
    """Paths hold any byte but NUL, and a list may be empty."""
    report = Report(**{**vars(_REPORT), "artefacts": names})
    assert Report.decode(report.encode()).artefacts == names


def test_a_nul_is_refused_where_it_would_be_written() -> None:
    """It separates the fields: one inside a value would add a field of the program's choice."""
    with pytest.raises(ProtocolError, match="holds a NUL"):
        Refusal(layer="a\0b", detail="").encode()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"Report",
        b"Refusal\0x\0y",
        _REPORT.encode() + b"\0more",
        _REPORT.encode().removesuffix(b"\0" + b"0"),
        _REPORT.encode().replace(b"256", b"many"),
        _REPORT.encode().replace(b"\0" + b"2\0a", b"\0" + b"9\0a"),
        _REPORT.encode().replace(b"\0" + b"2\0a", b"\0" + b"-1\0a"),
    ],
    ids=[
        "empty",
        "no fields",
        "another kind",
        "a field more",
        "a field less",
        "no number",
        "a longer list",
        "a shorter list",
    ],
)
def test_what_is_no_report_is_never_taken_for_one(raw: bytes) -> None:
    """A launcher that misbehaves is our failure, and never a program's result."""
    with pytest.raises(ProtocolError):
        Report.decode(raw)


def _job(name: str) -> Request:
    """One whose last limit would be another, were a digit of it cut."""
    return Request(
        argv=("python",),
        files=(name,),
        sizes=("12",),
        cpu_seconds=2.5,
        wall_seconds=5.0,
        memory_mib=256,
        private_memory_mib=256,
        address_space_mib=0,
        file_size_mib=16,
        processes=32,
        open_files=64,
        artefacts=8,
        artefact_kib=65_536,
    )


_LONGEST_NAME = "x" * (LONGEST_MESSAGE_BYTES - len(_job("").encode()))


@pytest.mark.parametrize("cpu_seconds", [0.125, 1e-17 / 3])
@pytest.mark.parametrize("name", ["work/program.py", _LONGEST_NAME], ids=["short", "longest"])
def test_a_job_is_handed_on_whole_with_the_time_used_before(name: str, cpu_seconds: float) -> None:
    """The supervisor holds the program to the limits in it, and none of the time before it is the program's."""
    reading, writing = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with reading, writing:
        hand_on = ready_to_hand_on(writing, cpu_seconds, (writing.fileno(),))
        hand_on(_job(name).encode())
        packet, (held,) = receive(reading)
        assert os.path.sameopenfile(held, writing.fileno())
        os.close(held)
    taken, used = handed_on(packet)
    assert (vars(taken), used) == (vars(_job(name)), cpu_seconds)


def test_a_job_that_could_not_be_handed_on_is_refused() -> None:
    """A packet that is cut would hold a program to other limits than its own."""
    with pytest.raises(ProtocolError, match="a packet holds fewer"):
        _job(f"{_LONGEST_NAME}x").encode()


@pytest.mark.parametrize("packet", [b"", b"0.5", b"soon\0Request", _REPORT.encode()])
def test_what_is_no_job_is_never_watched_as_one(packet: bytes) -> None:
    """A spare that says something else has not become a program."""
    with pytest.raises(ProtocolError):
        handed_on(packet)


def test_a_message_lacking_a_field_cannot_be_made() -> None:
    """The two sides run from the same definition, and notice at once when they do not."""
    with pytest.raises(ProtocolError, match="has the fields"):
        Refusal(layer="x")


def test_a_packet_is_read_whole_and_no_further() -> None:
    """The next packet begins where this one ends, and descriptors stay with theirs."""
    reading, writing = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with reading, writing:
        send(writing, Refusal(layer="x", detail="y"), (writing.fileno(),))
        send(writing, Refusal(layer="next", detail=""))
        raw, descriptors = receive(reading)
        assert Refusal.decode(raw).layer == "x"
        assert os.path.sameopenfile(descriptors[0], writing.fileno())
        os.close(descriptors[0])
        raw, descriptors = receive(reading)
        assert (Refusal.decode(raw).layer, descriptors) == ("next", [])


def test_the_end_of_the_other_side_is_told() -> None:
    """Nothing received is not an empty message."""
    reading, writing = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    writing.close()
    with reading, pytest.raises(ProtocolError, match="went away"):
        receive(reading)


def test_a_message_that_fits_no_packet_is_refused_where_it_would_be_sent() -> None:
    """The kernel would refuse it with a number that nobody understands."""
    with pytest.raises(ProtocolError, match="a packet holds fewer"):
        Refusal(layer="x", detail="y" * 70_000).encode()
