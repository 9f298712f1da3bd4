"""The limits the kernel holds by itself, process by process; the watcher holds the same ones over the tree.

Theory of operation. They are the backstop: they hold between two looks of the watcher and if the watcher fails. Those
that are the same for every program the slot sets upon itself, and its children have them. The others are set by the
program's own process as its last step, because CPU time and address space would count what came before.
"""

import os
import resource

from . import processes
from .protocol import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_MIB = 1024 * 1024
_STACK_SOFT, _STACK_HARD = 8 * _MIB, 64 * _MIB
_PENDING_SIGNALS = 256

Bound = tuple[int, int, int]
"""A resource, its soft and its hard limit."""


OF_ALL: "tuple[Bound, ...]" = (
    (resource.RLIMIT_STACK, _STACK_SOFT, _STACK_HARD),
    # Not 0: a core handler that reads from a pipe is started for 0 as well. For 1 the kernel writes nothing at all.
    (resource.RLIMIT_CORE, 1, 1),
    (resource.RLIMIT_MEMLOCK, 0, 0),
    (resource.RLIMIT_MSGQUEUE, 0, 0),
    (resource.RLIMIT_NICE, 0, 0),
    (resource.RLIMIT_RTPRIO, 0, 0),
    (resource.RLIMIT_SIGPENDING, _PENDING_SIGNALS, _PENDING_SIGNALS),
)
"""What no program has more of, whatever its own limits are."""


def bounds(request: Request, tasks_besides: int) -> list[Bound]:
    """What to set for a program.

    `tasks_besides` is how many processes and threads the kernel counts for the program's user that are not the
    program's own.
    """
    cpu_seconds = -(-request.cpu_seconds // 1)
    address_space = request.address_space_mib * _MIB or resource.RLIM_INFINITY
    return [
        # The soft limit's signal can be ignored, the hard limit's cannot.
        (resource.RLIMIT_CPU, int(cpu_seconds), int(cpu_seconds) + 1),
        # Private memory. RLIMIT_RSS is ignored by the kernel, and V8 cannot live under a low RLIMIT_AS.
        _both(resource.RLIMIT_DATA, request.private_memory_mib * _MIB),
        _both(resource.RLIMIT_AS, address_space),
        _both(resource.RLIMIT_NPROC, request.processes + tasks_besides),
        _both(resource.RLIMIT_NOFILE, request.open_files),
        _both(resource.RLIMIT_FSIZE, request.file_size_mib * _MIB),
    ]


def apply(wanted: "Iterable[Bound]") -> None:
    """Set them on this process; where a lower limit is in force already, it stays."""
    for kind, soft, hard in wanted:
        ceiling = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (_lower(soft, ceiling), _lower(hard, ceiling)))


def tasks_of_this_user() -> int:
    """Processes and threads that this user runs now, as far as they can be seen."""
    tasks = 0
    for pid in processes.pids_of(os.geteuid()):
        try:
            tasks += len(os.listdir(f"/proc/{pid}/task"))
        except OSError:
            continue  # it ended while we looked
    return tasks


def _both(kind: int, limit: int) -> Bound:
    return (kind, limit, limit)


def _lower(one: int, other: int) -> int:
    if resource.RLIM_INFINITY in (one, other):
        return other if one == resource.RLIM_INFINITY else one
    return min(one, other)
