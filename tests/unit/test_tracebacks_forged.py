"""Error reports that a program wrote itself, to bring down whoever reads them."""

import pytest

from jobs.languages import Language
from worker.solver.tracebacks import failure_of

_MANY = "7" * 5000
_FORGED = (
    f'Traceback (most recent call last):\n  File "program.py", line {_MANY}, in f\nValueError: x\n',
    f'  File "program.py", line {_MANY}\n    x\nSyntaxError: x\n',
    f"/work/program.js:{_MANY}\nx\n\nSyntaxError: x\n    at f (/work/program.js:{_MANY}:1)\n",
    f"/work/program.sh: {_MANY}: x: not found\n",
    f"program.c:{_MANY}:1: error: x\n",
    f"program.rs:{_MANY}:1: x\nthread 'main' panicked at program.rs:{_MANY}:1:\nx\n",
    f"Exception in thread x\n\tat Main.f(program.java:{_MANY})\n",
    f"program.rb:{_MANY}:in `f': x (RuntimeError)\n\tfrom program.rb:{_MANY}:in `f'\n",
    f"x at /work/program.pl line {_MANY}.\n",
    f"PHP Fatal error:  Uncaught Exception: x in /work/program.php:{_MANY}\n",
    f"lua: program.lua:{_MANY}: x\nstack traceback:\n\tprogram.lua:{_MANY}: in f\n",
    f"panic: x\n\ngoroutine 1 [running]:\nmain.f()\n\t/work/program.go:{_MANY} +0x1\n",
)


@pytest.mark.parametrize("language", Language, ids=str)
@pytest.mark.parametrize("stderr", _FORGED, ids=range(len(_FORGED)))
def test_a_line_number_of_any_length_is_read(language: Language, stderr: str) -> None:
    """A program that made its reader fail would be our failure, and in no rate."""
    failure = failure_of(stderr, language)
    assert failure is None or all(frame.line < 10**9 for frame in failure.frames)
