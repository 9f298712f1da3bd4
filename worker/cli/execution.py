"""What a run of a program came to, in a few lines for a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, assert_never

if TYPE_CHECKING:
    from jobs.models import Execution, LimitHit

_SHOWN_FILES = 20


def execution_lines(run: Execution) -> Iterator[str]:
    """How it ended, what it used, and what it left. Names of files are the program's own words, and not escaped."""
    yield f"ended     {_end_of(run)}"
    memory = "unknown" if run.peak_memory_kib is None else f"{run.peak_memory_kib / 1024:.1f} MiB"
    processes = "" if run.peak_processes is None else f", processes {run.peak_processes}"
    times = f"cpu {run.cpu_seconds:.2f} s, wall {run.wall_seconds:.2f} s"
    yield f"used      {times}, memory {memory}{processes}"
    for name, n_bytes, is_cut in (
        ("stdout", run.stdout_bytes, run.stdout_truncated),
        ("stderr", run.stderr_bytes, run.stderr_truncated),
    ):
        if is_cut:
            yield f"{name}    cut: at least {n_bytes:,} bytes were written"
    for artefact in run.artefacts[:_SHOWN_FILES]:
        cut = ", cut" if artefact.truncated else ""
        yield f"left      {artefact.name} ({artefact.size_bytes:,} bytes{cut})"
    n_more = len(run.artefacts) - len(run.artefacts[:_SHOWN_FILES])
    if n_more:
        yield f"left      … and {n_more} files more"
    if run.artefacts_omitted:
        yield f"left      {run.artefacts_omitted} passed over: too many, too deep, or no plain files"


def _end_of(run: Execution) -> str:
    end = f"exit code {run.exit_code}" if run.signal is None else f"signal {run.signal_in_words}"
    if run.limit_hit is not None:
        return f"{end}: {_limit(run.limit_hit)}"
    return f"{end}: it does not compile" if run.compile_failed else end


def _limit(limit: LimitHit) -> str:
    match limit:
        case "cpu" | "wall" | "memory" | "output" | "processes":
            return f"over the limit of {limit}"
        case "file_size":
            return "over the limit of file size"
        case "denied":
            return "asked for what no program may do here"
        case _:
            assert_never(limit)
