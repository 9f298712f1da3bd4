"""Who the program is: never root."""

import errno
import os

from . import syscalls

# systemd hands out uids below this to containers, and people and services live far below it.
_UNUSED_FROM = 0x7000_0000
# Where a container maps fewer uids, take one from the end of its range, but not the very end: 65534 is nobody.
_CONTAINER_SPAN = 4096
_CONTAINER_MARGIN = 2048


def unprivileged_uid() -> int | None:
    """A uid nobody else has, for a run started by root; None where we are no more than an ordinary user.

    RLIMIT_NPROC does not bind root, and counts by uid: each launcher's own pid makes the uid its own.

    Raises:
        PermissionError: we are root, and this container has no other user for us to become.
    """
    if os.geteuid() != 0:
        return None
    ranges = _mapped_ranges()
    first, _, count = max(ranges, key=lambda span: span[2])
    if first + count > _UNUSED_FROM + 2**22:
        return _UNUSED_FROM + os.getpid()
    if count > _CONTAINER_SPAN + _CONTAINER_MARGIN:
        return first + count - _CONTAINER_MARGIN - os.getpid() % _CONTAINER_SPAN
    if any(first == outside == 0 for first, outside, _ in ranges):
        raise PermissionError(
            errno.EPERM, "root, and no other uid is mapped in this user namespace"
        )
    # What looks like root here is somebody's ordinary account outside.
    return None


def become(uid: int) -> None:
    """Change to `uid` for good, without groups."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    # A change of user makes /proc/self root's, and the id maps are written there.
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 1)


def _mapped_ranges() -> list[tuple[int, int, int]]:
    """First uid inside, first uid outside, how many."""
    with open("/proc/self/uid_map", "rb") as uid_map:
        rows = [line.split() for line in uid_map]
    return [(int(first), int(outside), int(count)) for first, outside, count in rows]
