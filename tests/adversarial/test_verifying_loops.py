"""A program that raises StopIteration ends no loop of its tests unseen."""

import pytest

from worker.sandbox import Sandbox

from .programs import LIMITS, python

pytestmark = pytest.mark.adversarial

_ENDS = """
def add(a, b):
    raise StopIteration
class Adder:
    def __call__(self, a, b):
        raise StopIteration
class Row:
    def __init__(self, *_): pass
    def __iter__(self): raise StopIteration
    def __eq__(self, other): raise StopIteration
    def __len__(self): raise StopIteration
    def __getitem__(self, place): raise StopIteration
    @property
    def area(self): raise StopIteration
class Numbers:
    def __init__(self): self.left = [1, 2]
    def __iter__(self): return self
    def __next__(self):
        if not self.left: raise StopIteration
        return self.left.pop()
    def pop(self): return self.__next__()
"""
_CUT_SHORT = {
    "all of a map": "assert all(map(lambda c: add(*c) == sum(c), [(1, 2), (4, 5)]))",
    "any of a map": "assert not any(map(lambda c: add(*c) != sum(c), [(1, 2)]))",
    "a filter": "assert not list(filter(lambda c: add(*c) != sum(c), [(1, 2)]))",
    "a loop": "for got, want in zip(map(add, [1, 2], [3, 4]), [4, 6]):\n    assert got == want",
    "an object that is called": "for got in map(Adder(), [1], [2]):\n    assert got == 3",
    "an object that is gone through": "assert all(map(lambda n: list(Row(n)) == [n], [1, 2]))",
    "an object that is compared": "assert all(map(lambda n: Row(n) == Row(n), [1, 2]))",
    "an object's length": "assert all(n == 3 for n in map(len, [Row(), Row()]))",
    "an object's items": "row = Row()\nassert all(map(lambda n: row[n] == n, [1, 2]))",
    "a property": "assert all(map(lambda row: row.area == 4, [Row(), Row()]))",
    "a test function": (
        "def test_add():\n    for got, want in zip(map(add, [1], [3]), [4]):\n        assert got == want"
    ),
    "a suite": (
        "import unittest\nclass T(unittest.TestCase):\n    def test_add(self):\n"
        "        for got in map(add, [1], [3]): self.assertEqual(got, 4)"
    ),
    "a loop after it was caught": (
        "def caught():\n    try: add(1, 2)\n    except StopIteration: return True\n"
        "assert caught()\nassert all(map(add, [1], [2]))"
    ),
}
_CAUGHT = {
    "an except": "try: add(1, 2)\nexcept StopIteration: pass\nelse: assert False",
    "assertRaises": (
        "import unittest\nclass T(unittest.TestCase):\n    def test_add(self):\n"
        "        self.assertRaises(StopIteration, add, 1, 2)\n"
        "        with self.assertRaises(StopIteration): add(1, 2)"
    ),
    "an iterator's own end": "assert list(Numbers()) == [2, 1]\nassert sorted(map(abs, Numbers())) == [1, 2]",
    "its end by another method": (
        "it = Numbers()\nit.pop(), it.pop()\ntry: it.pop()\nexcept StopIteration: pass"
    ),
    "the tests' own iterator": (
        "it = Numbers()\nclass Doubled:\n    def __iter__(self): return self\n"
        "    def __next__(self): return 2 * it.pop()\nassert list(Doubled()) == [4, 2]"
    ),
    "a generator of the tests": (
        "def each():\n    yield add(1, 2)\ntry: list(each())\nexcept RuntimeError: pass"
    ),
}


@pytest.mark.parametrize("name", _CUT_SHORT)
async def test_a_loop_that_a_program_ends_is_no_test_that_it_passed(
    strict: Sandbox, name: str
) -> None:
    """To the interpreter it is the end of what it goes through, and nothing more is asserted."""
    verification = await strict.verify(python(_ENDS), _CUT_SHORT[name], LIMITS)
    assert (verification.end, verification.verdict) == ("failed", "runtime_error")
    assert verification.why == "a loop over calls, which the program ended: StopIteration"


@pytest.mark.parametrize("name", _CAUGHT)
async def test_a_stop_that_tests_expect_is_what_they_get(strict: Sandbox, name: str) -> None:
    """It is how iterators end, and there are tests of it."""
    verification = await strict.verify(python(_ENDS), _CAUGHT[name], LIMITS)
    assert (verification.end, verification.why) == ("finished", "")
