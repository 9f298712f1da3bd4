"""Programs and tests of them that hold when both share a process."""

HONEST = {
    "exact types": (
        "def echo(value): return value",
        """
for value in [None, True, 1, -(10 ** 500), 2.5, -0.0, float("inf"), 1j, "é\\0\\ud800", b"\\xff", bytearray(b"a"),
              (1, [2, (3,)]), {1, 2}, frozenset("a"), {"a": {1: (None,)}}, range(3), ...]:
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
    "containers of the library changed in place": (
        "def more(queue, counts, groups):\n    queue.appendleft(0); counts['a'] += 1; groups['b'] = []",
        ("from collections import Counter, OrderedDict, deque\n"
        "queue, counts, groups = deque([1]), Counter('ab'), OrderedDict(a=[1])\nmore(queue, counts, groups)\n"
        "assert list(queue) == [0, 1] and counts == Counter('aab') and list(groups) == ['a', 'b']"),
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
    "errors as values": (
        """
import decimal
class Refused(ValueError):
    def __init__(self, code): super().__init__(f'code {code}'); self.code = code
def attempt(kind):
    try:
        if kind == 'own': raise Refused(7)
        if kind == 'decimal': raise decimal.InvalidOperation('no number')
        return {}[kind]
    except Exception as error:
        return error
def kind_of(error): return type(error).__name__
def all_errors(): return [KeyError('a'), (Refused(1), None)]
""",
        """
import decimal
error = attempt("x")
assert type(error) is KeyError and error.args == ("x",) and repr(error) == "KeyError('x')"
own = attempt("own")
assert isinstance(own, Refused) and own.code == 7 and str(own) == "code 7"
assert isinstance(attempt("decimal"), decimal.InvalidOperation)
assert [kind_of(each) for each in (error, own, attempt("decimal"))] == ["KeyError", "Refused", "InvalidOperation"]
assert all_errors()[1][0].code == 1 and isinstance(all_errors()[0], KeyError)
try:
    raise attempt("own")
except Refused as caught:
    assert caught.code == 7
else:
    assert False
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
        ("import asyncio\nasync def main(): return await slow(1), await asyncio.gather(slow(2), slow(3))\n"
        "assert asyncio.run(main()) == (2, [3, 4]) and asyncio.run(slow(1)) == 2"),
    ),
    "objects in sets and as keys": (
        "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass P:\n    x: int\n",
        "assert len({P(1), P(1), P(2)}) == 2\ntable = {P(1): 2}\nassert table[P(1)] == 2",
    ),
    "names of functions that the tests pass": (
        """
from functools import wraps
def logged(f):
    @wraps(f)
    def g(*a): return f(*a)
    return g
def name(f): return f.__name__
""",
        """
def twice(x): return 2 * x
class A: pass
assert logged(twice)(3) == 6 and logged(twice).__name__ == "twice"
assert name(twice) + name(A) == "twiceA"
""",
    ),
    "attributes of a class that the tests set": (
        "class A:\n    n = 0\n    def get(self): return A.n",
        "assert A.n == 0\nA.n = 7\nassert A.n == 7 and A().get() == 7",
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
