"""Tests in a slot of their own: what crosses between a program and its tests, and how it looks on the other side."""

import pytest

from jobs.verdicts import Verdict
from worker.sandbox import Sandbox, SandboxError

from .programs import LIMITS, python

pytestmark = pytest.mark.adversarial

# A program, and tests of it that hold when both share a process.
_HONEST = {
    "exact types": (
        "def echo(value): return value",
        """
for value in [None, True, 1, -(10 ** 500), 2.5, -0.0, float("inf"), 1j, "é\\0\\ud800", b"\\xff", bytearray(b"a"),
              (1, [2, (3,)]), {1, 2}, frozenset("ab"), {"a": {1: (None,)}}, range(3), ...]:
    got = echo(value)
    assert type(got) is type(value)
    assert got == value and str(got)[:99] == str(value)[:99]
assert echo(10 ** 5000) == 10 ** 5000
assert echo(float("nan")) != echo(float("nan"))
""",
    ),
    "values of the library": (
        "def echo(value): return value",
        """
import collections, datetime, decimal, fractions
for value in [decimal.Decimal("1.10"), fractions.Fraction(1, 3), datetime.datetime(2024, 2, 29, 1),
              datetime.date(2024, 2, 29), datetime.timedelta(days=2, microseconds=5), collections.deque([1, 2]),
              collections.Counter("aab"), collections.OrderedDict(b=1, a=2)]:
    got = echo(value)
    assert type(got) is type(value) and got == value
assert echo(collections.defaultdict(list, a=[1])) == {"a": [1]}
""",
    ),
    "arguments changed in place": (
        "def fill(items, table, seen):\n    items[0].append(9); items[1] = 4; table['b'] = 2; seen.discard(1)",
        """
inner = [0]
items, table, seen = [inner, 1], {"a": 1}, {1, 2}
assert fill(items, table, seen=seen) is None
assert items == [[0, 9], 4] and inner == [0, 9] and items[0] is inner
assert table == {"a": 1, "b": 2} and seen == {2}
""",
    ),
    "an argument sorted in place": (
        "def order(items): items.sort()",
        "items = [3, 1, 2]\nsame = items\norder(items)\nassert same == [1, 2, 3]",
    ),
    "errors by type": (
        """
class Refused(ValueError):
    def __init__(self, code): super().__init__(f'code {code}'); self.code = code
def refuse(kind):
    if kind == 'own': raise Refused(7)
    {}[kind]
""",
        """
try:
    refuse("x")
except KeyError as error:
    assert error.args == ("x",)
else:
    assert False, "no error"
try:
    refuse("own")
except Refused as error:
    assert isinstance(error, ValueError) and error.code == 7 and str(error) == "code 7"
else:
    assert False, "no error"
""",
    ),
    "classes": (
        """
class Shape:
    sides = 0
    def __init__(self, size=1): self.size = size
    def area(self): return 0
    @staticmethod
    def unit(): return Square(1)
class Square(Shape):
    sides = 4
    def area(self): return self.size ** 2
    def __eq__(self, other): return isinstance(other, Square) and self.size == other.size
    def __hash__(self): return self.size
    def __lt__(self, other): return self.size < other.size
    def __add__(self, other): return Square(self.size + (other if isinstance(other, int) else other.size))
    def __len__(self): return self.sides
    def __repr__(self): return f"Square({self.size})"
    def __contains__(self, size): return size <= self.size
    def __getitem__(self, place): return (self.size,) * self.sides if place is ... else self.size
""",
        """
square = Square(3)
assert isinstance(square, Square) and isinstance(square, Shape)
assert type(square) is Square and not isinstance(Shape(), Square)
assert issubclass(Square, Shape) and Square.sides == 4 and Shape.unit() == Square(1)
assert square.area() == 9 and square.size == 3
square.size = 2
assert square.area() == 4
assert square == Square(2) and square != Square(5) and square != 2 and Square(1) < square
assert square + 1 == Square(3) and (square + square).size == 4
assert len(square) == 4 and repr(square) == "Square(2)" and str([square]) == "[Square(2)]"
assert 1 in square and 5 not in square and square[0] == 2 and square[...] == (2, 2, 2, 2)
assert len({Square(1), Square(1), Square(2)}) == 2 and sorted([Square(2), Square(1)])[0].size == 1
assert not hasattr(square, "volume") and getattr(square, "volume", None) is None
""",
    ),
    "enumerations and named tuples": (
        """
import enum, collections
class Colour(enum.Enum):
    RED = 1
    BLUE = 2
def favourite(): return Colour.BLUE
Pair = collections.namedtuple('Pair', 'left right')
def pair(): return Pair(1, 2)
""",
        """
assert favourite() is Colour.BLUE and favourite() == Colour.BLUE and favourite() != Colour.RED
assert favourite().value == 2 and favourite().name == "BLUE" and [each.name for each in Colour] == ["RED", "BLUE"]
assert pair() == (1, 2) and pair().right == 2
""",
    ),
    "generators": (
        "def count():\n    n = 0\n    while True:\n        yield n\n        n += 1\ndef few(): yield from 'ab'",
        """
from itertools import islice
numbers = count()
assert next(numbers) == 0 and list(islice(numbers, 3)) == [1, 2, 3]
assert list(few()) == ["a", "b"] and "b" in few()
""",
    ),
    "views and maps": (
        "def parts(d): return d.keys(), d.values(), d.items(), map(str, d), zip(d, d)",
        """
keys, values, items, strings, pairs = parts({1: "a"})
assert keys == {1} and list(values) == ["a"] and dict(items) == {1: "a"}
assert list(strings) == ["1"] and list(pairs) == [(1, 1)]
""",
    ),
    "functions handed in": (
        """
def apply(function, *values): return [function(value) for value in values]
def twice(function): return lambda value: function(function(value))
""",
        """
import operator
assert apply(lambda value: value + 1, 1, 2) == [2, 3]
assert apply(len, "ab") == [2] and apply(str.upper, "ab") == ["AB"] and apply(int, "3") == [3]
assert twice(lambda value: value * 2)(3) == 12
def broken(value): raise LookupError("mine")
try:
    apply(broken, 1)
except LookupError as error:
    assert error.args == ("mine",)
else:
    assert False
""",
    ),
    "objects of the tests": (
        """
def reverse(node):
    before = None
    while node:
        node.following, before, node = before, node, node.following
    return before
def total(graph, start):
    seen, todo = set(), [start]
    while todo:
        node = todo.pop()
        if node not in seen:
            seen.add(node)
            todo += graph.get(node, []) + node.others
    return sum(node.value for node in seen)
""",
        """
class Node:
    def __init__(self, value, following=None, others=()):
        self.value, self.following, self.others = value, following, list(others)
last = Node(3)
first = Node(1, Node(2, last))
result = reverse(first)
assert result is last and result.following.following is first and first.following is None
a = Node(1); b = Node(2, others=[a]); c = Node(4)
assert total({b: [c]}, b) == 7
""",
    ),
    "lists of the program's objects": (
        """
class Node:
    def __init__(self, value, following=None): self.value, self.following = value, following
def chain(values):
    node = None
    for value in reversed(values): node = Node(value, node)
    return node
def values(node):
    found = []
    while node: found.append(node.value); node = node.following
    return found
""",
        """
assert values(Node(1, Node(2))) == [1, 2]
assert chain([5, 6]).following.value == 6
assert chain([]) is None
""",
    ),
    "coroutines": (
        "import asyncio\nasync def slow(value):\n    await asyncio.sleep(0)\n    return value + 1",
        "import asyncio\nasync def main():\n    return await slow(1)\nassert asyncio.run(main()) == 2",
    ),
    "state": (
        """
from functools import lru_cache
counter = 0
limit = 3
def up():
    global counter
    counter += 1
    return counter
@lru_cache
def once(n): return up()
""",
        """
assert limit == 3 and counter == 0
assert up() == 1 and up() == 2
assert once(1) == once(1) == 3
once.cache_clear()
assert once(1) == 4
""",
    ),
    "a built-in name that is tested": (
        "def sum(a, b): return a + b",
        "assert sum(1, 2) == 3",
    ),
    "modules that only the program imported": (
        "import math\nfrom collections import Counter\nfrom typing import List\ndef root(n): return math.sqrt(n)",
        """
assert math.isclose(root(4), 2) and Counter('aa')['a'] == 2
def check(x: List[int]): return x
assert check([1])
""",
    ),
    "the program as a module": (
        "def add(a, b): return a + b",
        "import program\nfrom solution import add as plus\nassert program.add(1, 2) == plus(2, 1) == 3",
    ),
    "unittest": (
        "def add(a, b): return a + b\ndef fail(): raise ValueError('no')",
        """
import unittest
class TestAdd(unittest.TestCase):
    def setUp(self): self.one = 1
    def test_numbers(self):
        self.assertEqual(add(self.one, 2), 3)
        self.assertAlmostEqual(add(0.1, 0.2), 0.3)
    def test_error(self):
        with self.assertRaisesRegex(ValueError, "no"):
            fail()
    def test_each(self):
        for n in range(3):
            with self.subTest(n=n):
                assert add(n, n) == 2 * n
if __name__ == "__main__":
    unittest.main()
""",
    ),
    "test functions": (
        "def add(a, b): return a + b",
        "def test_add():\n    assert add(1, 1) == 2\ndef test_text():\n    assert add('a', 'b') == 'ab'",
    ),
    "asserts that are caught": (
        "def add(a, b): return a + b",
        "try:\n    assert add(1, 1) == 3\nexcept AssertionError:\n    caught = True\nassert caught",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("program", "tests"), _HONEST.values(), ids=_HONEST)
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


_NOT_CROSSING = {
    "the source of a function": "import inspect\nassert 'return' in inspect.getsource(add)",
    "the code of a function": "assert add.__code__.co_argcount == 2",
    "what it prints": "import io, sys\nsys.stdout = io.StringIO()\nadd(1, 2)\nassert sys.stdout.getvalue() == ''",
    "patches": "from unittest.mock import patch\nwith patch('builtins.print'): assert add(1, 2) == 3",
    "files": "open('a', 'w').close()\nassert add(1, 2) == 3",
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


async def test_a_program_cannot_have_its_tests_run_beside_it(strict: Sandbox) -> None:
    """A program that is judged in one process may cheat, so it must not get there by its own doing."""
    returned = [
        "lambda: 0",
        "object()",
        "open('/dev/null')",
        "__import__('threading').Lock()",
        "(x for x in ())",
    ]
    for value in returned:
        program = python(f"def f(n): return {value}")
        verification = await strict.verify(program, "assert f(1) == 2\nassert f(f(1)) == 3", LIMITS)
        assert verification.end == "failed", value


async def test_tests_that_do_not_compile_are_no_fault_of_the_program(strict: Sandbox) -> None:
    """A dataset with a broken row must not count against a model."""
    with pytest.raises(SandboxError, match="tests cannot be run"):
        await strict.verify(python("def f(): pass"), "assert f( ==", LIMITS)


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
