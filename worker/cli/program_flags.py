"""What may be said of one program on the command line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators

from jobs.languages import Language


@Parameter(name="*")
@dataclass(frozen=True)
class Surroundings:
    """What a program is given, and what is taken from it."""

    language: Annotated[
        Language | None, Parameter(help="what it is written in, if its suffix does not say")
    ] = None
    stdin: Annotated[
        str,
        Parameter(allow_leading_hyphen=True, help="its standard input: text, @FILE, or - for ours"),
    ] = ""
    files: Annotated[
        tuple[Path, ...],
        Parameter(
            consume_multiple=True, negative=(), help="files to put beside it, by their last name"
        ),
    ] = ()
    collect: Annotated[
        int,
        Parameter(
            validator=validators.Number(gte=0, lte=1000),
            help="files of its own to collect at most; nothing is written here",
        ),
    ] = 0


@Parameter(name="*")
@dataclass(frozen=True)
class LimitFlags:
    """Limits for this run; the `ceiling.*` settings hold."""

    cpu_seconds: float | None = None
    wall_seconds: float | None = None
    memory_mib: int | None = None
    output_kib: int | None = None
    file_size_mib: int | None = None
    scratch_mib: int | None = None
    processes: int | None = None
    open_files: int | None = None


NO_SURROUNDINGS = Surroundings()
NO_LIMITS = LimitFlags()
