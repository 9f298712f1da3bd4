"""Known benchmarks, read as they were published: their references pass, and their broken programs do not."""

import asyncio
import importlib.util
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from jobs.datasets import Task
from jobs.datasets.readers import read_tasks
from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import ExecutableCode
from jobs.preambles import with_preamble
from jobs.verdicts import Verdict
from tests.requiring import material, require
from worker.sandbox import PythonPackages, Sandbox, find_interpreter, open_sandbox
from worker.sandbox.errors import InterpreterMissingError
from worker.solver.checking import check
from worker.solver.extraction import extract
from worker.solver.fairness import FairRunner
from worker.solver.machine import Machine
from worker.solver.turns import Turns

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

_LIMITS = Limits(cpu_seconds=20, wall_seconds=90, memory_mib=512)
# Some broken programs never end.
_BROKEN_LIMITS = Limits(cpu_seconds=2, wall_seconds=30, memory_mib=512)
_RAW_LIMITS = Limits(cpu_seconds=5, wall_seconds=60, memory_mib=512)
_NUMPY = ("numpy", "numpy.libs")
# It needs a package of npm's, js-md5.
_NEEDS_PACKAGES = {"JavaScript/162"}
# Its answers are lists of up to thirty million tuples: 0.9 GB to be carried to the tests, of at most 16 MiB. Whoever
# fell back to one process for that would let every program choose the weaker check.
_TOO_LARGE_TO_CROSS = {"MBPP/255"}
# The independent run put its `import` and the tests' `require` into one file that allows only one of the two.
_RIGHT_ALL_THE_SAME = {"HumanEval_162_string_to_md5"}


@pytest.fixture(scope="module")
def packages() -> Iterator[PythonPackages]:
    """NumPy, copied from where these tests themselves have it; not in /tmp, of which programs have their own."""
    found = importlib.util.find_spec("numpy")
    require("numpy, among the packages these tests run with", available=found is not None)
    assert found is not None
    assert found.origin is not None
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        folder = Path(name, "lib", version, "site-packages")
        folder.mkdir(parents=True)
        for package in _NUMPY:
            source = Path(found.origin).parent.parent / package
            if source.is_dir():
                shutil.copytree(source, folder / package)
        yield PythonPackages((str(folder),))


async def accepted(
    programs: Mapping[str, str],
    tasks: Sequence[Task],
    limits: Limits,
    packages: PythonPackages | None = None,
) -> set[str]:
    """The tasks whose programs are right."""
    try:
        for language in {task.language for task in tasks}:
            find_interpreter(language)
    except InterpreterMissingError as error:
        require(error.message, available=False)

    turns, machine = Turns(2), Machine()

    async def is_right(task: Task, sandbox: Sandbox) -> bool:
        job = task.to_job("references", max_attempts=1, limits=limits)
        program = with_preamble(task.preamble, programs[task.id or ""])
        code = ExecutableCode(language=task.language, code=program)
        runner = FairRunner(sandbox, turns, machine, is_known=limits is _BROKEN_LIMITS)
        checked = await check(job, code, job.limits or limits, runner)
        return checked.judgement.verdict is Verdict.ACCEPTED

    async with await open_sandbox("contained", packages or PythonPackages()) as sandbox:
        judged = [task for task in tasks if task.id in programs]
        right = await asyncio.gather(*(is_right(task, sandbox) for task in judged))
    return {task.id or "" for task, did in zip(judged, right, strict=True) if did}


def named(tasks: Iterable[Task], program_of: Callable[[Task], str | None]) -> dict[str, str]:
    """The programs that there are, by task."""
    programs = {task.id or "": program_of(task) for task in tasks}
    return {name: program for name, program in programs.items() if program is not None}


@pytest.mark.parametrize(
    ("name", "n"),
    [
        ("HumanEval.jsonl.gz", 164),
        ("HumanEvalPlus-Mini.jsonl.gz", 164),
        ("sanitized-mbpp.json.gz", 427),
        ("MbppPlus-OriginFmt.jsonl.gz", 377),
        ("humanevalpack-python.jsonl.gz", 164),
        ("humanevalpack-js.jsonl.gz", 163),
        ("quixbugs_python.jsonl.gz", 40),
    ],
)
async def test_every_reference_passes(name: str, n: int, packages: PythonPackages) -> None:
    """A row whose own answer does not pass counts against every model."""
    tasks = list(read_tasks(material(f"data/datasets/{name}")))
    programs = named(tasks, lambda task: task.reference)
    right = await accepted(programs, tasks, _LIMITS, packages)
    assert programs.keys() - right <= _NEEDS_PACKAGES | _TOO_LARGE_TO_CROSS
    assert len(right) == n


@pytest.mark.parametrize(
    "name",
    ["humanevalpack-python.jsonl.gz", "humanevalpack-js.jsonl.gz", "quixbugs_python.jsonl.gz"],
)
async def test_no_broken_program_passes(name: str) -> None:
    """Of those in JavaScript 153 end with exit code 0: node's own assertions print a line and go on."""
    tasks = list(read_tasks(material(f"data/datasets/{name}")))
    programs = named(tasks, lambda task: task.broken_reference)
    assert len(programs) == len(tasks)
    assert await accepted(programs, tasks, _BROKEN_LIMITS) == set()


@pytest.mark.parametrize(("name", "n"), [("sh", 81), ("js", 138), ("ts", 141)])
async def test_raw_answers_in_other_languages_fare_as_they_did_elsewhere(name: str, n: int) -> None:
    """From the chat text, fences and prose, to the last assertion."""
    tasks = list(read_tasks(material(f"data/datasets/multipl-e_humaneval-{name}.jsonl.gz")))

    def answer(task: Task) -> str | None:
        said = task.metadata["gpt_solution"]
        return extract(said, task.language).code if isinstance(said, str) else None

    programs = named(tasks, answer)
    assert len(programs) == len(tasks)
    right = await accepted(programs, tasks, _RAW_LIMITS)
    explained = _RIGHT_ALL_THE_SAME & right if tasks[0].language is Language.TYPESCRIPT else set()
    assert len(right - explained) == n


async def test_the_functions_of_bigcodebench_name_what_they_need() -> None:
    """Fifteen of these twenty need packages, which is no fault of any answer."""
    tasks = list(read_tasks(material("data/datasets/bigcodebench_sample20.jsonl.gz")))
    beyond = [task.id for task in tasks if {*task.requires} - {"numpy"}]
    assert len(beyond) == 15
