"""The frames between worker and launcher."""

import os

import pytest

from worker.sandbox.inside.protocol import (
    ProtocolError,
    Refusal,
    Report,
    frame,
    frame_length,
    receive_frame,
    send,
)

_REPORT = Report(
    wait_status=256,
    reason="",
    cpu_seconds=0.25,
    wall_seconds=1.5,
    peak_memory_kib=9000,
    layers=("a", "b c"),
)


def test_a_message_survives_the_way() -> None:
    """A report that arrives changed would be a wrong verdict."""
    assert vars(Report.decode(_REPORT.encode())) == vars(_REPORT)


@pytest.mark.parametrize("layers", [(), ("one",), ("", "\N{SNOWMAN}", "two\nlines", "\udcff")])
def test_lists_of_any_text_survive_the_way(layers: tuple[str, ...]) -> None:
    """Paths hold any byte but NUL, and a list may be empty."""
    report = Report(**{**vars(_REPORT), "layers": layers})
    assert Report.decode(report.encode()).layers == layers


def test_a_nul_is_refused_where_it_would_be_written() -> None:
    """It separates the fields: one inside a value would add a field of the program's choice."""
    with pytest.raises(ProtocolError, match="holds a NUL"):
        Refusal(layer="a\0b", detail="").encode()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"Report",
        b"Refusal\0layer\0x\0detail\0y",
        _REPORT.encode() + b"\0more",
        _REPORT.encode() + b"\0unknown\0x",
        _REPORT.encode().replace(b"256", b"many"),
        _REPORT.encode() + b"\0reason\0twice",
    ],
    ids=["empty", "no fields", "another kind", "odd", "unknown field", "no number", "field twice"],
)
def test_what_is_no_report_is_never_taken_for_one(raw: bytes) -> None:
    """A launcher that misbehaves is our failure, and never a program's result."""
    with pytest.raises(ProtocolError):
        Report.decode(raw)


def test_a_message_lacking_a_field_cannot_be_made() -> None:
    """The two sides run from the same definition, and notice at once when they do not."""
    with pytest.raises(ProtocolError, match="has the fields"):
        Refusal(layer="x")


def test_a_frame_is_read_whole_and_no_further() -> None:
    """The next frame begins where this one ends."""
    reading, writing = os.pipe()
    send(writing, Refusal(layer="x", detail="y"))
    os.write(writing, frame(b"next"))
    os.close(writing)
    assert Refusal.decode(receive_frame(reading)).layer == "x"
    assert receive_frame(reading) == b"next"
    with pytest.raises(ProtocolError, match="went away"):
        receive_frame(reading)
    os.close(reading)


def test_a_frame_of_absurd_length_is_refused_before_it_is_read() -> None:
    """Four bytes of rubbish must not make us reserve gigabytes."""
    with pytest.raises(ProtocolError, match="not one of ours"):
        frame_length(b"\xff\xff\xff\xff")
