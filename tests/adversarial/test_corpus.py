"""The corpus of hostile programs that may stand beside the repository, one test a program, profile and account."""

import re
from pathlib import Path

import pytest

from tests.e2e.programs import recordings, reply
from tests.e2e.project import Project
from tests.e2e.terminal import on_terminal
from tests.requiring import require

from .asking import Asked
from .attacked import Attacked
from .corpus import rows
from .hostile import LIMITS, Hostile, broken_by

pytestmark = pytest.mark.adversarial

_HIDDEN_TESTS = "assert add(2, 3) == 5\nassert add(-7, 3) == -4\nassert add(0, 0) == 0"

_STEERING = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)

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


@pytest.mark.parametrize(
    "hostile",
    [row for row in rows() if "no_raw_escape_in_ui" in row.invariants],
    ids=lambda hostile: hostile.name,
)
@pytest.mark.timeout(120)
def test_what_commands_print_of_it_steers_no_terminal(
    hostile: Hostile, tmp_path: Path, redis_url: str
) -> None:
    """Output of a program meets the terminal of whoever reads its record."""
    project = Project(tmp_path, redis_url)
    project.environment["PROMPTMILL_SANDBOX__REQUIRE"] = "rlimits"
    try:
        project.write_rows("said.jsonl", recordings({hostile.name: [reply(hostile.source)]}))
        row = {"id": hostile.name, "prompt": "Print", "expect": "peace", "maxAttempts": 1}
        project.write_rows("one.jsonl", [row])
        evaluated = project.run("eval", "one.jsonl", "--model", "replay:said.jsonl")
        [record] = project.records()
        assert record.attempts[0].execution is not None
        assert "\x1b" in record.attempts[0].execution.stdout
        shown = [project.run("job", "show", "--content", record.job_id), project.run("job", "list")]
        said = "".join(ended.said for ended in (evaluated, *shown))
        said += on_terminal(project, "job", "show", record.job_id).replace("\r\n", "\n")
    finally:
        project.close()
    assert r"\x1b]52;c;" in said
    assert _STEERING.findall(said) == []


def test_the_corpus_is_there() -> None:
    """A corpus that is not there is a test that is not run, and has to be told."""
    require("the corpus of hostile programs in ../shared", available=bool(rows()))
