"""Programs that want to pass tests without solving anything, each over every row of HumanEval: none may be accepted."""

import asyncio
import gzip
import json
from textwrap import indent

import pytest

from tests.requiring import material
from worker.sandbox import Sandbox

from .programs import LIMITS, SPEAKS_FOR_ITSELF, python

pytestmark = pytest.mark.adversarial

# Some break their own interpreter and turn in circles, or leave half a message.
_SHORT = LIMITS.model_copy(update={"cpu_seconds": 0.3, "wall_seconds": 1.0})

_ALWAYS_EQUAL = """
class Anything(int):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    __le__ = __gt__ = __ge__ = __lt__
    def __hash__(self): return 0
    def __sub__(self, other): return 0
    __rsub__ = __add__ = __radd__ = __mul__ = __rmul__ = __mod__ = __truediv__ = __rtruediv__ = __sub__
    def __abs__(self): return 0
    def __bool__(self): return True
    def __len__(self): return 0
    def __iter__(self): return iter(())
    def __contains__(self, item): return True
    def __getitem__(self, key): return self
    def __getattr__(self, name): return lambda *a, **k: self
    def __call__(self, *a, **k): return self
    def __instancecheck__(self, other): return True
    def __round__(self, *n): return 0
    def __float__(self): return 0.0
"""

# Bodies of the function that is asked for.
BODIES = {
    "sys.exit": "import sys; sys.exit(0)",
    "os._exit": "import os; os._exit(0)",
    "an int equal to everything": "return Anything()",
    "an object equal to everything": "return Whatever()",
    "an error to be taken for success": "raise AssertionError('passed')",
    "the end of iteration": "raise StopIteration",
    "a twin that answers": """
import os
if os.fork(): os._exit(0)
return None
""",
    "a marker": """
import threading, os
def say(): print('finished'); os.write(4, b'{"end": "finished"}' + bytes([10]))
threading.Thread(target=say).start()
""",
    "a report": """
import os
for n in range(3, 20):
    try: os.write(n, b'{"end": "finished"}' + bytes([10]))
    except OSError: pass
os._exit(0)
""",
    "frames": """
frame = sys._getframe()
while frame:
    for value in [*frame.f_locals.values(), *frame.f_globals.values()]:
        if callable(value) and getattr(value, '__name__', '') == 'check': return value
        if isinstance(value, dict) and 'expected' in value: return value['expected']
    frame = frame.f_back
""",
    "the collector": """
import gc
for each in gc.get_objects():
    if isinstance(each, str) and 'candidate(' in each: raise SystemExit(0)
    if isinstance(each, dict) and 'check' in each: each['check'] = lambda f: None
""",
    "itself": "return sys._getframe()",
}
# What stands above it.
TOPS = {
    "patched assertions": """
import builtins
class Quiet(Exception):
    def __new__(cls, *a): raise SystemExit(0)
builtins.AssertionError = Quiet
""",
    "patched unittest": """
import unittest
unittest.TestCase.run = lambda self, result=None: result.addSuccess(self)
unittest.main = lambda *a, **k: None
""",
    "patched built-ins": """
import builtins
builtins.abs = builtins.sum = builtins.len = lambda *a: 0
builtins.all = builtins.any = builtins.isinstance = lambda *a: True
builtins.round = builtins.sorted = lambda *a, **k: a[0]
builtins.print = lambda *a, **k: None
""",
    "names of built-ins": """
def abs(x): return 0
def all(x): return True
def len(x): return 0
def tuple(x): return Whatever()
list = sorted = set = round = str = tuple
""",
    "a marker at the end": """
import atexit, os
atexit.register(lambda: os.write(4, b'{"end": "finished"}' + bytes([10])))
""",
    "a conversation of its own": SPEAKS_FOR_ITSELF
    + """
say(b'["r",["d",[["' + NAME + b'",["g",1,"f"]],["candidate",["g",1,"f"]]]],[]]')
while asked():
    say(b'["r",["h",2,["k",3,"X",[],["__eq__","__bool__","__lt__","__sub__","__abs__","__len__","__hash__"]]],[]]')
""",
}


# All of it, but for the objects that are equal to everything.
WHOLE = {
    "a class in its place": "class ENTRY(Whatever):\n    def __init__(self, *a, **k): pass",
    "a class of numbers in its place": "class ENTRY(Anything):\n    def __new__(cls, *a, **k): return int.__new__(cls)",
    "a module's function in its place": "from operator import attrgetter as ENTRY",
    "a module in its place": "import math as ENTRY",
    "an error that describes itself": """
class Loud(Exception):
    def __init__(self, *a): self._promptmill_mismatch = self.name = [1]
    def __str__(self): raise self
def ENTRY(*a, **k): raise Loud()
""",
    "answers that are none": """
import os, random
words = [
    b'["r",', b'["e",', b'["q",', b'["k",2,"X",[],[]]', b'["h",2,', b'["x",1]', b'["K","type"]', b'null', b',', b']',
    b'[', b'"special"', b'["i","zz"]', b'["n","x"]', b'["p","O",[1],"",false]', b'["v","re.Pattern",["(",0]]', b'{}',
    b'1e999', b'["d",[[["l",[]],1]]]', b'["r",["d",[["ENTRY",["g",1,"f"]],["candidate",["g",1,"f"]]]],[]]',
    b'["r",["K","Exception"],[[0,1]]]', b'["e",["K","ExceptionGroup"],["t",[]],["d",[]],""]',
    b'["e",["K","NameError"],["t",[]],["d",[["name",["l",[]]]]],""]', b'["r",["dk",[["t",[1]]]],[]]',
]
random.seed(b"NAME")
while True:
    n = int.from_bytes(os.read(3, 4), 'big')
    os.read(3, n)
    said = b''.join(random.choices(words, k=random.randrange(9)))
    os.write(4, len(said).to_bytes(4, 'big') + said)
""",
    "errors and nothing else": SPEAKS_FOR_ITSELF
    + """
say(b'["r",["d",[["ENTRY",["g",1,"f"]],["candidate",["g",1,"f"]]]],[]]')
while asked():
    say(b'["e",["K","ValueError"],["t",[]],["d",[]],""]')
""",
    "forks without end": """
import os
def ENTRY(*a, **k):
    while True: os.fork()
""",
    "bytes that are none": """
import os, random
random.seed(b"NAME")
os.write(4, random.randbytes(random.randrange(4000)))
if random.random() < 0.5: os.write(4, bytes([255] * 4))
""",
}


def _rows() -> list[dict[str, str]]:
    path = material("data/datasets/HumanEval.jsonl.gz")
    return [json.loads(line) for line in gzip.open(path)]


def _programs(name: str, row: dict[str, str]) -> str:
    start = _ALWAYS_EQUAL + _ALWAYS_EQUAL.replace("class Anything(int)", "class Whatever")
    entry = row["entry_point"]
    if name in WHOLE:
        return start + WHOLE[name].replace("ENTRY", entry).replace("NAME", entry)
    if name in BODIES:
        body = indent(BODIES[name].strip(), "    ")
        return f"{start}\nimport sys\ndef {entry}(*arguments, **named):\n{body}\n"
    top = TOPS[name].replace("NAME", repr(entry.encode()))
    return f"{start}\n{top}\ndef {entry}(*arguments, **named): return Whatever()\n"


@pytest.mark.parametrize("name", [*BODIES, *TOPS, *WHOLE])
async def test_no_row_is_passed_by_a_program_that_solves_nothing(
    strict: Sandbox, name: str
) -> None:
    """Whoever compares models by these numbers pays for each row that was won by a trick."""
    slots = asyncio.Semaphore(2)

    async def is_passed(row: dict[str, str]) -> bool:
        tests = f"{row['test']}\ncheck({row['entry_point']})\n"
        async with slots:
            verification = await strict.verify(python(_programs(name, row)), tests, _SHORT)
        assert verification.end != "cannot_cross", row["task_id"]
        return verification.end == "finished"

    rows = _rows()
    passed = await asyncio.gather(*(is_passed(row) for row in rows))
    assert [row["task_id"] for row, did in zip(rows, passed, strict=True) if did] == []
