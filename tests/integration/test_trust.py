"""Where tests run, and what the record says of it."""

from collections.abc import AsyncIterator

import pytest

from jobs.checkers import PassesTests
from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import ExecutableCode, PromptJob
from jobs.verdicts import Verdict
from tests.requiring import require
from worker.sandbox import Sandbox, SandboxTooWeakError, UnusableTestsError, open_sandbox
from worker.solver.checking import Checked, check
from worker.solver.fairness import FairRunner
from worker.solver.machine import Machine
from worker.solver.turns import Turns

_LIMITS = Limits(cpu_seconds=5, wall_seconds=20)
_PROGRAM = "def add(a, b):\n    return a + b\n"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """As a worker has it."""
    try:
        opened = await open_sandbox()
    except SandboxTooWeakError as error:
        require(f"a sandbox ({error})", available=False)
        raise
    async with opened:
        yield opened


async def _checked(
    sandbox: Sandbox, tests: str, program: str = _PROGRAM, language: Language = Language.PYTHON
) -> Checked:
    job = PromptJob(prompt="x", language=language, checker=PassesTests(tests=tests))
    return await check(
        job,
        ExecutableCode(language=language, code=program),
        _LIMITS,
        FairRunner(sandbox, Turns(1), Machine()),
    )


async def test_python_tests_run_out_of_the_programs_reach_and_each_is_a_case(
    sandbox: Sandbox,
) -> None:
    """Who reads a record sees what was tried, and that the program could not have had a hand in it."""
    found = await _checked(sandbox, "assert add(1, 2) == 3\nassert add(2, 2) == 5\n")
    judgement = found.judgement
    assert (judgement.verdict, judgement.trust) == (Verdict.WRONG_ANSWER, "separate_process")
    assert judgement.trust_reason is None
    assert judgement.explanation == "line 2: assert add(2, 2) == 5: expected 5, got 4"
    assert [(case.verdict, case.expected, case.actual) for case in judgement.cases] == [
        (Verdict.ACCEPTED, "3", "3"),
        (Verdict.WRONG_ANSWER, "5", "4"),
    ]


async def test_tests_that_cannot_cross_run_beside_the_program_and_say_why(sandbox: Sandbox) -> None:
    """They are judged all the same, and nobody takes that for more than it is."""
    code = "import inspect\nassert add(1, 2) == 3\nassert add.__name__ == 'add'\n"
    found = await _checked(sandbox, code)
    judgement = found.judgement
    assert (judgement.verdict, judgement.trust) == (Verdict.ACCEPTED, "same_process")
    assert judgement.trust_reason == (
        "the tests use import inspect, which only one process can share"
    )


@pytest.mark.parametrize(
    ("tests", "reason"),
    [
        ("assert add(", "they do not compile: line 1: "),
        ("import nosuch\nassert add(1, 2) == 3", "they need nosuch: "),
        ("x = 1", "they hold no case"),
        ("def check(f):\n    assert f(1, 2) == 3", "they hold no case"),
        ("import inspect\ndef check(f):\n    assert f(1, 2) == 3", "they hold no case"),
    ],
    ids=["syntax", "package", "nothing", "never called", "never called beside"],
)
async def test_tests_that_say_nothing_are_a_fault_of_the_check(
    sandbox: Sandbox, tests: str, reason: str
) -> None:
    """No program is right or wrong by them."""
    with pytest.raises(UnusableTestsError, match=reason):
        await _checked(sandbox, tests)


async def test_tests_that_came_to_try_nothing_are_never_passed(sandbox: Sandbox) -> None:
    """By their text it cannot be told whether that was the program's doing."""
    judgement = (await _checked(sandbox, "for a in []: assert add(a, a) == 0")).judgement
    assert judgement.verdict is Verdict.WRONG_ANSWER
    assert "without having tried anything" in judgement.explanation


async def test_the_case_that_a_program_never_came_back_from_is_in_the_record(
    sandbox: Sandbox,
) -> None:
    """Those before it were right, and the limit says nothing of which input was too much."""
    program = "def add(a, b):\n    while a > 1: pass\n    return a + b"
    found = await _checked(sandbox, "assert add(1, 1) == 2\nassert add(2, 2) == 4", program)
    assert found.judgement.verdict is Verdict.TIME_LIMIT_EXCEEDED
    assert [(case.name, case.verdict) for case in found.judgement.cases] == [
        ("line 1: assert add(1, 1) == 2", Verdict.ACCEPTED),
        ("line 2: assert add(2, 2) == 4", Verdict.TIME_LIMIT_EXCEEDED),
    ]


async def test_a_failed_assertion_is_no_reason_to_run_beside_the_program(sandbox: Sandbox) -> None:
    """Else a program that fails could ask to be judged where it can cheat."""
    program = "def add(a, b):\n    return object()\n"
    found = await _checked(sandbox, "assert add(1, 2) == 3\n", program)
    assert (found.judgement.verdict, found.judgement.trust) == (
        Verdict.WRONG_ANSWER,
        "separate_process",
    )


async def test_tests_of_another_language_run_beside_the_program(sandbox: Sandbox) -> None:
    """There is no other way yet, and so no reason to give."""
    found = await _checked(
        sandbox, '[ "$(add 1 2)" = 3 ]\n', "add() { echo $(($1 + $2)); }\n", Language.SH
    )
    judgement = found.judgement
    assert (judgement.verdict, judgement.trust, judgement.trust_reason) == (
        Verdict.ACCEPTED,
        "same_process",
        None,
    )


@pytest.mark.parametrize(
    ("program", "verdict", "explanation"),
    [
        ("def add(a, b): return a + b + None", Verdict.RUNTIME_ERROR, "line 1: assert add(1, 2) == 3: TypeError: "),
        ("def add(a, b):\n while True: pass", Verdict.TIME_LIMIT_EXCEEDED, "== 3: killed after 1 s of CPU time"),
        ("def add(a, b): raise SystemExit(0)", Verdict.WRONG_ANSWER, "the program ended before its tests did"),
        ("def add(a, b): return bytearray(10**9)", Verdict.MEMORY_LIMIT_EXCEEDED, "needed more than"),
        ("def add(a, b) return", Verdict.COMPILE_ERROR, "SyntaxError: "),
        ("import os; os.abort()", Verdict.RUNTIME_ERROR, "ended by signal 6 (SIGABRT)"),
    ],
    ids=["error", "endless", "exit", "memory", "syntax", "abort"],
)  # fmt: skip
async def test_a_program_under_test_gets_the_verdict_of_what_it_did(
    sandbox: Sandbox, program: str, verdict: Verdict, explanation: str
) -> None:
    """The same words as for a program that nobody calls."""
    job = PromptJob(prompt="x", checker=PassesTests(tests="assert add(1, 2) == 3"))
    code = ExecutableCode(language=Language.PYTHON, code=program)
    limits = _LIMITS.model_copy(update={"cpu_seconds": 1.0})
    judgement = (await check(job, code, limits, FairRunner(sandbox, Turns(1), Machine()))).judgement
    assert judgement.verdict is verdict
    assert explanation in judgement.explanation
    assert judgement.result is not None
