"""Tests side by side: `make test` runs them in several processes, and some want the machine for themselves.

Whoever runs a test holds a lock: a shared one, or for a test that is marked `alone` the whole of it. Tests of one
`xdist_group` run one after another, in one process.
"""

import fcntl
import os
from collections.abc import Generator
from pathlib import Path
from typing import TypeVar

import pytest

_Ran = TypeVar("_Ran")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: tests wait as often as they compute."""
    return len(os.sched_getaffinity(0)) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Groups first, as they take longest, and last what runs alone: nobody has to wait for it then."""
    items.sort(key=_turn)


# Around the time-outs of tests, too: to wait for others is not the fault of whoever waits.
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, _Ran, _Ran]:
    """Run the test when its turn has come, beside others or alone."""
    # This very file is locked: it is there, the same for all, and nothing of it is left behind.
    with Path(__file__).open("rb") as machine:
        fcntl.flock(machine, fcntl.LOCK_EX if _is_alone(item) else fcntl.LOCK_SH)
        try:
            return (yield)
        finally:
            # Not by closing it: what the test has forked may hold it still.
            fcntl.flock(machine, fcntl.LOCK_UN)


def _turn(item: pytest.Item) -> int:
    if _is_alone(item):
        return 2
    return 0 if item.get_closest_marker("xdist_group") else 1


def _is_alone(item: pytest.Item) -> bool:
    return item.get_closest_marker("alone") is not None
