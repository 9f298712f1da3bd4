"""Whatever becomes of a program, of its tests, or of either's slot, both end, and nothing of them is left."""

import asyncio
import os
import signal

import pytest

from tests.waiting import wait_until
from worker.sandbox import Sandbox, ZygoteSandbox
from worker.sandbox.opening import probe
from worker.sandbox.slots import Slots

from .programs import LIMITS, descriptors, is_alive, python, sh, unique_nap, zygotes

pytestmark = pytest.mark.adversarial

_ADD = "def add(a, b): return a + b"
_TESTS = "assert add(1, 2) == 3"
# The conversation with its zygote, and what that complains of.
_DESCRIPTORS_OF_A_SLOT = 2
# Time enough to be seen, and little enough to be waited for.
_SLOW = (
    "import subprocess\ndef add(a, b):\n    subprocess.run(['sleep', '{nap}'])\n    return a + b"
)


async def _warm(sandbox: ZygoteSandbox) -> dict[str, int]:
    """The zygote of each of its two slots, once it has both: the test before may have ended one."""
    assert (await sandbox.verify(python(_ADD), _TESTS, LIMITS)).end == "finished"
    await wait_until(lambda: bool(_idle(sandbox._tests)), 5, "the end of the tests")
    # Those that are taken next.
    return {"program": _idle(sandbox._programs)[0], "tests": _idle(sandbox._tests)[0]}


def _idle(slots: Slots) -> list[int]:
    return [slot._process.pid for slot in slots._idle]


def _is_over(sandbox: ZygoteSandbox) -> bool:
    return not sandbox._tests._ending


@pytest.mark.parametrize("whose", ["program", "tests"])
async def test_a_verification_one_of_whose_zygotes_is_killed_is_repeated(
    sandbox: ZygoteSandbox, whose: str
) -> None:
    """Neither looks to the other as if it had just ended: that would be a verdict that nobody deserves."""
    zygote = (await _warm(sandbox))[whose]
    nap = unique_nap().replace("300.", "1.")
    limits = LIMITS.model_copy(update={"wall_seconds": 20.0})
    verifying = asyncio.create_task(sandbox.verify(python(_SLOW.format(nap=nap)), _TESTS, limits))
    await wait_until(lambda: is_alive(nap), 10, "the program")
    os.kill(zygote, signal.SIGKILL)
    verification = await verifying
    assert (verification.end, verification.why) == ("finished", "")
    assert verification.execution.exit_code == 0
    await wait_until(lambda: _is_over(sandbox), 5, "the end of the tests")
    assert zygote not in [*zygotes(), *_idle(sandbox._programs), *_idle(sandbox._tests)]


async def test_cancelling_a_verification_leaves_nothing_of_either(sandbox: ZygoteSandbox) -> None:
    """A cancelled job must not go on using the machine, and its slots' descriptors are the worker's."""
    held = set((await _warm(sandbox)).values())
    before = len(descriptors())
    nap = unique_nap()
    verifying = asyncio.create_task(sandbox.verify(python(_SLOW.format(nap=nap)), _TESTS, LIMITS))
    await wait_until(lambda: is_alive(nap), 10, "the program")
    verifying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await verifying
    assert not is_alive(nap)
    assert not held & set(zygotes())
    assert len(descriptors()) < before
    assert asyncio.all_tasks() == {asyncio.current_task()}
    await _warm(sandbox)
    assert len(descriptors()) == before


async def test_many_verifications_leave_nothing_behind(sandbox: ZygoteSandbox) -> None:
    """A worker makes a million of them; whatever one of them leaves stops it."""
    await _warm(sandbox)
    n_before, of_before = len(descriptors()), set(zygotes())
    for number in range(200):
        program = _ADD if number % 2 else "def add(a, b): return 0"
        verification = await sandbox.verify(python(program), _TESTS, LIMITS)
        assert verification.end == ("finished" if number % 2 else "failed")
    await wait_until(lambda: _is_over(sandbox), 5, "the end of the tests")
    # The next tests may begin before the last ones have gone, in a slot that is kept like the first.
    besides = set(zygotes()) - of_before
    assert besides <= set(_idle(sandbox._tests))
    assert len(besides) <= 3
    assert len(descriptors()) == n_before + _DESCRIPTORS_OF_A_SLOT * len(besides)
    assert asyncio.all_tasks() == {asyncio.current_task()}


# Writes its report itself, and stays.
_STAYING = """\
from posix import closerange, write
from time import sleep
write(5, b'{"end": "finished"}\\n')
closerange(3, 6)
sleep(60)
"""


async def test_the_zygote_of_tests_that_dies_after_their_report_is_not_given_back(
    sandbox: ZygoteSandbox,
) -> None:
    """Nobody waits for the end of tests that have said all; the next ones would be sent to a dead slot."""
    zygote = (await _warm(sandbox))["tests"]
    verification = await sandbox.verify(python(_ADD), _STAYING, LIMITS)
    assert verification.end == "finished"
    assert not _is_over(sandbox)
    os.kill(zygote, signal.SIGKILL)
    await wait_until(lambda: _is_over(sandbox), 10, "the end of the slot")
    assert zygote not in [*zygotes(), *_idle(sandbox._tests)]


async def test_a_dead_zygote_is_not_given_back_even_where_its_death_was_known_first(
    sandbox: ZygoteSandbox,
) -> None:
    """The tests may be gone, badly, before the program has come to its own end."""
    zygote = (await _warm(sandbox))["tests"]
    nap = unique_nap().replace("300.", "2.")
    # The program goes on after its tests have said all.
    program = (
        f"{_ADD}\nimport atexit, subprocess\natexit.register(subprocess.run, ['sleep', '{nap}'])"
    )
    verifying = asyncio.create_task(sandbox.verify(python(program), _STAYING, LIMITS))
    await wait_until(lambda: is_alive(nap), 10, "the program's last act")
    os.kill(zygote, signal.SIGKILL)
    assert (await verifying).end == "finished"
    await wait_until(lambda: _is_over(sandbox), 10, "the end of the slot")
    assert zygote not in [*zygotes(), *_idle(sandbox._tests)]


async def test_closing_waits_for_no_tests_that_have_said_all() -> None:
    """A worker that is told to leave would stay for as long as they like."""
    before = set(zygotes())
    async with asyncio.timeout(20):
        async with await probe("rlimits") as sandbox:
            assert (await sandbox.verify(python(_ADD), _STAYING, LIMITS)).end == "finished"
    assert set(zygotes()) == before


async def test_a_slot_that_comes_back_after_the_end_is_ended() -> None:
    """It would keep its process for as long as the worker lives."""
    before = set(zygotes())
    sandbox = await probe("rlimits")
    nap = unique_nap().replace("300.", "1.")
    run = asyncio.create_task(sandbox.run(sh(f"sleep {nap}; echo over"), LIMITS))
    await wait_until(lambda: is_alive(nap), 10, "the program")
    await sandbox.aclose()
    assert (await run).stdout == "over\n"
    assert set(zygotes()) == before


_ONE_CASE = '{"name": "a", "verdict": "accepted", "expected": null, "actual": null}'
_REPORTS = {
    "more than is read": f"line = b'{_ONE_CASE}\\n' * 10_000\nwhile True: write(5, line)",
    "half a line": f"write(5, b'{_ONE_CASE}\\n' + b'{_ONE_CASE}'[:20])\n_exit(0)",
    "what is no JSON": f"write(5, b'{_ONE_CASE}\\n' + b'end\\n')\n_exit(0)",
    "what is no case": f"write(5, b'{_ONE_CASE}\\n' + b'[1]\\n')\n_exit(0)",
}


@pytest.mark.parametrize("report", _REPORTS.values(), ids=_REPORTS)
async def test_a_report_without_an_end_is_no_fault_of_ours(strict: Sandbox, report: str) -> None:
    """Or a program that makes its tests say much would have no wrong answer, but a job that failed of us."""
    tests = f"from posix import _exit, write\n{report}"
    verification = await strict.verify(python(_ADD), tests, LIMITS)
    assert verification.end == "tests_over_limit"
    assert "report" in verification.why
    assert 1 <= len(verification.cases) <= 500


async def test_a_program_is_not_waited_for_where_it_is_run_again(strict: Sandbox) -> None:
    """Its tests run in its own process then, and whatever it does meanwhile is done for nobody."""
    program = f"{_ADD}\nimport atexit, time\natexit.register(time.sleep, 60)"
    async with asyncio.timeout(4):
        verification = await strict.verify(
            python(program), "assert add.__code__.co_argcount == 2", LIMITS
        )
    assert verification.end == "cannot_cross"
    assert verification.execution.limit_hit is None
