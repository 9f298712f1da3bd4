"""What may be said of one program on the command line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators

from jobs.languages import Language

from .flags import WholeNumber


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
        WholeNumber,
        Parameter(
            validator=validators.Number(gte=0, lte=1000),
            help="files of its own to collect, up to 1000; nothing is written here",
        ),
    ] = 0


@Parameter(name="*")
@dataclass(frozen=True)
class LimitFlags:
    """Limits for this run; the `ceiling.*` settings hold."""

    cpu_seconds: Annotated[
        float | None, Parameter(help="user and system time of all its processes, up to 3600")
    ] = None
    wall_seconds: Annotated[float | None, Parameter(help="time on the clock, up to 7200")] = None
    memory_mib: Annotated[
        WholeNumber | None, Parameter(help="memory of all its processes, 16 to 65536")
    ] = None
    output_kib: Annotated[
        WholeNumber | None, Parameter(help="what is kept of each of its two streams, up to 65536")
    ] = None
    file_size_mib: Annotated[
        WholeNumber | None, Parameter(help="the largest file it may write, up to 65536")
    ] = None
    scratch_mib: Annotated[
        WholeNumber | None, Parameter(help="all of its files together, up to 65536")
    ] = None
    processes: Annotated[
        WholeNumber | None, Parameter(help="processes and threads at one time, up to 4096")
    ] = None
    open_files: Annotated[
        WholeNumber | None, Parameter(help="open descriptors of each process, 16 to 65536")
    ] = None


NO_SURROUNDINGS = Surroundings()
NO_LIMITS = LimitFlags()
