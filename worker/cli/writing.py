"""Writes what was asked for to standard output, or into a file: whole, or not at all."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from config.escaping import escaped
from jobs.clock import new_id
from jobs.errors import UsageError

from .output import emit, talk


def deliver(lines: Iterable[str], output: Path | None) -> None:
    """Write lines, in which controls are spelled out, to a file if one is named, and say so, else to standard output.

    A file that is there is replaced in one step, by a whole one. What is no file, as a pipe, is written to.

    Raises:
        UsageError: the file cannot be written; one that was there before is as it was.
    """
    if output is None:
        for line in lines:
            emit(line)
        return
    place = Path(os.path.realpath(output))
    is_file = place.is_file() or not place.exists()
    draft = place.with_name(f".{new_id('draft')}") if is_file else place
    try:
        with draft.open("w", encoding="utf-8", newline="") as file:
            file.writelines(f"{line}\n" for line in lines)
            size = file.tell() if is_file else 0
        if is_file:
            draft.replace(place)
            talk(escaped(f"written  {output}, {_in_words(size)}"))
    except OSError as error:
        raise UsageError(
            f"{str(output)!r} cannot be written: {error.strerror}",
            fixes=["name a file in a folder that is there and may be written to"],
        ) from error
    finally:
        if is_file:
            with suppress(OSError):
                draft.unlink(missing_ok=True)


def _in_words(n_bytes: int) -> str:
    return f"{n_bytes / 1000:,.0f} kB" if n_bytes < 1_000_000 else f"{n_bytes / 1_000_000:,.1f} MB"
