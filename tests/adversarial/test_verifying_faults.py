"""Tests that are at fault themselves, and what is told of a case that never came to its end."""

import pytest

from jobs.verdicts import Verdict
from worker.sandbox import Sandbox, SandboxError, UnusableTestsError

from .programs import LIMITS, python

pytestmark = pytest.mark.adversarial


@pytest.mark.parametrize(
    ("tests", "why"),
    [
        ("assert f( ==", "they do not compile: line 1: invalid syntax"),
        ("assert f()\nreturn", "they do not compile: line 2: 'return' outside function"),
        ("x = '\0'", "they do not compile: "),
        ("from math import f", "they do not run: cannot import name 'f' from 'math'"),
        ("import inspect, nosuch", "they need nosuch: "),
        ("import inspect\ndef test_a(nosuch): f()", "they need pytest: "),
    ],
    ids=["syntax", "no function", "null", "name", "package beside", "runner beside"],
)
async def test_tests_that_cannot_run_are_no_fault_of_the_program(
    strict: Sandbox, tests: str, why: str
) -> None:
    """A dataset with a broken row must not count against a model, and trying it again mends nothing."""
    with pytest.raises(UnusableTestsError) as caught:
        await strict.verify(python("def f(): pass"), tests, LIMITS)
    assert f"the job's tests cannot be used: {why}" in caught.value.in_one_line
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("tests", "end"),
    [
        ("for n in []: assert f(n)", "untried"),
        ("import unittest\nclass T(unittest.TestCase):\n    def check(self): self.assertTrue(f(0))", "untried"),
        ("for n in f(0): assert n", "finished"),
        ("assert callable(f)", "untried"),
    ],
    ids=["nothing to try", "no test", "an empty answer", "a look"],
)  # fmt: skip
async def test_tests_that_asked_the_program_nothing_say_so(
    strict: Sandbox, tests: str, end: str
) -> None:
    """Whoever judges them must not take what never happened for a pass."""
    verification = await strict.verify(python("def f(n): return []"), tests, LIMITS)
    assert (verification.end, verification.why) == (end, "")


@pytest.mark.parametrize(
    "last", ["import sys; sys.exit(0)", "import os; os._exit(0)", "exit()", "raise SystemExit(0)"]
)
async def test_tests_that_end_themselves_are_not_taken_for_a_program_that_did(
    strict: Sandbox, last: str
) -> None:
    """Whoever reads the record would look for the fault in the program."""
    verification = await strict.verify(
        python("def f(): return 1"), f"assert f() == 1\n{last}", LIMITS
    )
    assert (verification.end, verification.verdict) == ("failed", Verdict.WRONG_ANSWER)
    assert "line 2" in verification.why
    assert "the tests ended themselves" in verification.why
    assert verification.execution.exit_code == 0


_RUNNING = {
    "a line": ("assert f(0) == 0\nassert f(1) == 1", "line 2: assert f(1) == 1"),
    "a line of a check": (
        "def check(g):\n    assert g(0) == 0\n    assert g(1) == 1\ncheck(f)",
        "line 3: assert g(1) == 1",
    ),
    "a test function": ("def test_a(): f(0)\ndef test_b(): f(1)\ndef test_c(): f(0)", "test_b"),
    "a unittest case": (
        "import unittest\nclass T(unittest.TestCase):\n    def test_a(self): f(0)\n    def test_b(self): f(1)",
        "T.test_b",
    ),
}


@pytest.mark.parametrize(("tests", "case"), _RUNNING.values(), ids=_RUNNING)
@pytest.mark.parametrize("end", ["while True: pass", "import os; os._exit(3)"], ids=["cpu", "exit"])
async def test_the_case_that_was_running_when_the_program_ended_is_named(
    strict: Sandbox, tests: str, case: str, end: str
) -> None:
    """Which input a program hangs or dies of is what whoever repairs it has to know first."""
    limits = LIMITS.model_copy(update={"cpu_seconds": 0.5})
    program = python(f"def f(n):\n    if n:\n        {end}\n    return n")
    verification = await strict.verify(program, tests, limits)
    assert (verification.end, verification.stopped_in) == ("program_ended", case)


async def test_the_death_of_tests_is_no_fault_of_the_program(strict: Sandbox) -> None:
    """Whatever kills them, nothing was found out about the program."""
    with pytest.raises(SandboxError, match="ended without saying how"):
        await strict.verify(
            python("def f(): pass"), "import faulthandler; faulthandler._sigsegv()", LIMITS
        )
