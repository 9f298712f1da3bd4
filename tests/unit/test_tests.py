"""The helpers that other tests stand on keep their promises."""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from tests.waiting import wait_until

ASK_A_CHILD = """
import subprocess, sys
from tests.conftest import pytest_configure

pytest_configure()
ask = "import signal; print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"
subprocess.run([sys.executable, "-c", ask], check=True)
"""


async def test_waiting_ends_as_soon_as_the_condition_holds() -> None:
    """A helper that waited out its deadline would make every test slow."""
    event = asyncio.Event()
    asyncio.get_running_loop().call_soon(event.set)
    async with asyncio.timeout(1):
        await wait_until(event.is_set, 30, "the event")


async def test_waiting_in_vain_says_for_what() -> None:
    """A failed test must name what never happened, not only that time ran out."""
    with pytest.raises(AssertionError, match="in vain for: a miracle"):
        await wait_until(lambda: False, 0.02, "a miracle")


@pytest.mark.parametrize("value", [b"first", b"second"])
def test_each_test_finds_its_redis_empty(redis_url: str, value: bytes) -> None:
    """What one test leaves behind must never decide how another ends."""
    with redis.Redis.from_url(redis_url) as client:
        assert client.get("left-behind") is None
        client.set("left-behind", value)


def test_what_tests_start_can_be_interrupted_though_nobody_can_interrupt_the_tests() -> None:
    """A shell without job control starts what runs in the background without Ctrl-C, and children inherit that."""
    deaf = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", sys.executable, "-c", ASK_A_CHILD]
    asked = subprocess.run(deaf, capture_output=True, text=True, check=True)
    assert asked.stdout == "False\n"


@pytest.mark.parametrize(
    ("need", "everything_required", "ends_as"),
    [
        ("require('a miracle', available=False)", "", "Skipped: missing: a miracle"),
        ("require('a miracle', available=False)", "1", "Failed: required here, but missing"),
        ("material('no/such.file')", "", "Skipped: missing: ../shared/no/such.file"),
        ("material('no/such.file')", "1", "Skipped: missing: ../shared/no/such.file"),
    ],
)
def test_ci_demands_what_the_machine_must_offer_and_not_what_lies_beside_the_repository(
    need: str, everything_required: str, ends_as: str
) -> None:
    """A clone must pass by itself, and still no sandbox may go untested because a kernel grants nothing."""
    asked = subprocess.run(
        [sys.executable, "-c", f"from tests.requiring import *; {need}"],
        env={**os.environ, "TESTS_REQUIRE_ALL": everything_required},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ends_as in asked.stderr


BESIDE = """
import time
from pathlib import Path
import pytest

RUNNING = Path("alone is running")

def moments():
    give_up_at = time.monotonic() + 0.3
    while time.monotonic() < give_up_at:
        yield

@pytest.mark.alone
def test_alone():
    RUNNING.touch()
    for _ in moments():
        assert RUNNING.exists()
    RUNNING.unlink()

@pytest.mark.parametrize("number", range(4))
def test_beside_others(number):
    for _ in moments():
        assert not RUNNING.exists()
"""


def test_a_test_that_wants_to_be_alone_waits_for_all_others(tmp_path: Path) -> None:
    """What holds times against each other fails beside others, on some days."""
    # A copy, as it locks itself: this test runs under that lock already.
    shutil.copy(Path(__file__).parents[1] / "side_by_side.py", tmp_path / "side_by_side.py")
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["side_by_side"]')
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = alone\n")
    (tmp_path / "test_beside.py").write_text(BESIDE)
    words = ("--numprocesses", "3", "--dist", "loadgroup", "--no-loadscope-reorder")
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert " 5 passed in " in ended.stdout, ended.stdout
