"""From limits to what the kernel is told."""

import resource
from typing import Any

from worker.sandbox.inside.processes import Usage
from worker.sandbox.inside.protocol import Request
from worker.sandbox.inside.rlimits import OF_ALL, bounds

_MIB = 1024 * 1024


def _bounds(**changed: Any) -> dict[int, tuple[int, int]]:
    fields: dict[str, Any] = {
        "argv": ("/x",),
        "files": (),
        "sizes": (),
        "cpu_seconds": 2.5,
        "wall_seconds": 5.0,
        "memory_mib": 256,
        "private_memory_mib": 256,
        "address_space_mib": 1280,
        "file_size_mib": 16,
        "processes": 32,
        "open_files": 64,
        "artefacts": 0,
        "artefact_kib": 0,
    }
    request = Request(**{**fields, **changed})
    return {kind: (soft, hard) for kind, soft, hard in bounds(request, 2)}


def test_cpu_time_is_rounded_up_and_killed_a_second_later() -> None:
    """The kernel counts whole seconds; rounding down would end programs that were within their limit."""
    assert _bounds()[resource.RLIMIT_CPU] == (3, 4)


def test_memory_is_bounded_privately_and_as_address_space() -> None:
    """Either alone lets something through: shared mappings, or V8's reservations."""
    limits = _bounds()
    assert limits[resource.RLIMIT_DATA] == (256 * _MIB, 256 * _MIB)
    assert limits[resource.RLIMIT_AS] == (1280 * _MIB, 1280 * _MIB)


def test_address_space_can_be_left_unlimited() -> None:
    """Node does not start under a low one."""
    assert _bounds(address_space_mib=0)[resource.RLIMIT_AS][0] == resource.RLIM_INFINITY


def test_our_own_tasks_are_not_taken_from_the_program() -> None:
    """The kernel counts by user, and we have the same one."""
    assert _bounds()[resource.RLIMIT_NPROC] == (34, 34)


def test_no_core_is_dumped_and_nothing_is_locked_in_memory() -> None:
    """A core file is a copy of memory on the host's disk."""
    limits = {kind: (soft, hard) for kind, soft, hard in OF_ALL}
    # One byte: for 0 the kernel would still start a handler that reads the core from a pipe.
    assert limits[resource.RLIMIT_CORE] == (1, 1)
    for kind in (
        resource.RLIMIT_MEMLOCK,
        resource.RLIMIT_MSGQUEUE,
        resource.RLIMIT_RTPRIO,
    ):
        assert limits[kind] == (0, 0)


def test_a_process_name_cannot_forge_its_numbers() -> None:
    """The name stands in the middle of the line, and a program may choose it."""
    numbers = ["S", *map(str, range(4, 53))]
    used = Usage()
    used.add(f"77 (a) S 1 2 3 (b)) {' '.join(numbers)}\n")
    assert used.tasks == 20
    assert used.rss_kib == 24 * resource.getpagesize() // 1024


def test_whoever_is_dead_and_not_reaped_yet_is_no_process_too_many() -> None:
    """On a busy machine a program with few processes at a time would be ended for its dead ones."""
    dead = ["Z", *map(str, range(4, 53))]
    dead[17] = "1"
    used = Usage()
    used.add(f"77 (a) {' '.join(dead)}\n")
    assert used.tasks == 0
    dead[17] = "3"
    used.add(f"77 (its first thread has ended) {' '.join(dead)}\n")
    assert used.tasks == 3
