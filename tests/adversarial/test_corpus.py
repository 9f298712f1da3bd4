"""The corpus of hostile programs that may stand beside the repository, one test a program."""

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import ExecutableCode, Execution
from tests.requiring import require
from worker.sandbox import Harness, Sandbox

from .programs import python

pytestmark = pytest.mark.adversarial

_FOLDER = Path(__file__).parents[3] / "shared" / "corpus"
_LANGUAGES = {"python": Language.PYTHON, "javascript": Language.JAVASCRIPT, "bash": Language.SH}
_HIDDEN_TESTS = "assert add(2, 3) == 5\nassert add(-7, 3) == -4\nassert add(0, 0) == 0"
# Between two looks a fast program takes this much more than it may.
_MEMORY_ROOM_MIB = 64

# Not claimed. Each needs something that this sandbox does not have, by the words of its documentation.
_NOT_CLAIMED = {
    "o11_memfd_many": "files in memory that are nowhere mounted: needs a filter of system calls, or a cgroup",
    "o48_forge_always_equal": "an object equal to everything: needs the comparison in another process",
}


@dataclass(frozen=True)
class Hostile:
    """One row of the corpus."""

    name: str
    row: dict[str, Any]

    @property
    def code(self) -> ExecutableCode:
        """The program."""
        source = (_FOLDER / self.row["file"]).read_text()
        if self.row["language"] == "bash":
            # Our own `sh` knows less.
            source = f"exec bash -c {shlex.quote(source)}"
        return ExecutableCode(language=_LANGUAGES[self.row["language"]], code=source)


def _rows() -> list[Hostile]:
    corpus = _FOLDER / "corpus.jsonl"
    if not corpus.is_file():
        return []
    rows = [json.loads(line) for line in corpus.read_text().splitlines()]
    return [Hostile(row["id"], row) for row in rows if row["id"] not in _NOT_CLAIMED]


def _limits() -> Limits:
    given = json.loads((_FOLDER / "limits.json").read_text())["limits"]
    return Limits(
        cpu_seconds=given["cpu_s"],
        wall_seconds=given["wall_s"],
        memory_mib=given["mem_mb"],
        output_kib=given["out_kb"],
        processes=given["nproc"],
        open_files=given["nofile"],
        file_size_mib=given["fsize_mb"],
        scratch_mib=given["tmpfs_mb"],
    )


@pytest.mark.parametrize("hostile", _rows(), ids=lambda hostile: hostile.name)
async def test_a_hostile_program_is_held_and_named(strict: Sandbox, hostile: Hostile) -> None:
    """Each was written to break some sandbox, and most of them did."""
    tests = _HIDDEN_TESTS if hostile.row["mode"] == "judge" else None
    execution = await strict.run(
        hostile.code, _limits(), stdin=hostile.row.get("stdin", ""), harness=Harness(tests=tests)
    )
    assert _verdict(execution) in hostile.row["expected"]["verdict"], execution.stderr[-2000:]
    for invariant in hostile.row["expected"]["invariants"]:
        _check_invariant(invariant, execution)
    if "then" in hostile.row:
        await _check_next_run(strict, hostile.row["then"])


def test_the_corpus_is_there() -> None:
    """A corpus that is not there is a test that is not run, and has to be told."""
    require("the corpus of hostile programs in ../shared", available=bool(_rows()))


def _verdict(execution: Execution) -> str:
    """The corpus's own words."""
    if execution.tests_finished is not None:
        return "PASS" if execution.tests_finished and execution.exit_code == 0 else "FAIL"
    match execution.limit_hit:
        case "cpu" | "wall":
            return "TLE"
        case "memory":
            return "MLE"
        case "output":
            return "OLE"
        case "file_size" | "processes" | "denied":
            return "RE"
        case None:
            return "SIG" if execution.signal else "RE" if execution.exit_code else "OK"


def _check_invariant(invariant: str, execution: Execution) -> None:
    name, _, value = invariant.partition(":")
    limits = _limits()
    match name:
        case "wall_le":
            assert execution.wall_seconds <= float(value or limits.wall_seconds + 2.5)
        case "rss_le":
            assert (execution.peak_memory_kib or 0) <= (limits.memory_mib + _MEMORY_ROOM_MIB) * 1024
        case "output_le":
            assert max(len(execution.stdout), len(execution.stderr)) <= limits.output_kib * 1024
        case "stdout_has":
            assert value in execution.stdout
        case "no_breach_line":
            assert "BREACH" not in execution.stdout
        case "passed" | "not_passed":
            assert (_verdict(execution) == "PASS") == (name == "passed")
        case _:
            # The others need something planted first; the tests named after each promise plant it.
            assert "CANARY" not in execution.stdout


async def _check_next_run(sandbox: Sandbox, then: dict[str, str]) -> None:
    execution = await sandbox.run(python(then["source"]), _limits())
    assert then["expect_stdout"] in execution.stdout
    assert then["forbid_stdout"] not in execution.stdout
