"""What one run of a program may use, and how a request is held under an operator's ceiling."""

from typing import Annotated, Self

from pydantic import Field

from .wire import Wire

CpuSeconds = Annotated[float, Field(gt=0, le=3600)]
WallSeconds = Annotated[float, Field(gt=0, le=7200)]
MemoryMib = Annotated[int, Field(ge=16, le=65_536)]
OutputKib = Annotated[int, Field(ge=1, le=65_536)]
FileSizeMib = Annotated[int, Field(ge=0, le=65_536)]
ScratchMib = Annotated[int, Field(ge=1, le=65_536)]
Processes = Annotated[int, Field(ge=1, le=4096)]
OpenFiles = Annotated[int, Field(ge=16, le=65_536)]


class Limits(Wire):
    """Resources of one run. Each is a bound on the whole process tree unless it says otherwise."""

    cpu_seconds: CpuSeconds = 10.0
    """User and system time, summed over the tree."""
    wall_seconds: WallSeconds = 30.0
    """Time on the clock: the backstop for programs that wait instead of work."""
    memory_mib: MemoryMib = 256
    """Memory of the tree, files in the scratch directory included where it is kept in memory."""
    output_kib: OutputKib = 1024
    """Bytes kept of standard output, and the same again of standard error."""
    file_size_mib: FileSizeMib = 16
    """The largest single file a program may write."""
    scratch_mib: ScratchMib = 64
    """All files of the scratch directory together, where the kernel lets us bound it."""
    processes: Processes = 32
    """Processes and threads alive at one time."""
    open_files: OpenFiles = 64
    """Open descriptors of one process."""

    def capped_by(self, ceiling: "Limits") -> Self:
        """The smaller of each pair: a job may ask for less than the operator allows, never for more."""
        ours, theirs = self.model_dump(), ceiling.model_dump()
        return self.model_copy(update={name: min(ours[name], theirs[name]) for name in ours})
