"""What is wrong with rows of a dataset, found by running what they bring along."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from jobs.datasets import Task
from jobs.datasets.findings import Fault
from jobs.languages import Language
from jobs.limits import Limits
from worker.sandbox import Sandbox, open_sandbox
from worker.solver.row_checks import EARLY_EXITS, RowChecks, lacking_packages

ADD = {
    "prompt": "add",
    "tests": "assert add(1, 2) == 3",
    "reference": "def add(a, b):\n    return a + b\n",
}


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with await open_sandbox() as sandbox:
        yield sandbox


async def faults(sandbox: Sandbox, row: dict[str, Any], n: int = 1) -> dict[Fault, str]:
    """What is wrong with it, and why."""
    tasks = {0: Task.model_validate({"id": "row", **row})}
    checks = RowChecks(Limits(), Limits(), 2)
    found = list((await lacking_packages(tasks, sandbox)).values())
    if not found:
        found += await checks.look_for_what_passes(tasks, sandbox)
        for _ in range(n):
            await checks.run_references(tasks, sandbox)
        found += checks.of_references(tasks)
    return {each.fault: each.why for each in found}


@pytest.mark.parametrize(
    ("row", "fault", "why"),
    [
        pytest.param(
            {**ADD, "tests": "assert add(1, 2) == 4"}, Fault.BROKEN, "does not pass", id="broken"
        ),
        pytest.param(
            {**ADD, "brokenReference": "def add(a, b):\n    return b + a\n"},
            Fault.UNFALSIFIABLE,
            "its broken reference passes",
            id="a broken reference that passes",
        ),
        pytest.param(
            {"prompt": "x", "expect": ""},
            Fault.UNFALSIFIABLE,
            "empty program",
            id="nothing is expected",
        ),
        pytest.param({"prompt": "x"}, Fault.UNFALSIFIABLE, "no check", id="no check"),
        pytest.param(
            {"prompt": "x", "expect": "1", "reference": "x = bytearray(1 << 30)\nprint(1)"},
            Fault.BROKEN,
            "more than 256 MiB of memory; limits.memory_mib, or memoryMib in",
            id="over its memory",
        ),
        pytest.param(
            {
                "prompt": "x",
                "expect": "1",
                "limits": {"cpuSeconds": 0.4},
                "reference": "import time\nwhile time.process_time() < 0.3: pass\nprint(1)",
            },
            Fault.SLOW,
            "of 0.4 s",
            id="near its limit",
        ),
        pytest.param(
            {
                "prompt": "x",
                "expect": "1",
                "limits": {"cpuSeconds": 0.2},
                "reference": "while True: pass",
            },
            Fault.SLOW,
            "killed after 0.2 s of CPU time; limits.cpu_seconds, or cpuSeconds in",
            id="over its limit",
        ),
        pytest.param(
            {**ADD, "requires": ["nonesuch"]}, Fault.NEEDS_PACKAGES, "nonesuch", id="packages"
        ),
    ],
)
async def test_a_row_that_says_nothing_is_named_with_the_reason(
    sandbox: Sandbox, row: dict[str, Any], fault: Fault, why: str
) -> None:
    """Such a row counts against every model, or for every one, and nobody looks."""
    found = await faults(sandbox, row)
    assert list(found) == [fault]
    assert why in found[fault]


async def test_what_lies_in_a_package_is_not_run_to_find_it(sandbox: Sandbox) -> None:
    """`this` prints a poem when it is imported, and other modules take the memory of a whole run."""
    assert await faults(sandbox, {**ADD, "requires": ["this.poem", "json.tool", "__main__"]}) == {}
    found = await faults(sandbox, {**ADD, "requires": ["json.tool", "nonesuch.inner"]})
    assert "needs nonesuch.inner:" in found[Fault.NEEDS_PACKAGES]


async def test_any_number_of_packages_is_looked_for(sandbox: Sandbox) -> None:
    """All rows of a dataset are asked about at once, and an answer that is cut would end the command."""
    names = [f"{'nonesuch' * 20}{number}" for number in range(8_000)]
    assert list(await faults(sandbox, {**ADD, "requires": names})) == [Fault.NEEDS_PACKAGES]


async def test_nothing_is_wrong_with_a_good_row(sandbox: Sandbox) -> None:
    """A check that cries wolf is switched off."""
    broken = "def add(a, b):\n    return a - b\n"
    assert await faults(sandbox, {**ADD, "brokenReference": broken}, n=2) == {}


async def test_a_reference_that_passes_now_and_then_is_flaky(sandbox: Sandbox) -> None:
    """A row that depends on the hash seed turns equal runs into different scores."""
    row = {"prompt": "x", "expect": "1", "reference": "import os\nprint(os.urandom(1)[0] % 2)"}
    # All alike by chance once in 2^19.
    assert list(await faults(sandbox, row, n=20)) == [Fault.FLAKY]


def test_every_language_has_a_program_that_ends_at_once() -> None:
    """A language that is added without one would never be tried for the oldest forgery there is."""
    assert set(EARLY_EXITS) == set(Language)
