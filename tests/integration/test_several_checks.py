"""Jobs with several checks, and what else comes with them: a preamble, files, a checker of their author's."""

from collections.abc import AsyncIterator

import pytest

from jobs.checkers import (
    AllOf,
    Case,
    Check,
    ExpectedCall,
    MatchesCalls,
    MatchesOutput,
    PassesTests,
)
from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import ExecutableCode, PromptJob
from jobs.preambles import with_preamble
from jobs.verdicts import Verdict
from worker.sandbox import FilesTooLargeError, Sandbox, UnusableTestsError, open_sandbox
from worker.solver.checking import Checked
from worker.solver.checking import check as judged
from worker.solver.fairness import FairRunner
from worker.solver.machine import Machine
from worker.solver.prompts import feedback, first_prompt
from worker.solver.turns import Turns

PUBLIC = PassesTests(tests="assert add(1, 2) == 3\n", public=True)
HIDDEN = MatchesCalls(
    entry_point="add", calls=(ExpectedCall(arguments=(70123, 1), expected=70124),)
)
RIGHT = "def add(a, b):\n    return a + b\n"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with await open_sandbox() as sandbox:
        yield sandbox


def job_of(*checks: Check, **fields: object) -> PromptJob:
    checker = AllOf(checks=checks) if len(checks) > 1 else checks[0]
    return PromptJob.model_validate({"prompt": "x", "checker": checker, **fields})


async def checked(sandbox: Sandbox, job: PromptJob, program: str) -> Checked:
    code = ExecutableCode(language=Language.PYTHON, code=with_preamble(job.preamble, program))
    return await judged(job, code, Limits(), FairRunner(sandbox, Turns(1), Machine()))


def told(job: PromptJob, found: Checked, program: str) -> str:
    code = ExecutableCode(language=Language.PYTHON, code=with_preamble(job.preamble, program))
    return feedback(1, job, found.told.judgement, code, found.told.execution)


async def test_right_is_what_every_check_accepts(sandbox: Sandbox) -> None:
    """A row with two checks that were only one of them would score what nobody asked for."""
    job = job_of(HIDDEN, PUBLIC)
    found = await checked(sandbox, job, RIGHT)
    assert found.judgement.verdict is Verdict.ACCEPTED
    # The public one is the second of the job, and was tried first.
    assert [case.check for case in found.judgement.cases] == [2, 1]


async def test_the_check_that_failed_decides_what_is_told(sandbox: Sandbox) -> None:
    """A public check beside a hidden one must not open it, and a hidden one must not close the public one."""
    job = job_of(HIDDEN, PUBLIC)
    against_public = "def add(a, b):\n    return 5\n"
    found = await checked(sandbox, job, against_public)
    assert found.judgement.explanation.startswith("check 2 of 2: ")
    assert "assert add(1, 2) == 3" in told(job, found, against_public)
    against_hidden = "def add(a, b):\n    return 3\n"
    found = await checked(sandbox, job, against_hidden)
    assert found.judgement.verdict is Verdict.WRONG_ANSWER
    assert found.judgement.explanation.startswith("check 1 of 2: ")
    assert [case.verdict for case in found.judgement.cases] == [
        Verdict.ACCEPTED,
        Verdict.WRONG_ANSWER,
    ]
    said = told(job, found, against_hidden)
    assert "hidden test" in said
    assert "70123" not in said
    assert "70124" not in said


async def test_several_checks_are_trusted_as_the_weakest_of_them(sandbox: Sandbox) -> None:
    """A number that partly rests on the program's own process must not look proven."""
    shares = PassesTests(tests="assert globals()['add'](1, 1) == 2\n")
    found = await checked(sandbox, job_of(HIDDEN, shares), RIGHT)
    assert found.judgement.verdict is Verdict.ACCEPTED
    assert found.judgement.trust == "same_process"
    assert found.judgement.trust_reason


async def test_what_every_check_asks_for_is_said_once_in_the_prompt() -> None:
    """A model that hears of calls alone prints whatever it likes."""
    printed = MatchesOutput(cases=(Case(expect="1"),))
    said = first_prompt(job_of(HIDDEN, printed, printed))
    assert said.count("must print exactly") == 1
    assert "`add` is called" in said


async def test_a_preamble_is_run_and_never_shown_as_the_models_own(sandbox: Sandbox) -> None:
    """A model that is shown lines that it did not write repairs those."""
    job = job_of(PUBLIC, preamble="from typing import List\nSECRET = 1")
    program = "def add(a: List[int], b):\n    return a + b + SECRET\n"
    found = await checked(sandbox, job, program)
    assert found.judgement.verdict is Verdict.WRONG_ANSWER
    raising = "from __future__ import annotations\ndef add(a, b):\n    raise ValueError(a)\n"
    found = await checked(sandbox, job, raising)
    assert "ValueError" in found.judgement.explanation
    said = told(job, found, raising)
    assert "counted with the 2 that are put before it" in said
    assert "> 5 |     raise ValueError(a)" in said
    assert "SECRET" not in said


async def test_given_files_lie_beside_the_program_in_every_kind_of_run(sandbox: Sandbox) -> None:
    """A task about a file cannot be asked without one."""
    program = "def size():\n    return len(open('data/rows.csv').read())\nprint(size())\n"
    checks = (
        PassesTests(tests="assert size() == 4\n"),
        MatchesCalls(entry_point="size", calls=(ExpectedCall(arguments=(), expected=4),)),
        MatchesOutput(cases=(Case(expect="4"),)),
    )
    job = job_of(*checks, files={"data/rows.csv": "a,b\n"})
    found = await checked(sandbox, job, program)
    assert found.judgement.explanation == "printed what was expected"


@pytest.mark.parametrize(
    "check", [Case(expect="1"), PassesTests(tests="assert True")], ids=["an output", "tests"]
)
async def test_files_that_do_not_fit_are_a_fault_of_their_job(
    sandbox: Sandbox, check: Case | PassesTests
) -> None:
    """It was our sandbox that was said to have failed, so that somebody mended a machine that was well."""
    checker = MatchesOutput(cases=(check,)) if isinstance(check, Case) else check
    job = job_of(checker, files={"data.txt": "x" * 1_100_000})
    code = ExecutableCode(language=Language.PYTHON, code="print(1)")
    runner = FairRunner(sandbox, Turns(1), Machine())
    with pytest.raises(FilesTooLargeError, match="and it holds 1 MiB") as raised:
        await judged(job, code, Limits(scratch_mib=1), runner)
    assert "scratchMib in its limits, up to ceiling.scratch_mib" in raised.value.fixes[0]
    found = await judged(job, code, Limits(scratch_mib=2), runner)
    assert found.judgement.verdict is not Verdict.INTERNAL_ERROR


CHECKER = """
def check(stdin, stdout, expected):
    try:
        a, b = map(int, stdout.split())
    except ValueError:
        return "two numbers are asked for"
    return a + b == int(stdin)
"""


@pytest.mark.parametrize(
    ("program", "verdict", "why"),
    [
        ("print(3, int(input()) - 3)", Verdict.ACCEPTED, "printed what was expected"),
        ("print(1, 1)", Verdict.WRONG_ANSWER, "the checker says that it is wrong"),
        ("print('x')", Verdict.WRONG_ANSWER, "two numbers are asked for"),
        ("print(1, 9); raise SystemExit(3)", Verdict.RUNTIME_ERROR, "exit code 3"),
    ],
    ids=["another right answer", "wrong", "wrong, and why", "not asked of one that failed"],
)
async def test_a_checker_says_whether_an_output_is_right(
    sandbox: Sandbox, program: str, verdict: Verdict, why: str
) -> None:
    """Many tasks have more than one right answer, which no comparison can tell."""
    checker = MatchesOutput(cases=(Case(stdin="10", expect=""),), checker=CHECKER)
    found = await checked(sandbox, job_of(checker), program)
    assert (found.judgement.verdict, found.judgement.explanation) == (verdict, why)


@pytest.mark.parametrize(
    "broken",
    [
        "def check(stdin, stdout, expected):\n    return 1 / 0\n",
        "check = lambda *_: 7\n",
        "x = 1\n",
    ],
    ids=["raises", "says neither", "has no check"],
)
async def test_a_checker_that_fails_is_no_fault_of_the_program(
    sandbox: Sandbox, broken: str
) -> None:
    """A broken checker would score every model with 0, and nobody would look."""
    job = job_of(MatchesOutput(cases=(Case(expect=""),), checker=broken))
    with pytest.raises(UnusableTestsError, match=r"checker cannot be used: .* of case 1"):
        await checked(sandbox, job, "print(1)")


@pytest.mark.parametrize("expect", ["", "4 6"], ids=["nothing expected", "an example expected"])
async def test_an_output_that_a_checker_breaks_on_is_wrong(sandbox: Sandbox, expect: str) -> None:
    """Who printed nonsense would else be counted as our failure, and be in no rate."""
    plain = "def check(stdin, stdout, expected):\n    return sum(map(int, stdout.split())) == int(stdin)\n"
    job = job_of(MatchesOutput(cases=(Case(stdin="10", expect=expect),), checker=plain))
    found = await checked(sandbox, job, "print('x')")
    assert found.judgement.verdict is Verdict.WRONG_ANSWER
    assert "ValueError" in found.judgement.explanation
    assert "ValueError" not in told(job, found, "print('x')"), "the checker is hidden"
    assert (await checked(sandbox, job, "print(5, 5)")).judgement.verdict is Verdict.ACCEPTED
