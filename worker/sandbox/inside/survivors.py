"""Ends what outlived a zygote that somebody killed, where no PID namespace took it along.

Theory of operation. Whoever lists processes and kills them one by one comes too late for one that forks and ends in
between, and a daemon is begun by two of those. The kernel's kill of everyone spares nobody that is there at that
moment, and whoever has been sent SIGKILL can fork no more. What keeps it to the slot's programs is that this process
becomes their user first, whom nobody else has, and may then signal no other.
"""

import os
import time

from . import identity, processes, syscalls

_LOOK_AGAIN_SECONDS = 0.005


def end_all_of(uid: int) -> None:
    """Kill every process of this user but ourselves, who become one, and return when they are dead.

    Raises:
        OSError: we cannot become that user and no more.
    """
    identity.become(uid)
    # With the change of user they are gone, unless whoever started us had asked for them to stay.
    syscalls.GiveUpCapabilities()()
    processes.kill_everyone_else()
    while processes.usage([pid for pid in processes.pids_of(uid) if pid != os.getpid()]).tasks:
        time.sleep(_LOOK_AGAIN_SECONDS)
