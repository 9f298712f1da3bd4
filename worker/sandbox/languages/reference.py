"""Writes `docs/reference/languages.md` from the table: `python -m worker.sandbox.languages.reference`."""

import sys
from collections.abc import Iterator

from jobs.languages import CALLABLE
from worker.sandbox.inside.spare import PYTHON

from .row import LanguageRow
from .table import ROWS

_HEADER = """\
# Languages

What a program can be written in. `promptmill languages --check` says which of these this machine has, and tries them.

Tools are looked for in `/usr/local/bin`, `/usr/bin` and `/bin`, then along the worker's `PATH`. One that is unfit is
passed over: it is out of programs' reach, or cannot do what is needed. To name another, put it, or a link to it, into
`/usr/local/bin`. Outside `/usr` only a tool that is one file is taken, since nothing that lies beside it is shown to
programs.

A compiler is run in the sandbox like a program, under limits of its own, and what it makes is all that the program's
run is given; its time is not the program's. In the commands `{tool}` is what was found, `{folder}` its folder,
`{flags}` what it was found to need, `{scratch}` the run's directory, and `{harness}` what tests need besides.

This page is written by `make docs`.
"""


def languages_page() -> str:
    """The text of the page."""
    return "\n".join([_HEADER, *_summary(), "", *(_section(row) for row in ROWS.values())])


def _summary() -> Iterator[str]:
    yield "| language | name | labels of code blocks | endings of files | looked for | Debian package | calls |"
    yield "|---|---|---|---|---|---|---|"
    for row in ROWS.values():
        cells = (
            row.title,
            f"`{row.language.value}`",
            " ".join(row.labels),
            " ".join(row.suffixes),
            ", ".join(row.tool.names),
            row.tool.apt_package,
            "yes" if row.language in CALLABLE else "no",
        )
        yield f"| {' | '.join(cells)} |"


def _section(row: LanguageRow) -> str:
    is_own = row.run[0] == PYTHON
    run = "in the forked interpreter of the sandbox itself" if is_own else _words(row.run)
    lines = [f"## {row.title}", "", f"- the model is asked for: {row.description}"]
    if row.compiling is not None:
        limits = row.compiling.limits
        lines.append(f"- compiled: {_words(row.compiling.command)}")
        lines.append(
            f"- by at most {limits.cpu_seconds:g} s of CPU time, {limits.wall_seconds:g} s on the clock, "
            f"{limits.memory_mib} MiB of memory, {limits.file_size_mib} MiB a file, {limits.processes} processes"
        )
    lines += [f"- run: {run}", f"- tests: {row.tests}", f"- beside the limits: {_rooms(row)}"]
    if row.readable:
        lines.append(f"- shown besides `/usr`: {', '.join(f'`{path}`' for path in row.readable)}")
    return "\n".join([*lines, ""])


def _rooms(row: LanguageRow) -> str:
    rooms = [] if row.bounds_address_space else ["address space is not bounded"]
    if row.private_memory_room_mib:
        rooms.append(f"{row.private_memory_room_mib} MiB more may be mapped than used")
    if row.processes_room:
        rooms.append(f"{row.processes_room} threads for the runtime")
    if row.least_open_files:
        rooms.append(f"at least {row.least_open_files} open files")
    return ", ".join(rooms) or "nothing"


def _words(words: tuple[str, ...]) -> str:
    return f"`{' '.join(words)}`"


if __name__ == "__main__":
    sys.stdout.write(languages_page())
