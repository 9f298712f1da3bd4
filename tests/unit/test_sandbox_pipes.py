"""Pipes that keep no more than their cap and never wait for an end."""

import asyncio
import os
from pathlib import Path

import pytest

from tests.waiting import wait_until
from worker.sandbox.pipes import CappedReader, Feeder, Plumbing


async def _read(written: bytes, cap_bytes: int) -> tuple[CappedReader, list[str]]:
    overflows: list[str] = []
    reader = CappedReader(cap_bytes)
    end = os.dup(reader.write_end)
    reader.start(lambda: overflows.append("over"))
    reader.watch()
    os.write(end, written)
    await wait_until(lambda: reader.n_bytes >= len(written), 5, "the bytes")
    reader.read_what_is_left()
    os.close(end)
    reader.close()
    return reader, overflows


@pytest.mark.parametrize(
    ("written", "text", "truncated"),
    [
        (b"abcd", "abcd", False),
        (b"abcdef", "abcd", True),
        (b"ab\xff", "ab\N{REPLACEMENT CHARACTER}", False),
    ],
    ids=["to the cap", "over it", "no text"],
)
async def test_what_is_kept_is_what_was_written_up_to_the_cap(
    written: bytes, text: str, truncated: bool
) -> None:
    """Whatever was cut has to be told, and nothing else."""
    reader, overflows = await _read(written, 4)
    assert (reader.text, reader.truncated, reader.n_bytes) == (text, truncated, len(written))
    assert overflows == (["over"] if truncated else [])


async def test_reading_what_is_left_does_not_wait_for_the_end() -> None:
    """Somebody may hold the other end open for ever."""
    reader, _ = await _read(b"ab", 4)
    assert reader.text == "ab"


async def test_what_a_short_program_wrote_is_taken_when_it_has_ended() -> None:
    """Nobody looks at first, so that most programs cost the loop nothing; all of their output is kept all the same."""
    plumbing = Plumbing("", "nonce", 64)
    ends = [os.dup(end) for end in plumbing.ends_for_the_program]
    stops: list[str] = []
    plumbing.start(lambda: stops.append("stop"))
    for end, words in zip(ends[1:3], (b"out", b"x" * 65), strict=True):
        os.write(end, words)
    os.write(ends[4], b"nonce")
    for end in ends:
        os.close(end)
    plumbing.read_what_is_left()
    plumbing.close()
    assert (plumbing.stdout.text, plumbing.answer) == ("out", b"nonce")
    assert plumbing.stderr.truncated
    assert plumbing.overflowed
    assert stops == [], "it has ended already, and the slot may have another program"


async def test_a_program_that_goes_on_is_read_as_it_writes_and_stopped_at_its_cap() -> None:
    """A pipe holds 64 KiB: a program that writes more would wait for ever, or write for ever."""
    plumbing = Plumbing("", None, 300_000)
    end = os.dup(plumbing.ends_for_the_program[1])
    stops: list[str] = []
    plumbing.start(lambda: stops.append("stop"))
    await asyncio.to_thread(os.write, end, b"x" * 300_001)
    await wait_until(lambda: bool(stops), 5, "the stop")
    os.close(end)
    plumbing.close()
    assert len(plumbing.stdout.kept) == 300_000


async def test_a_feeder_writes_as_fast_as_it_is_read_and_then_closes() -> None:
    """A pipe holds 64 KiB; the loop must not stand still over the rest."""
    feeder = Feeder("x" * 500_000)
    end = os.dup(feeder.read_end)
    feeder.start()
    received = 0
    while part := await asyncio.to_thread(os.read, end, 65_536):
        received += len(part)
    os.close(end)
    feeder.close()
    assert received == 500_000


def _n_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_a_feeder_does_not_mind_that_nobody_reads() -> None:
    """Most programs ignore their input, and end."""
    before = _n_descriptors()
    feeder = Feeder("x" * 500_000)
    feeder.start()
    assert _n_descriptors() == before
