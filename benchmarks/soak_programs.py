"""The programs of the endurance run: honest and hostile ones, each with what has to come of it."""

import base64
import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from jobs.checkers import Call, CallInputs
from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import ExecutableCode, Execution
from worker.sandbox import NO_FILES, NO_HARNESS, Files, Harness

LIMITS = Limits(
    cpu_seconds=5, wall_seconds=20, memory_mib=96, output_kib=16, scratch_mib=16, processes=16
)
_MIB = 1 << 20
_STDIN = "".join(f"{n}\n" for n in range(20_000))
# Said by programs that look whether the run before them left anything.
_NOTHING_THERE = "work: ['program.py'] tmp: [] shm: []\n"
_LOOK_AROUND = """
import os, tempfile
shm = os.path.dirname(os.environ["TMPDIR"]) + "/shm"
print("work:", os.listdir("."), "tmp:", os.listdir(tempfile.gettempdir()), "shm:", os.listdir(shm))
"""


@dataclass(frozen=True)
class Case:
    """One program and what is known of its end."""

    name: str
    code: ExecutableCode
    is_expected: Callable[[Execution], bool]
    stdin: str = ""
    harness: Harness = NO_HARNESS
    files: Files = NO_FILES
    limits: Limits = LIMITS
    weight: int = 1
    """How often it comes, compared with the others."""


def _python(code: str) -> ExecutableCode:
    return ExecutableCode(language=Language.PYTHON, code=code)


def _prints(text: str) -> Callable[[Execution], bool]:
    return lambda run: (run.exit_code, run.limit_hit, run.stdout) == (0, None, text)


def _exits(code: int) -> Callable[[Execution], bool]:
    return lambda run: (run.exit_code, run.limit_hit) == (code, None)


def _hits(limit: str) -> Callable[[Execution], bool]:
    return lambda run: run.limit_hit == limit


def _is_killed(signal: int) -> Callable[[Execution], bool]:
    return lambda run: (run.signal, run.limit_hit) == (signal, None)


def _tested(code: int, *, finished: bool) -> Callable[[Execution], bool]:
    return lambda run: (run.exit_code, run.tests_finished) == (code, finished)


def _answers(execution: Execution) -> bool:
    return [each.value for each in execution.returned or ()] == [5, "ab"]


def _collects(execution: Execution) -> bool:
    found = {each.name: base64.b64decode(each.content_base64) for each in execution.artefacts}
    return found == {"made.txt": b"made", "sub/dir.bin": bytes(1000)}


def _honest() -> list[Case]:
    adder = "def add(a, b):\n    return a + b\n"
    makes = (
        "import os\nos.mkdir('sub')\n"
        "open('made.txt', 'w').write('made')\nopen('sub/dir.bin', 'wb').write(bytes(1000))\n"
    )
    calls = CallInputs(
        entry_point="add", calls=(Call(arguments=(2, 3)), Call(arguments=("a", "b")))
    )
    return [
        Case("hello", _python("print(1)"), _prints("1\n"), weight=6),
        Case("looks around", _python(_LOOK_AROUND), _prints(_NOTHING_THERE), weight=6),
        Case(
            "stdin",
            _python("import sys; print(sum(map(int, sys.stdin)))"),
            _prints(f"{sum(range(20_000))}\n"),
            stdin=_STDIN,
            weight=2,
        ),
        Case(
            "passes its tests",
            _python(adder),
            _tested(0, finished=True),
            harness=Harness(tests="assert add(2, 3) == 5"),
            weight=4,
        ),
        Case(
            "fails its tests",
            _python(adder),
            _tested(1, finished=False),
            harness=Harness(tests="assert add(2, 3) == 6"),
            weight=2,
        ),
        Case("is called", _python(adder), _answers, harness=Harness(calls=calls), weight=2),
        Case(
            "files in and out",
            _python(f"assert open('given').read() == 'given'\n{makes}"),
            _collects,
            files=Files({"given": b"given"}, most_collected=4, most_collected_kib=16),
            weight=2,
        ),
        Case("imports", _python("import json, re; print(json.dumps([1]))"), _prints("[1]\n")),
        Case("threads", _python(_THREADS), _prints("6\n")),
        Case(
            "shell", ExecutableCode(language=Language.SH, code="echo $((6 * 7))"), _prints("42\n")
        ),
    ]


_THREADS = """
import threading
done = []
threads = [threading.Thread(target=done.append, args=(n,)) for n in range(4)]
for each in threads: each.start()
for each in threads: each.join()
print(sum(done))
"""
_A_FEW_CHILDREN = """
import os
for _ in range(4):
    if os.fork() == 0: os._exit(0)
for _ in range(4): os.wait()
print("done")
"""
_DAEMON = """
import os
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0: os.execlp("sleep", "sleep", "{nap}")
    os._exit(0)
print("done")
"""
_FORKS_LEFT = """
import os, time
for _ in range(4):
    if os.fork() == 0: time.sleep(300)
print("done", flush=True)
os._exit(4)
"""
_MANY_FILES = """
import os
for n in range(200): open(f"f{n}", "wb").write(bytes(1000))
for n in range(40): os.mkdir("d"); os.chdir("d")
os.symlink("/etc", "link"); os.mkfifo("fifo")
"""
_CLOSED = """
import os
os.umask(0o777); os.mkdir("closed at birth"); os.umask(0)
os.mkdir("closed"); open("closed/file", "w").close()
for path, mode in (("closed", 0), ("..", 0o100), (".", 0)):
    try: os.chmod(path, mode)
    except PermissionError: pass  # where no mode can be changed at all
print("done")
"""
_SHARED_MEMORY = """
import os
shm = os.path.dirname(os.environ["TMPDIR"]) + "/shm"
open(f"{shm}/left", "wb").write(bytes(1 << 20))
open(os.environ["TMPDIR"] + "/left", "wb").write(bytes(1 << 20))
print("done")
"""
_STAYS_DEAF = """
import os, signal, time
for number in range(1, 32):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
time.sleep(60)
"""


def _hostile(nap: str) -> list[Case]:
    brief = LIMITS.model_copy(update={"wall_seconds": 0.2})
    busy = LIMITS.model_copy(update={"cpu_seconds": 0.1})
    return [
        Case("exit code", _python("raise SystemExit(7)"), _exits(7), weight=2),
        Case("os._exit", _python("import os; os._exit(3)"), _exits(3), weight=2),
        Case("exception", _python("1 / 0"), _exits(1), weight=2),
        Case("is no Python", _python("def f(:"), lambda run: run.compile_failed),
        Case("recursion", _python("def f(): f()\nf()"), _exits(1)),
        Case("memory", _python(f"b = bytearray({400 * _MIB})"), _hits("memory")),
        Case(
            "memory, step by step",
            _python(f"b = []\nwhile True: b.append(bytearray({_MIB}))"),
            _hits("memory"),
        ),
        Case("output", _python("while True: print('x' * 4000)"), _hits("output"), weight=2),
        Case("children", _python(_A_FEW_CHILDREN), _prints("done\n"), weight=2),
        Case("children left", _python(_FORKS_LEFT), _exits(4), weight=2),
        Case("daemon", _python(_DAEMON.format(nap=nap)), _prints("done\n"), weight=3),
        Case("files left", _python(_MANY_FILES), _exits(0), weight=2),
        Case("closed folders", _python(_CLOSED), _prints("done\n"), weight=2),
        Case("shared memory left", _python(_SHARED_MEMORY), _prints("done\n"), weight=2),
        Case("kills itself", _python("import os; os.kill(os.getpid(), 9)"), _is_killed(9)),
        Case("crashes", _python("import os; os.abort()"), _is_killed(6)),
        Case("closes its output", _python("import os; os.close(1); os.close(2)"), _ends),
        Case("never ends", _python(_STAYS_DEAF), _hits("wall"), limits=brief),
        Case("burns", _python("while True: pass"), _hits("cpu"), limits=busy),
    ]


def _ends(execution: Execution) -> bool:
    return execution.limit_hit is None


def cases(n: int, seed: int, nap: str) -> Iterator[Case]:
    """`n` programs, mixed; the same again for the same seed. `nap` tells survivors from other processes."""
    known = [*_honest(), *_hostile(nap)]
    dice = random.Random(seed)  # noqa: S311  it mixes programs
    weights = list(itertools.accumulate(case.weight for case in known))
    for _ in range(n):
        (case,) = dice.choices(known, cum_weights=weights)
        yield case
