"""Tests in a slot of their own: what crosses between a program and its tests, and how it looks on the other side."""

import pytest

from jobs.verdicts import Verdict
from worker.sandbox import Sandbox

from .crossing import HONEST
from .programs import LIMITS, SPEAKS_FOR_ITSELF, python

pytestmark = pytest.mark.adversarial


@pytest.mark.parametrize(("program", "tests"), HONEST.values(), ids=HONEST)
async def test_what_holds_in_one_process_holds_in_two(
    walled: Sandbox, program: str, tests: str
) -> None:
    """Tests that somebody wrote for one process run unchanged, and a right program passes them."""
    verification = await walled.verify(python(program), tests, LIMITS)
    assert verification.why == ""
    assert verification.end == "finished"
    assert verification.cases
    assert {case.verdict for case in verification.cases} == {Verdict.ACCEPTED}
    assert verification.execution.exit_code == 0


_FAILING = {
    "a wrong value": ("assert add(1, 2) == 3\nassert add(2, 2) == 5", "wrong_answer", "line 2", "5", "4"),
    "an error in the program": (
        "assert add(1, 'x') == 3",
        "runtime_error", "line 1", None, "TypeError: unsupported operand type(s) for +: 'int' and 'str'",
    ),
    "a name that is missing": (
        "assert subtract(1, 2) == 3",
        "runtime_error", "line 1", None, "NameError: name 'subtract' is not defined",
    ),
    "a value with another type": ("assert add(1, 1.0) is 2", "wrong_answer", "line 1", "is 2", "2.0"),
    "an inequality": ("assert abs(add(1, 1) - 5) < 1e-6", "wrong_answer", "line 1", "< 1e-06", "3"),
    "a truth": ("\nassert not add(1, 1)", "wrong_answer", "line 2", None, "False"),
    "an error of the tests": (
        "assert add(1, 1)[0] == 2",
        "wrong_answer", "line 1", None, "TypeError: 'int' object is not subscriptable",
    ),
    "the expected value first": ("assert 5 == add(1, 1)", "wrong_answer", "line 1", "5", "2"),
    "an assertion in a function": (
        "def check(f):\n    assert f(1, 1) == 2\n    assert f(2, 1) == 4, 'message'\ncheck(add)",
        "wrong_answer", "line 3", "4", "3",
    ),
    "a unittest case": (
        "import unittest\nclass T(unittest.TestCase):\n    def test_a(self): self.assertEqual(add(1, 1), 3)",
        "wrong_answer", "T.test_a", None, "AssertionError: 2 != 3",
    ),
    "a test function": ("def test_a():\n    assert add(1, 1) == 3", "wrong_answer", "test_a", "3", "2"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("tests", "verdict", "name", "expected", "actual"), _FAILING.values(), ids=_FAILING
)
async def test_a_case_that_fails_says_what_was_expected_and_what_came(
    strict: Sandbox, tests: str, verdict: str, name: str, expected: str | None, actual: str
) -> None:
    """Who reads the record, or is to repair the program, needs the case and not only that there was one."""
    verification = await strict.verify(python("def add(a, b): return a + b"), tests, LIMITS)
    failed = [case for case in verification.cases if case.verdict is not Verdict.ACCEPTED]
    assert verification.end == "failed"
    assert [
        (each.verdict, each.name.partition(": ")[0], each.expected, each.actual) for each in failed
    ] == [(verdict, name, expected, actual)]
    assert verification.verdict == verdict
    assert name in verification.why


async def test_cases_at_the_top_level_are_all_tried(strict: Sandbox) -> None:
    """One wrong answer says little of the others."""
    tests = "assert f(0) == 1\nassert f(1) == 2\nassert f(None) == 1\nassert f(2) == 0\n"
    verification = await strict.verify(python("def f(n): return n + 1"), tests, LIMITS)
    assert [case.verdict for case in verification.cases] == [
        Verdict.ACCEPTED, Verdict.ACCEPTED, Verdict.RUNTIME_ERROR, Verdict.WRONG_ANSWER,
    ]  # fmt: skip
    assert verification.verdict is Verdict.RUNTIME_ERROR


async def test_the_error_of_a_program_is_printed_as_if_nobody_had_called_it(
    strict: Sandbox,
) -> None:
    """The model is shown the place in its own program, and nothing of ours."""
    program = "def outer(n):\n    return inner(n)\ndef inner(n):\n    return 1 / n\n"
    verification = await strict.verify(python(program), "assert outer(0) == 1", LIMITS)
    stderr = verification.execution.stderr
    assert stderr.startswith("Traceback (most recent call last):\n")
    assert 'program.py", line 2, in outer' in stderr
    assert "inside" not in stderr
    assert "answering" not in stderr


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("F()", "<program.F object>"),
        ("F", "<class 'program.F'>"),
        ("Odd", "<class 'program.Odd'>"),
        ("get", "<function get>"),
        ("[F()]", "[<program.F object>]"),
        ("Named()", "my own words"),
    ],
)
async def test_a_value_of_the_programs_is_shown_as_the_program_would_call_it(
    strict: Sandbox, value: str, shown: str
) -> None:
    """A model that reads a name of ours looks for it in its program, and an address is another one each time."""
    program = (
        "class F: pass\nclass Odd(Exception): pass\n"
        "class Named:\n    def __repr__(self): return 'my own words'\n"
        f"def get(): return {value}"
    )
    verification = await strict.verify(python(program), "assert get() == 1", LIMITS)
    (case,) = verification.cases
    assert case.actual == shown


_NOT_CROSSING = {
    "the source of a function": "import inspect\nassert 'return' in inspect.getsource(add)",
    "the code of a function": "assert add.__code__.co_argcount == 2",
    "what it prints": "import io, sys\nsys.stdout = io.StringIO()\nadd(1, 2)\nassert sys.stdout.getvalue() == ''",
    "patches": "from unittest.mock import patch\nwith patch('builtins.print'): assert add(1, 2) == 3",
    "files": "open('a', 'w').close()\nassert add(1, 2) == 3",
    "streams by another way": "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()): add(1, 2)",
    "random numbers by another name": "import random as r\nr.seed(1)\nassert add(1, 2) == 3",
    "a seed by its own name": "from random import seed\nseed(1)\nassert add(1, 2) == 3",
    "warnings": "import unittest\nclass T(unittest.TestCase):\n    def test(s): s.assertWarns(UserWarning, add)",
    "a variable of the program's": "add(1, 2)\nassert counter == 1",
    "what a function is documented as": "assert add.__doc__ is None",
    "threads": "import threading\nthreading.Thread(target=add, args=(1, 2)).start()",
    "an end that is expected": (
        "import unittest\nclass T(unittest.TestCase):\n"
        "    def test(self):\n        with self.assertRaises(SystemExit): add(1, 2)"
    ),
    "an end that is caught": "try: add(1, 2)\nexcept (ValueError, SystemExit): pass",
    "text that is evaluated": "assert eval('add(1, 2)') == 3",
    "random numbers": "import random\nrandom.seed(1)\nassert add(1, 2) == 3",
    "an object of a strange type": "import threading\nassert add(threading.Lock(), 1)",
    "a class derived from the program's": "class Derived(Adder): pass\nassert Derived().add(1, 2) == 3",
}


@pytest.mark.parametrize("tests", _NOT_CROSSING.values(), ids=_NOT_CROSSING)
async def test_what_cannot_cross_is_said_and_nothing_is_judged(strict: Sandbox, tests: str) -> None:
    """Only on this are tests run in the program's own process, so it must not look like a failed assertion."""
    program = "def add(a, b): return a + b\nclass Adder:\n    def add(self, a, b): return a + b"
    verification = await strict.verify(python(program), tests, LIMITS)
    assert verification.end == "cannot_cross"
    assert verification.why
    assert verification.verdict is None


_RETURNED = [
    "lambda: 0",
    "object()",
    "open('/dev/null')",
    "__import__('threading').Lock()",
    "(x for x in ())",
    "math",
    "f",
    "type",
    "type(f)",
    "__loader__",
    "re.compile('a')",
    "{1: 2}.keys()",
    "collections.namedtuple('N', 'a')(1)",
    "ValueError('a')",
    "__import__('decimal').InvalidOperation('a')",
    "ExceptionGroup('a', [ValueError(n)])",
    "KeyboardInterrupt()",
    "OSError(1, 'a', f)",
    "ModuleNotFoundError(name='nosuch')",
    "slice(1)",
    "memoryview(b'')",
    "NotImplemented",
    "range(3)",
    "random._inst",
    "asyncio.sleep(0)",
    "iter([])",
    "print",
    "str.upper",
    "sys",
    "os",
    "Odd(1)",
]


@pytest.mark.parametrize("value", _RETURNED)
async def test_a_program_cannot_have_its_tests_run_beside_it(strict: Sandbox, value: str) -> None:
    """A program that is judged in one process may cheat, so it must not get there by what it returns."""
    program = f"""
import asyncio, collections, math, os, random, re, sys
class Odd(int): __name__, __module__ = "_inst", "random"
random._inst.__name__ = "_inst"
def f(n): return {value}
"""
    tests = "first = f(1)\ntry: first = f(first)\nfinally: assert first == 3"
    verification = await strict.verify(python(program), tests, LIMITS)
    assert verification.end in ("failed", "program_ended")


_FORGED_VALUES = [
    '["g",null,"f"]',
    '["h",null,["k",7,"X",[],[]]]',
    '["h",1,["k",null,"X",[],[]]]',
    '["k",null,"X",[],[]]',
    '["E",["m","decimal","InvalidOperation"],["t",[]],["d",[]],""]',
    '["E",["k",7,"X",[["K","OSError"]],[]],["t",[["g",null,"f"]]],["d",[]],""]',
    # To show it, Python reads memory that is nobody's.
    '["E",["K","UnicodeDecodeError"],["t",["x",["b","78"],-4611686018427387904,-4611686018427387903,"y"]],["d",[]],""]',
    (
        '["E",["K","UnicodeDecodeError"],["t",["x",["b","78"],0,1,"y"]],'
        '["d",[["start",4611686018427387904],["end",4611686018427387905],["object",["r",9]]]],""]'
    ),
    '["E",["K","UnicodeEncodeError"],["t",["x","x",0,1,"y"]],["d",[["object",["r",9]],["end",1]]],"w"]',
    '["E",["K","UnicodeTranslateError"],["t",[]],["d",[["object",["r",9]],["end",1]]],"w"]',
]


@pytest.mark.parametrize("value", _FORGED_VALUES)
async def test_a_program_that_speaks_for_itself_cannot_either(strict: Sandbox, value: str) -> None:
    """A stand-in that stands for nothing could not be handed back, and that would look like a need of the tests'."""
    program = f"""{SPEAKS_FOR_ITSELF}
say(b'["r",["d",[["f",["g",1,"f"]]]],[]]')
while asked():
    say(b'["r",{value},[]]')
"""
    tests = "first = f(1)\ntry: first = f(first)\nfinally: assert first == 3"
    verification = await strict.verify(python(program), tests, LIMITS)
    assert verification.end in ("failed", "program_ended")


@pytest.mark.parametrize("kind", ["Decode", "Encode", "Translate"])
async def test_an_error_that_cannot_be_shown_is_none_however_often_it_is_raised(
    strict: Sandbox, kind: str
) -> None:
    """What the interpreter does at the first time and what it does at the tenth are not the same."""
    program = f"""{SPEAKS_FOR_ITSELF}
say(b'["r",["d",[["f",["g",1,"f"]]]],[]]')
while asked():
    say(b'["e",["K","Unicode{kind}Error"],["t",[]],["d",[["object",["r",9]],["end",1]]],"w"]')
"""
    tests = "\n".join(f"def test_{n}(): assert f({n}) == {n}" for n in range(12))
    verification = await strict.verify(python(program), tests, LIMITS)
    assert verification.end in ("failed", "program_ended")


_TRICKS = {
    "a built-in name and nothing else": (
        "all = lambda values: True",
        "assert all(f(n) == n + 1 for n in range(3))",
    ),
    "nothing to compare": (
        "zip = lambda *values: ()",
        "def check(f):\n    for a, b in zip([1], [2]): assert f(a) == b\n    assert f(0) == 1\ncheck(f)",
    ),
    "another name for itself": (
        "__name__ = 'x'",
        "if __name__ == '__main__':\n    assert f(1) == 2",
    ),
    "a class for a function whose result is text": (
        (
            "class f:\n    def __init__(self, n): pass\n    def strip(self): return self\n"
            "    def __sub__(self, other): return 0\n    def __eq__(self, other): return True"
        ),
        (
            "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n        r = f(1)\n        r.strip()\n"
            "        self.assertAlmostEqual(r, 3.3)"
        ),
    ),
    "a module of its own": (
        "class math:\n    @staticmethod\n    def isclose(*a): return True\ndef f(n): return 0",
        "assert math.isclose(f(1), 2)",
    ),
}


@pytest.mark.parametrize(("program", "tests"), _TRICKS.values(), ids=_TRICKS)
async def test_no_name_of_a_program_changes_what_its_tests_mean(
    strict: Sandbox, program: str, tests: str
) -> None:
    """Which names are the program's is for the tests to say."""
    verification = await strict.verify(python(program), tests, LIMITS)
    assert verification.end == "failed"


async def test_an_error_that_a_program_returns_is_its_own_when_its_tests_raise_it(
    strict: Sandbox,
) -> None:
    """Else it could make a missing package of it, and have its job end as a fault of its tests."""
    program = python(
        "def f():\n    error = ModuleNotFoundError('no')\n    vars(error)['name'] = 'nosuch'\n    return error"
    )
    verification = await strict.verify(program, "assert f().name == 'nosuch'\nraise f()", LIMITS)
    assert (verification.end, verification.verdict) == ("failed", Verdict.RUNTIME_ERROR)


async def test_thousands_of_failures_are_failures_and_no_more_than_can_be_kept(
    strict: Sandbox,
) -> None:
    """A report that grew without bound would be our failure, and no failure of the program."""
    tests = "\n".join(["assert f() == ''"] * 3000)
    program = python("def f(): return chr(0x1F600) * 5000")
    verification = await strict.verify(program, tests, LIMITS)
    assert (verification.end, verification.verdict) == ("failed", Verdict.WRONG_ANSWER)
    assert len(verification.cases) == 500


async def test_a_program_that_does_not_read_is_waited_for_no_longer_than_one_that_does_not_answer(
    strict: Sandbox,
) -> None:
    """What it is given may be more than a pipe holds, and a slot that waits for ever is lost."""
    limits = LIMITS.model_copy(update={"wall_seconds": 1.0})
    program = python("import time\ndef f(text): return len(text)\ntime.sleep(60)")
    verification = await strict.verify(program, "assert f('x' * 10**7) == 10**7", limits)
    assert verification.end == "out_of_time"
    assert verification.execution.limit_hit == "wall"


async def test_tests_that_never_end_by_a_programs_doing_are_not_passed(strict: Sandbox) -> None:
    """What a program returns can keep a test busy; that must neither pass nor be taken for a fault of ours."""
    tests = "for item in forever(): pass"
    program = python("def forever():\n    while True: yield 1")
    verification = await strict.verify(program, tests, LIMITS)
    assert verification.execution.limit_hit in ("cpu", "wall")


@pytest.mark.parametrize(
    ("program", "end", "limit_hit", "exit_code"),
    [
        ("def f(): \n while True: pass", "program_ended", "cpu", None),
        ("def f(): \n import time; time.sleep(100)", "out_of_time", "wall", None),
        ("def f(): x = [bytearray(2**20) for _ in range(10**6)]", "program_ended", "memory", 1),
        ("def f(): raise SystemExit(3)", "program_ended", None, 3),
        ("def f(): import os; os._exit(0)", "program_ended", None, 0),
        ("def f(): import os; os.abort()", "program_ended", None, None),
        ("raise SystemExit(0)", "program_ended", None, 0),
        ("1/0", "program_ended", None, 1),
        ("def f(:", "program_ended", None, 1),
    ],
    ids=["cpu", "wall", "memory", "exit 3", "exit 0", "abort", "early exit", "error", "no program"],
)
async def test_how_a_program_ended_is_told_as_in_any_run(
    strict: Sandbox, program: str, end: str, limit_hit: str | None, exit_code: int | None
) -> None:
    """Its own limits hold, and its own end is what is recorded, whoever called it."""
    limits = LIMITS.model_copy(update={"cpu_seconds": 1.0, "wall_seconds": 3.0})
    verification = await strict.verify(python(program), "assert f() == 1", limits)
    execution = verification.execution
    assert (verification.end, execution.limit_hit, execution.exit_code) == (
        end,
        limit_hit,
        exit_code,
    )
