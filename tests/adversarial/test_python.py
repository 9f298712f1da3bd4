"""A forked interpreter against a fresh one: what a program does around its own end is the same in both."""

import asyncio
import re
import subprocess
from pathlib import Path

import pytest

from worker.sandbox import Sandbox

from .programs import LIMITS, own_interpreter, python

pytestmark = pytest.mark.adversarial

_FINALIZED = "class A:\n  def __del__(self): print('gone')\na = A()\n"
_PROGRAMS = {
    "prints": "print(1)",
    "nothing": "",
    "name": "print(__name__, __doc__, __package__, __spec__, __builtins__.__name__)",
    "docstring": '"""A docstring."""\nprint(__doc__)',
    "future import": "from __future__ import annotations\ndef f(x: undefined): pass\nprint(f.__annotations__)",
    "arguments": "import sys\nprint(len(sys.argv), sys.argv[0].endswith('program.py'))",
    "annotations": "x: int = 1\nprint(__annotations__)",
    "syntax error": "def f(:\n  pass",
    "indentation error": "if True:\nprint(1)",
    "uncaught": "def f(): return 1 / 0\nf()",
    "chained": "try: {}['a']\nexcept KeyError as error: raise ValueError('b') from error",
    "while handling": "try: {}['a']\nexcept KeyError: int('x')",
    "group": "raise ExceptionGroup('many', [ValueError(1), TypeError(2)])",
    "notes": "error = ValueError('a')\nerror.add_note('a note')\nraise error",
    "no message": "raise AssertionError",
    "bad message": "class E(Exception):\n  def __str__(self): raise ValueError\nraise E",
    "exit": "import sys\nsys.exit()",
    "exit 3": "raise SystemExit(3)",
    "exit 256": "raise SystemExit(257)",
    "exit true": "raise SystemExit(True)",
    "exit text": "import sys\nsys.exit('gone')",
    "exit none text": "import sys\nsys.exit(None)",
    "exit list": "import sys\nsys.exit([1, 2])",
    "os exit": "import os\nprint('lost')\nos._exit(4)",
    "atexit": "import atexit\natexit.register(print, 'last')\nprint('first')",
    "atexit order": "import atexit\nfor n in range(3): atexit.register(print, n)",
    "atexit raises": "import atexit\natexit.register(lambda: 1 / 0)\nprint('done')",
    "atexit after error": "import atexit\natexit.register(print, 'still')\nraise ValueError('x')",
    "thread": (
        "import threading, time\n"
        "threading.Thread(target=lambda: (time.sleep(0.1), print('thread'))).start()\n"
        "print('main')"
    ),
    "daemon thread": (
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "print('main')"
    ),
    "thread raises": (
        "import threading\n"
        "thread = threading.Thread(target=lambda: int('x'), name='t')\n"
        "thread.start()\n"
        "thread.join()\n"
        "print('main')"
    ),
    "pool": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "print(ThreadPoolExecutor(2).submit(abs, -1).result())"
    ),
    "finalizer": f"{_FINALIZED}print('end')",
    "finalizer in a cycle": f"{_FINALIZED}a.a = a\nprint('end')",
    "finalizer in a cycle that is old": f"import gc\n{_FINALIZED}a.a = a\ngc.collect()\nprint('end')",
    "finalizer in a cycle that was frozen": (
        f"import gc\n{_FINALIZED}a.a = a\ngc.freeze()\ngc.unfreeze()\nprint('end')"
    ),
    "finalizer in a cycle without a collector": (
        f"import gc\ngc.disable()\n{_FINALIZED}a.a = a\nprint('end')"
    ),
    "finalizer after the collector is gone": (
        f"import gc\n{_FINALIZED}a.a = a\ndel gc.collect, gc.get_stats\nprint('end')"
    ),
    "finalizer in a cycle of many": f"{_FINALIZED}a.a = [a, [[] for _ in range(200_000)]]\nprint('end')",
    "finalizer uses globals": "word = 'kept'\nclass A:\n  def __del__(self): print(word)\na = A()",
    "open file": (
        "f = open('x', 'w')\n"
        "f.write('kept')\n"
        "import atexit, os\n"
        "atexit.register(lambda: print(os.path.getsize('x')))"
    ),
    "open stream, and a function": (
        "out = open(1, 'w', closefd=False)\ndef solve(): out.write('kept\\n')\nsolve()"
    ),
    "open stream of a class": (
        "import os\n"
        "class Writer:\n"
        "  def __init__(self): self.out = os.fdopen(os.dup(1), 'w')\n"
        "  def solve(self): self.out.write('kept\\n')\n"
        "writer = Writer()\nwriter.solve()"
    ),
    "open stream after many objects": (
        "lists = [[] for _ in range(5000)]\nout = open(1, 'w', closefd=False)\n"
        "def solve(): out.write('kept\\n')\nsolve()\nlists += [[] for _ in range(5000)]"
    ),
    "stdout detached": (
        "import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.detach(), encoding='utf-8')\nprint('kept')"
    ),
    "stderr cannot be written": "import os, sys\nos.close(2)\nsys.stderr.write('x')",
    "stdout cannot be written, after an error": "import os\nprint(1)\nos.close(2)\nos.close(1)\n1 / 0",
    "printed by C": "import ctypes\nctypes.CDLL(None).printf(b'kept\\n')",
    "excepthook": "import sys\nsys.excepthook = lambda kind, error, trace: print('hooked', kind.__name__)\n1 / 0",
    "excepthook raises": "import sys\ndef hook(*_): raise TypeError('hook')\nsys.excepthook = hook\n1 / 0",
    "stdout replaced": "import io, sys\nsys.stdout = io.StringIO()\nprint('lost')",
    "stdout deleted": "import sys\nprint('done')\nsys.stdout.flush()\ndel sys.stdout",
    "stderr deleted": "import sys\nprint('done')\ndel sys.__stderr__, sys.stderr",
    "huge exit code": "import sys\nsys.exit(1 << 70)",
    "huge negative exit code": "import sys\nsys.exit(-(1 << 70))",
    "long exit code": "import sys\nsys.exit((1 << 40) + 7)",
    "interrupted": (
        "import signal\n"
        "try: signal.raise_signal(signal.SIGINT)\n"
        "except KeyboardInterrupt: print('caught')"
    ),
    "interrupted to the end": (
        "import atexit, signal\natexit.register(print, 'last')\nsignal.raise_signal(signal.SIGINT)"
    ),
    "interrupted but deaf": (
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\nraise KeyboardInterrupt"
    ),
    "a kind of interruption": "class Kind(KeyboardInterrupt): pass\nraise Kind",
    "exit code of a kind": (
        "class Code(int):\n  def __and__(self, other): raise TypeError\nimport sys\nsys.exit(Code(3))"
    ),
    "child interrupted": (
        "import signal, subprocess\n"
        "child = subprocess.Popen(['sleep', '5'])\n"
        "child.send_signal(signal.SIGINT)\n"
        "print(child.wait())"
    ),
    "stdout closed": "import sys\nsys.stdout.close()",
    "stderr none": "import sys\nsys.stderr = None\n1 / 0",
    "print without newline": "print('x', end='')",
    "unicode": "print('\\u2603 \\U0001f600')",
    "surrogate": "print('\\udc80')",
    "binary": "import sys\nsys.stdout.buffer.write(b'\\xff\\x00')",
    "stdin": "import sys\nprint(sys.stdin.read())",
    "stdin facts": (
        "import sys\n"
        "print(sys.stdin.seekable(), sys.stdin.isatty(), sys.stdout.seekable(), sys.stdin.encoding, sys.stdout.errors)"
    ),
    "recursion": "def f(n): return f(n + 1)\nf(0)",
    "recursion depth": (
        "import sys\n"
        "def f(n):\n"
        "  try: return f(n + 1)\n"
        "  except RecursionError: return n\n"
        "print(f(0) > sys.getrecursionlimit() - 10)"
    ),
    "signal": "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)",
    "abort": "import os\nos.abort()",
    "broken pipe is ignored": (
        "import signal\nprint(signal.getsignal(signal.SIGPIPE), signal.getsignal(signal.SIGINT))"
    ),
    "process pool": (
        "import multiprocessing as m\n"
        "if __name__ == '__main__':\n"
        "  with m.get_context('fork').Pool(2) as pool: print(pool.map(abs, [-1, -2]))"
    ),
    "spawned": (
        "import multiprocessing as m\n"
        "def f(x): return x + 1\n"
        "if __name__ == '__main__':\n"
        "  with m.get_context('spawn').Pool(1) as pool: print(pool.map(f, [1]))"
    ),
    "pickle": "import pickle\nclass A: x = 1\nprint(pickle.loads(pickle.dumps(A())).x)",
    "dataclass": "from dataclasses import dataclass\n@dataclass\nclass P:\n  x: int\nprint(P(1))",
    "source of itself": "import inspect\ndef f(): return 1\nprint(inspect.getsource(f))",
    "asyncio": "import asyncio\nasync def f():\n  await asyncio.sleep(0.01)\n  return 7\nprint(asyncio.run(f()))",
    "subprocess of itself": (
        "import subprocess, sys\n"
        "print(subprocess.run([sys.executable, '-c', 'print(6)'], capture_output=True, text=True).stdout)"
    ),
    "warning": "import warnings\nwarnings.warn('careful')",
    "encoding": "# -*- coding: latin-1 -*-\nprint(len('é'))",
}


@pytest.mark.parametrize("name", _PROGRAMS)
async def test_a_forked_interpreter_does_what_a_fresh_one_does(
    strict: Sandbox, tmp_path: Path, name: str
) -> None:
    """Whoever evaluates a model wants Python's behaviour, not ours."""
    execution = await strict.run(python(_PROGRAMS[name]), LIMITS, stdin="in")
    path = tmp_path / "program.py"
    path.write_text(_PROGRAMS[name])
    fresh = await _fresh(path)
    ended = execution.exit_code if execution.signal is None else -execution.signal
    assert ended == fresh.returncode
    assert execution.stdout == fresh.stdout.decode("utf-8", "replace")
    theirs = fresh.stderr.decode("utf-8", "replace").replace(str(tmp_path), "/scratch/run/work")
    assert _without_chance(execution.stderr) == _without_chance(theirs)


async def _fresh(path: Path) -> "subprocess.CompletedProcess[bytes]":
    def run() -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            [own_interpreter(), "-I", "-B", str(path)],
            input=b"in",
            capture_output=True,
            cwd=path.parent,
            env={"LANG": "C.UTF-8"},
            check=False,
        )

    return await asyncio.to_thread(run)


def _without_chance(text: str) -> str:
    """Without addresses, and without how many of a thousand frames lie below the program's own."""
    return re.sub(r"0x[0-9a-f]+|repeated \d+ more", "…", text)


async def test_a_null_byte_in_the_source_is_the_program_s_fault(strict: Sandbox) -> None:
    """Versions of Python differ in the words; a program that is cut there in silence is another program."""
    execution = await strict.run(python("print(1)\n\0"), LIMITS)
    assert (execution.stdout, execution.compile_failed) == ("", True)


async def test_nothing_of_ours_is_in_the_way_of_a_program(strict: Sandbox) -> None:
    """A name of ours that a program could import would be a part of the sandbox in its hands."""
    program = "import sys\nprint([name for name in sys.modules if name.startswith(('inside', 'worker', 'jobs'))])\n"
    program += "import inside"
    execution = await strict.run(python(program), LIMITS)
    assert execution.stdout == "[]\n"
    assert "No module named 'inside'" in execution.stderr


async def test_each_run_draws_other_random_numbers(strict: Sandbox) -> None:
    """Children of one process share its generator's state unless somebody sees to it."""
    program = python("import random, uuid, secrets\nprint(random.random(), uuid.uuid4())")
    outputs = {(await strict.run(program, LIMITS)).stdout for _ in range(3)}
    assert len(outputs) == 3
