"""Reads a whole document of rows, and stops where a row is longer than any could be."""

from typing import BinaryIO

from jobs.errors import DatasetError

MAX_LINE_MIB = 256
"""Room for a row with each of its texts at its longest, every character escaped."""


def read_document(file: BinaryIO, name: str) -> bytes:
    """What `file` holds, read line by line; `name` is what messages call it.

    Raises:
        DatasetError: a line is too long; nothing beyond it was read.
    """
    lines: list[bytes] = []
    while line := file.readline(MAX_LINE_MIB * 2**20 + 1):
        if len(line) > MAX_LINE_MIB * 2**20:
            raise DatasetError(
                f"{name} cannot be read: line {len(lines) + 1} is longer than {MAX_LINE_MIB} MiB",
                fixes=["write one JSON object a line"],
                note="nothing was queued",
            )
        lines.append(line)
    return b"".join(lines)
