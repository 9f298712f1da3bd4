"""What the processes of a run hold together, read from them one after the other."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.waiting import wait_until
from worker.sandbox.inside.processes import held_memory_kib

_SHARED_MIB, _PROCESSES = 32, 8
# What an interpreter needs besides, and each of its copies.
_ROOM_MIB = 16
_SHARES = f"""
import os, threading
block = bytearray(b"x") * ({_SHARED_MIB} << 20)
pids = [os.getpid()]
for _ in range({_PROCESSES - 1}):
    pid = os.fork()
    if pid == 0:
        threading.Event().wait()
    pids.append(pid)
print(*pids, flush=True)
while len(pids) > 1:
    os.waitpid(pids.pop(), 0)
threading.Event().wait()
"""
_HEADLESS = f"""
import ctypes, threading
block = bytearray(b"x") * ({_SHARED_MIB} << 20)
def go_on():
    print(threading.main_thread().native_id, flush=True)
    threading.Event().wait()
threading.Thread(target=go_on).start()
ctypes.CDLL(None).syscall({60 if os.uname().machine == "x86_64" else 93}, 0)
"""


@contextmanager
def _processes_of(source: str) -> Iterator[list[int]]:
    with subprocess.Popen(
        [sys.executable, "-c", source], stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        try:
            yield list(map(int, process.stdout.readline().split()))
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def test_a_page_that_many_share_counts_once() -> None:
    """Their sizes taken together would be several times the truth."""
    with _processes_of(_SHARES) as pids:
        assert len(pids) == _PROCESSES
        assert 0 <= held_memory_kib(pids, 0) // 1024 - _SHARED_MIB <= _ROOM_MIB


def test_a_page_counts_once_though_those_that_share_it_end_one_after_the_other() -> None:
    """A pool of workers that is done is no program over its limit."""
    with _processes_of(_SHARES) as (parent, *children):

        def dying() -> Iterator[int]:
            for pid in reversed(children):
                yield pid
                os.kill(pid, signal.SIGKILL)
                while Path(f"/proc/{pid}").exists():
                    time.sleep(0.001)
            yield parent

        assert 0 <= held_memory_kib(dying(), 0) // 1024 - _SHARED_MIB <= _ROOM_MIB


async def test_a_process_whose_first_thread_has_ended_still_holds_its_memory() -> None:
    """To /proc it has none any more."""
    with _processes_of(_HEADLESS) as (pid,):
        statm = Path(f"/proc/{pid}/statm")
        await wait_until(lambda: statm.read_text().startswith("0 "), 10, "the end of a thread")
        assert 0 <= held_memory_kib([pid], 0) // 1024 - _SHARED_MIB <= _ROOM_MIB
