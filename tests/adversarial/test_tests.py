"""Tests that share the program's process: finished is proven, never assumed."""

import pytest

from worker.sandbox import Harness, Sandbox

from .programs import LIMITS, javascript, python, sh

pytestmark = pytest.mark.adversarial

_CHECK = "def check(candidate):\n    assert candidate(1, 2) == 3\ncheck(add)"


@pytest.mark.parametrize(
    ("program", "tests"),
    [
        (python("def add(a, b): return a + b"), _CHECK),
        (
            python("def add(a, b): return a + b  # no newline"),
            "if True:\n    assert add(1, 2) == 3",
        ),
        (javascript("const add = (a, b) => a + b"), "console.assert(add(1, 2) === 3)"),
        (
            javascript("function add(a, b) { return a + b } // end"),
            "require('assert').equal(add(1, 2), 3)",
        ),
        (
            javascript("export const add = (a, b) => a + b;"),
            "require('assert').equal(add(1, 2), 3)",
        ),
        (sh("add() { echo $(($1 + $2)); }"), "[ $(add 1 2) = 3 ]"),
    ],
    ids=["python", "python block", "javascript", "javascript assert", "javascript module", "sh"],
)
async def test_right_programs_finish_their_tests(
    sandbox: Sandbox, program: object, tests: str
) -> None:
    """One process and one scope: the tests see what the program defined."""
    execution = await sandbox.run(program, LIMITS, harness=Harness(tests=tests))  # type: ignore[arg-type]
    assert (execution.tests_finished, execution.exit_code) == (True, 0), execution.stderr


@pytest.mark.parametrize(
    ("program", "tests"),
    [
        (python("def add(a, b): return a - b"), _CHECK),
        (javascript("const add = (a, b) => a - b"), "console.assert(add(1, 2) === 3, 'sum')"),
        (sh("add() { echo 0; }"), "[ $(add 1 2) = 3 ]"),
        (sh("add() { echo 0; }"), "[ $(add 1 2) = 3 ]\necho after"),
    ],
    ids=["python", "javascript", "sh", "sh in the middle"],
)
async def test_wrong_programs_do_not(sandbox: Sandbox, program: object, tests: str) -> None:
    """Node prints failed assertions and goes on, and a shell goes on after anything."""
    execution = await sandbox.run(program, LIMITS, harness=Harness(tests=tests))  # type: ignore[arg-type]
    assert execution.tests_finished is False
    assert execution.exit_code != 0
    assert "after" not in execution.stdout


_SUITES = {
    "unittest": "import unittest\nclass T(unittest.TestCase):\n    def test_a(self): self.assertEqual(add(1, 2), 3)",
    "unittest that is started": (
        "import unittest\nclass T(unittest.TestCase):\n    def test_a(self): self.assertEqual(add(1, 2), 3)\n"
        "if __name__ == '__main__':\n    unittest.main()"
    ),
    "functions": "def test_a(): assert add(1, 2) == 3",
    "a function that is called": (
        "n = []\ndef test_a():\n    n.append(1)\n    assert len(n) == 1 and add(1, 2) == 3\ntest_a()"
    ),
    "patched functions": (
        "from unittest.mock import patch\n@patch('builtins.print')\ndef test_a(_): assert add(1, 2) == 3"
    ),
}  # fmt: skip


@pytest.mark.parametrize("tests", _SUITES.values(), ids=_SUITES)
async def test_suites_are_run_beside_the_program_as_well(sandbox: Sandbox, tests: str) -> None:
    """Who writes tests for a runner does not call them, and tests that nobody runs pass every program."""
    # A model brings tests of its own, which are none of ours.
    own = "\nimport unittest\ndef test_mine(): assert False\nclass Mine(unittest.TestCase):\n    test = test_mine"
    harness = Harness(tests=tests)
    right = await sandbox.run(python(f"def add(a, b): return a + b{own}"), LIMITS, harness=harness)
    assert (right.tests_finished, right.exit_code) == (True, 0), right.stderr
    wrong = await sandbox.run(python(f"def add(a, b): return a - b{own}"), LIMITS, harness=harness)
    assert (wrong.tests_finished, wrong.exit_code) == (False, 1)
    assert "AssertionError" in wrong.stderr
    assert "inside" not in wrong.stderr


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("def add(a, b): return 3", "AssertionError: the tests ended themselves"),
        ("import sys\ndef add(a, b): sys.exit(0)", ""),
    ],
    ids=["tests", "program"],
)
async def test_who_ended_the_process_is_told(sandbox: Sandbox, program: str, words: str) -> None:
    """Neither is a pass, and only one is the program's fault."""
    harness = Harness(tests="assert add(1, 2) == 3\nraise SystemExit(0)")
    execution = await sandbox.run(python(program), LIMITS, harness=harness)
    assert execution.tests_finished is False
    assert words in execution.stderr
    assert ("the tests ended" in execution.stderr) == bool(words)


_EXPECTS_AN_END = """
import unittest
class T(unittest.TestCase):
    def test_usage(self):
        with self.assertRaises(SystemExit) as caught: add(1)
        self.assertEqual(caught.exception.code, 2)
    def test_sum(self): self.assertEqual(add(1, 2), 3)
"""


@pytest.mark.parametrize(
    ("program", "is_passed"),
    [
        ("def add(*n):\n  if len(n) != 2: sys.exit(2)\n  return sum(n)", True),
        ("def add(*n):\n  if len(n) != 2: sys.exit(0)\n  return sum(n)", False),
        ("def add(*n): sys.exit(2)", False),
        ("def add(*n): return sum(n)", False),
    ],
    ids=["right", "another code", "always", "never"],
)
async def test_an_end_that_tests_expect_is_one_of_a_program_s_answers(
    sandbox: Sandbox, program: str, is_passed: bool
) -> None:
    """A function that parses a command line ends its program, and there are tests of it."""
    harness = Harness(tests=_EXPECTS_AN_END)
    execution = await sandbox.run(python(f"import sys\n{program}"), LIMITS, harness=harness)
    assert execution.tests_finished is is_passed
    assert (execution.exit_code == 0) is is_passed


_FORGERIES = {
    "exits at once": python("import os; os._exit(0)"),
    "exits when called": python("import sys\ndef add(a, b): sys.exit(0)"),
    "exits hard when called": python("import os\ndef add(a, b): os._exit(0)"),
    "raises SystemExit at the end": python("def add(a, b): return 3\nraise SystemExit(0)"),
    "prints what a harness prints": python(
        "import os\nprint('PASSED', 'OK', '1 passed')\nos._exit(0)"
    ),
    "writes to every descriptor": python(
        "import os\nfor fd in range(1, 64):\n  try: os.write(fd, b'passed\\n')\n  except OSError: pass\nos._exit(0)"
    ),
    "replaces itself": python("import os; os.execlp('true', 'true')"),
    "leaves a child to end well": python(
        "import os\nif os.fork(): os._exit(0)\nos.execlp('true', 'true')"
    ),
    "exits in javascript": javascript("process.exit(0)"),
    "exits in javascript when called": javascript("const add = () => process.exit(0)"),
    "exits in sh": sh("exit 0"),
    "exits in sh when called": sh("add() { exit 0; }"),
    "opens a comment in javascript": javascript(
        "const add = () => 3; process.on('exit', () => process.exitCode = 0) /*"
    ),
    "opens a string in python": python("def add(a, b): return 3\n'''"),
    "opens a here document in sh": sh("add() { echo 3; }\ncat <<NEVER > /dev/null"),
}


@pytest.mark.parametrize("name", _FORGERIES)
async def test_a_forged_end_is_not_taken_for_one(sandbox: Sandbox, name: str) -> None:
    """Exit code 0 is what most harnesses ask for, and the cheapest thing to give."""
    program = _FORGERIES[name]
    tests = {
        "python": _CHECK,
        "javascript": "console.assert(add(1, 2) === 3)",
        "sh": "add 1 2 > /dev/null",
    }
    execution = await sandbox.run(program, LIMITS, harness=Harness(tests=tests[program.language]))
    assert execution.tests_finished is False


async def test_the_nonce_lies_nowhere_it_could_be_read_by_accident(sandbox: Sandbox) -> None:
    """It stands in no file, argument or variable; only whoever reads the descriptor has it."""
    program = (
        "import os, sys\ntext = open(__file__).read() + str(sys.argv) + str(dict(os.environ))\n"
    )
    program += "nonce = os.read(3, 64).decode().strip()\nprint(len(nonce), nonce in text)"
    execution = await sandbox.run(python(program), LIMITS, harness=Harness(tests="pass"))
    assert execution.stdout == "32 False\n"


async def test_without_tests_there_is_nothing_to_finish(sandbox: Sandbox) -> None:
    """None is not False: nothing was asked."""
    execution = await sandbox.run(python("print(1)"), LIMITS)
    assert execution.tests_finished is None
