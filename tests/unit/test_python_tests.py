"""Python tests that say nothing of any program are told by their text, and others are left alone."""

import pytest

from jobs.python_tests import fault_of, fault_of_checker

_DO_NOT_COMPILE = {
    "syntax": ("assert f( ==", "line 1: invalid syntax"),
    "the last line": ("assert f()\nreturn 1", "line 2: 'return' outside function"),
    "a null": ("x = '\0'", "null bytes"),
    "depth": ("-" * 100_000 + "1", "nested too deeply"),
}
_HOLD_NO_CASE = {
    "a constant": "x = 1",
    "a comment": "# later",
    "a check that nobody calls": "def check(candidate):\n    assert candidate(1) == 2",
    "a check that checks nothing": "def check(candidate):\n    pass\ncheck(add)",
    "an empty unittest class": "import unittest\nclass T(unittest.TestCase): pass\nunittest.main()",
    "methods of other names": "from unittest import TestCase\nclass T(TestCase):\n    def sums(self): self.fail()",
    "an empty test function": "def test_add(): pass",
    "an import": "import math",
    "words": "print('fine')",
}
_MAY_SAY_SOMETHING = {
    "an assert": "assert add(1, 2) == 3",
    "a call": "add(1, 2)",
    "an error": "if not callable(add): raise TypeError",
    "a check": "def check(candidate):\n    assert candidate(1) == 2\ncheck(add)",
    "a check by another name": "def check(f):\n    assert f(1)\nfor each in [check]: each(add)",
    "a test function": "def test_add():\n    assert add(1, 2) == 3",
    "a helper of a test function": "def sums():\n    assert add(1, 2) == 3\ndef test_add(): sums()",
    "a unittest class": "import unittest\nclass T(unittest.TestCase):\n    def test_a(self): self.assertEqual(f(), 1)",
    "an inherited test": "from suites import Base\nclass T(Base): pass",
    "a decorated function": "@run\ndef sums(): pass",
    "the program imported": "from program import add",
    "others imported": "from suites import *",
    "a context": "with add(): pass",
}


@pytest.mark.parametrize(("tests", "reason"), _DO_NOT_COMPILE.values(), ids=_DO_NOT_COMPILE)
def test_tests_that_do_not_compile_are_told_by_line_and_reason(tests: str, reason: str) -> None:
    """Each program would be run for nothing, and nobody could tell from its failure why."""
    fault = fault_of(tests)
    assert fault is not None
    assert fault.startswith("they do not compile: ")
    assert reason in fault


@pytest.mark.parametrize("tests", _HOLD_NO_CASE.values(), ids=_HOLD_NO_CASE)
def test_tests_without_a_case_are_told(tests: str) -> None:
    """Every program would pass them, and a rate would count each as solved."""
    assert str(fault_of(tests)).startswith("they hold no case: ")


@pytest.mark.parametrize("tests", _MAY_SAY_SOMETHING.values(), ids=_MAY_SAY_SOMETHING)
def test_tests_that_may_say_something_are_left_alone(tests: str) -> None:
    """A row that is refused by mistake is a row that nobody can use."""
    assert fault_of(tests) is None


@pytest.mark.parametrize(
    "tests",
    [
        "import sys\nassert f()\nsys.exit(0)",
        "import os\nf()\nos._exit(0)",
        "f()\n\nraise SystemExit",
    ],
)
def test_tests_that_end_themselves_in_any_case_are_told(tests: str) -> None:
    """They never come to their end, so no program passes them."""
    assert str(fault_of(tests)).startswith("line 3 ends them")


def test_an_end_under_a_condition_is_left_alone() -> None:
    """Whether it is reached is the program's doing."""
    assert fault_of("import sys\nif f() != 1: sys.exit(1)") is None


@pytest.mark.parametrize(
    "checker", ["def chk(a): pass", "import math", "check", "class Check: pass", "x.check = 1"]
)
def test_a_checker_without_the_function_that_is_asked_is_told(checker: str) -> None:
    """Each job would be answered, paid for and run, and end as a failure of ours."""
    assert str(fault_of_checker(checker, "check")).startswith("it has no function `check`")


@pytest.mark.parametrize(
    "checker",
    [
        "def check(a, b, c): return True",
        "check = lambda a, b, c: True",
        "from words import same as check",
        "from words import *",
        "if True:\n    def check(a, b, c): return True",
        "globals()['check'] = print",
    ],
)
def test_a_checker_that_may_have_the_function_is_left_alone(checker: str) -> None:
    """There are many ways to give a name to something, and a row that is refused by mistake can be used by nobody."""
    assert fault_of_checker(checker, "check") is None


def test_a_checker_that_does_not_compile_is_told_by_its_line() -> None:
    """Whoever has written it looks for the line."""
    assert fault_of_checker("def check(:", "check") == "it does not compile: line 1: invalid syntax"
