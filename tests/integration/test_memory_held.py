"""What the processes of a run hold together, read from them one after the other."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
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

_SHARES_ALL = f"""
import ctypes, os, signal
block = bytearray(b"x") * ({_SHARED_MIB} << 20)
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
stack = libc.mmap(None, 1 << 16, 3, 0x22, -1, 0)
CLONE_VM, CLONE_VFORK = 0x100, 0x4000
os.write(1, b"%d\\n" % os.getpid())
pause = ctypes.cast(libc.pause, ctypes.c_void_p)
libc.clone(pause, ctypes.c_void_p(stack + (1 << 16)), CLONE_VM | CLONE_VFORK | signal.SIGCHLD, None)
"""
_FORKS_WHEN_TOLD = f"""
import os, signal
block = bytearray(b"x") * ({_SHARED_MIB} << 20)
signal.signal(signal.SIGUSR1, lambda *_: os.fork())
print(os.getpid(), flush=True)
while True:
    signal.pause()
"""
_HANDS_ON = f"""
import os, time
block = bytearray(b"x") * ({_SHARED_MIB} << 20)
print(os.getpid(), flush=True)
while True:
    time.sleep(0.1)
    if os.fork(): os._exit(0)
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
        assert 0 <= held_memory_kib(lambda: pids, 0) // 1024 - _SHARED_MIB <= _ROOM_MIB


def test_a_page_counts_once_though_those_that_share_it_end_one_after_the_other() -> None:
    """A pool of workers that is done is no program over its limit."""
    with _processes_of(_SHARES) as (parent, *children):

        def dying() -> Iterator[int]:
            for pid in reversed(children):
                yield pid
                os.kill(pid, signal.SIGKILL)
                _wait_until(partial(_is_buried, pid), "its burial")
            yield parent

        lists = iter([dying(), [parent]])
        assert 0 <= held_memory_kib(lambda: next(lists), 0) // 1024 - _SHARED_MIB <= _ROOM_MIB


def test_two_processes_that_are_one_in_memory_count_once() -> None:
    """A program that starts others is two processes of its whole size until each of them is another program."""
    with _processes_of(_SHARES_ALL) as (parent,):
        pids = [parent, *_children_of(parent)]
        assert 0 <= held_memory_kib(lambda: pids, 0) // 1024 - _SHARED_MIB <= _ROOM_MIB


def test_what_one_hands_on_to_the_next_counts_though_each_ends_before_it_is_read() -> None:
    """A program whose processes lived shorter than a look at all of them would have no limit."""
    with _processes_of(_SHARES) as idle, _processes_of(_HANDS_ON) as (first,):

        def listed() -> Iterator[int]:
            now = _of_session(first)
            yield from idle
            if not lists:
                # It may take as long to read a few large ones.
                _wait_until(
                    lambda: not any(map(_has_memory, now)), "the end of those that were listed"
                )
            lists.append(now)
            yield from now

        lists: list[list[int]] = []
        assert held_memory_kib(listed, 0) // 1024 >= 2 * _SHARED_MIB
        assert lists[0] != lists[-1]


def test_what_a_child_has_from_its_parent_counts_once_though_it_came_after_that_was_read() -> None:
    """A pool that is just being made is no program over its limit."""
    with _processes_of(_FORKS_WHEN_TOLD) as (parent,):

        def while_it_forks() -> Iterator[int]:
            yield parent
            os.kill(parent, signal.SIGUSR1)
            pids.extend(_children_of(parent))

        pids = [parent]
        lists = iter([while_it_forks(), pids, pids])
        assert 0 <= held_memory_kib(lambda: next(lists), 0) // 1024 - _SHARED_MIB <= _ROOM_MIB
        assert len(pids) == 2


def _children_of(parent: int) -> list[int]:
    """As soon as it has any."""
    children = Path(f"/proc/{parent}/task/{parent}/children")
    _wait_until(lambda: bool(children.read_text()), "a child")
    return list(map(int, children.read_text().split()))


def _is_buried(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def _has_memory(pid: int) -> bool:
    try:
        return not Path(f"/proc/{pid}/statm").read_text().startswith("0 ")
    except (FileNotFoundError, ProcessLookupError):
        return False


def _wait_until(predicate: Callable[[], bool], what: str) -> None:
    asyncio.run(wait_until(predicate, 10, what))


def _of_session(leader: int) -> list[int]:
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(ProcessLookupError):
            if os.getsid(int(place.name)) == leader:
                found.append(int(place.name))
    return found


async def test_a_process_whose_first_thread_has_ended_still_holds_its_memory() -> None:
    """To /proc it has none any more."""
    with _processes_of(_HEADLESS) as (pid,):
        statm = Path(f"/proc/{pid}/statm")
        await wait_until(lambda: statm.read_text().startswith("0 "), 10, "the end of a thread")
        assert 0 <= held_memory_kib(lambda: [pid], 0) // 1024 - _SHARED_MIB <= _ROOM_MIB
