"""The corpus of hostile programs that may stand beside the repository, one test a program, profile and account."""

import pytest

from tests.requiring import require

from .asking import Asked
from .attacked import Attacked
from .corpus import rows
from .hostile import LIMITS, Hostile, broken_by

pytestmark = pytest.mark.adversarial

_HIDDEN_TESTS = "assert add(2, 3) == 5\nassert add(-7, 3) == -4\nassert add(0, 0) == 0"

# By profile and program: the promises that are not kept, and why they cannot be.
_NOT_KEPT: dict[tuple[str, str], tuple[str, ...]] = {
    # The scratch directory of `contained` lies on the host's disk, where nothing bounds its bytes or its files. What
    # is written there is removed with the run, and no longer than the run may last.
    ("contained", "o09_shm_fill"): ("verdict", "no_breach_line"),
    ("contained", "o25_inode_flood"): ("no_breach_line",),
}


@pytest.mark.parametrize("hostile", rows(), ids=lambda hostile: hostile.name)
async def test_a_hostile_program_is_held_and_named(worker: Attacked, hostile: Hostile) -> None:
    """Each was written to break some sandbox, and most of them did."""
    broken = await broken_by(worker, hostile)
    excused = _NOT_KEPT.get((worker.profile, hostile.name), ())
    assert [each for each in broken if each.partition(" ")[0] not in excused] == []


@pytest.mark.parametrize(
    "hostile", [row for row in rows() if row.is_judged], ids=lambda hostile: hostile.name
)
async def test_a_forgery_does_not_finish_tests_in_its_own_process(
    worker: Attacked, hostile: Hostile
) -> None:
    """The weaker way to check has a guard, and what passes it is known by name."""
    code = hostile.code(hostile.source)
    seen = await worker.run(Asked(code=code, limits=LIMITS, tests=_HIDDEN_TESTS))
    assert seen.answered is not None
    execution = seen.answered.execution
    assert execution is not None
    passes = execution.tests_finished and execution.exit_code == 0
    # An object equal to everything is right to whoever asks it: that needs the comparison in another process.
    assert passes == (hostile.name in {"c03_good_solution", "o48_forge_always_equal"})


def test_the_corpus_is_there() -> None:
    """A corpus that is not there is a test that is not run, and has to be told."""
    require("the corpus of hostile programs in ../shared", available=bool(rows()))
