"""Programs that want to pass tests without solving anything, each over every row of HumanEval: none may be accepted."""

import asyncio
import gzip
import json

import pytest

from worker.sandbox import Sandbox

from tests.requiring import material

from .programs import LIMITS, python

pytestmark = pytest.mark.adversarial

# Some break their own interpreter and turn in circles.
_SHORT = LIMITS.model_copy(update={"cpu_seconds": 0.3, "wall_seconds": 10.0})

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

BODIES = {
    "sys.exit": "import sys; sys.exit(0)",
    "os._exit": "import os; os._exit(0)",
    "an int equal to everything": "return Anything()",
    "an object equal to everything": "return Whatever()",
    "an error to be taken for success": "raise AssertionError('passed')",
    "the end of iteration": "raise StopIteration",
    "a twin that answers": "import os\n    if os.fork(): os._exit(0)\n    return None",
    "a marker": "import threading, os\n    threading.Thread(target=lambda: [print('finished'), os.write(4, b'{\"end\": \"finished\"}\\n')]).start()",
    "a report": 'import os\n    for n in range(3, 20):\n        try: os.write(n, b\'{"end": "finished"}\\n\')\n        except OSError: pass\n    os._exit(0)',
    "frames": "import sys\n    frame = sys._getframe()\n    while frame:\n        for value in list(frame.f_locals.values()) + list(frame.f_globals.values()):\n            if isinstance(value, (dict, list)) and 'expected' in str(type(value)): return value\n        frame = frame.f_back",
    "the collector": "import gc\n    for o in gc.get_objects():\n        if isinstance(o, str) and 'candidate(' in o: raise SystemExit(0)",
    "itself": "return sys._getframe() if 'sys' in globals() else (lambda: 0)",
}
TOPS = {
    "patched assertions": "import builtins\nclass Quiet(Exception):\n    def __new__(cls, *a): raise SystemExit(0)\nbuiltins.AssertionError = Quiet",
    "patched unittest": "import unittest\nunittest.TestCase.run = lambda self, result=None: result.addSuccess(self)\nunittest.main = lambda *a, **k: None",
    "patched built-ins": "import builtins\nbuiltins.abs = builtins.sum = builtins.len = lambda *a: 0\nbuiltins.all = builtins.any = builtins.isinstance = lambda *a: True\nbuiltins.round = builtins.sorted = lambda *a, **k: a[0]\nbuiltins.print = lambda *a, **k: None",
    "names of built-ins": "def abs(x): return 0\ndef all(x): return True\ndef len(x): return 0\ndef tuple(x): return Whatever()\nlist = sorted = set = round = str = tuple",
    "a marker at the end": 'import atexit, os\natexit.register(lambda: os.write(4, b\'{"end": "finished"}\\n\'))',
    "an answer to everything": """
import os, threading
def flood():
    while True:
        os.read(3, 65536); os.write(4, (len(b := b'["r",true,[]]')).to_bytes(4, 'big') + b)
""",
    "no conversation": """
import os, struct
while True:
    n = int.from_bytes(os.read(3, 4), 'big'); os.read(3, n)
    b = b'["r",["d",[["%s",["g",1,"f"]],["candidate",["g",1,"f"]]]],[]]' % NAME
    os.write(4, len(b).to_bytes(4, 'big') + b)
    while True:
        n = int.from_bytes(os.read(3, 4), 'big'); os.read(3, n)
        b = b'["r",["h",2,["k",3,"X",[],["__eq__","__bool__","__lt__","__sub__","__abs__","__len__","__hash__"]]],[]]'
        os.write(4, len(b).to_bytes(4, 'big') + b)
""",
}


def _rows() -> list[dict[str, str]]:
    path = material("data/datasets/HumanEval.jsonl.gz")
    return [json.loads(line) for line in gzip.open(path)]


def _programs(name: str, row: dict[str, str]) -> str:
    start = _ALWAYS_EQUAL + _ALWAYS_EQUAL.replace("class Anything(int)", "class Whatever")
    entry = row["entry_point"]
    if name in BODIES:
        return f"{start}\nimport sys\ndef {entry}(*arguments, **named):\n    {BODIES[name]}\n"
    top = TOPS[name].replace("NAME", repr(entry.encode()))
    return f"{start}\n{top}\ndef {entry}(*arguments, **named): return Whatever()\n"


@pytest.mark.parametrize("name", [*BODIES, *TOPS])
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
