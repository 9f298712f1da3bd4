"""Runs a Python program in the interpreter that was forked for it, as if it had been started from the shell.

Theory of operation. A fork is a running interpreter for a twentieth of what a new one costs; the price is that what an
interpreter does around a program has to be done by hand. Before: a `__main__` of its own, `sys.argv`, and the words
that `site` adds. After: an uncaught exception is shown without our frames, non-daemon threads are waited for, atexit
functions run, `__main__` is let go so that finalizers run, and the streams are flushed. What differs is documented:
programs of one slot share the hash seed and the addresses of what was loaded before them.
"""

import atexit
import builtins
import sys

# What `signal` is made of: that one loads `enum`, which no slot needs.
from _signal import SIG_DFL, SIGINT, default_int_handler, raise_signal, signal  # type: ignore[import-not-found]

# By names of our own: a program may replace those in `os` and `gc`, and its end is owed all the same.
from gc import collect, get_objects, get_stats
from posix import _exit, read, write

from .syscalls import Prepared
from .verifying.answering import frames_of_the_program, serve
from .verifying.beside import Beside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

ANSWERS = "answers"
"""The word for a program that is called by its tests when it has run."""
TESTED = "tested"
"""The word for a program that its tests follow in its file; the word after it is the line where they begin."""
QUESTION, ANSWER = 3, 4
"""Where such a program finds its nonce, and where the end of its tests hands it back."""
TESTS = "tests"
"""The word for tests; the word after it is how many seconds they may wait for their program."""

_NONCE_BYTES = 64
_REHEARSED = "rehearsal"
_REHEARSAL = b"import sys\ndef warm(x): return [x] + sys.path\nwarm(1)\nprint(end='')"
_NEW, _ALL = 0, 2
# From 3.14 on it is a part of the rest as well, and counted otherwise.
_YOUNG = 1 if sys.version_info < (3, 14) else _ALL
_STREAMS = ("stdout", "stderr")
# Where a program has replaced those, the interpreter has these written out as they go, and what is lost does not count.
_ORIGINAL_STREAMS = ("__stdout__", "__stderr__")
# What C libraries print.
_flush_all_of_c = Prepared("fflush", None)
_LONGEST = 1 << 63
_SUCCESS, _FAILURE, _LOST_OUTPUT, _BY_SIGNAL = 0, 1, 120, 128
# No program can exit with it.
_INTERRUPTED = 1 << 8


class Job:
    """A program in the process that is to run it."""

    def __init__(self, source: bytes, path: str, words: "tuple[str, ...]") -> None:
        self.source = source
        self.path = path
        self.words = words
        """What it is, where it is not just a program."""
        self.verify: Callable[[bytes, str, float], None] | None = None
        """What runs tests, in a slot that has it."""


def run(job: Job) -> None:
    """Run it to its end and leave the process with its exit code; never returns."""
    if job.verify is not None and job.words[0] == TESTS:
        job.verify(job.source, job.path, float(job.words[1]))
    main = _main_module(job.path)
    sys.modules["__main__"] = main
    sys.argv = [job.path]
    # The slot ignores it, since PID 1 has to.
    signal(SIGINT, default_int_handler)
    n_agings = _n_agings()
    status = _SUCCESS
    beside = Beside(job.source, job.path, int(job.words[1])) if TESTED in job.words else None
    try:
        exec(compile(job.source, job.path, "exec", dont_inherit=True), main.__dict__)  # noqa: S102  what it is all for
        if ANSWERS in job.words:
            serve(main.__dict__)
        if beside is not None:
            status = _end_of_tests(beside, main.__dict__)
    except SystemExit as end:
        status = _status_of(end, beside)
    except BaseException as error:  # noqa: BLE001  whatever the program let through
        status = _INTERRUPTED if type(error) is KeyboardInterrupt else _FAILURE
        _show(error)
    del main
    is_whole = _leave(n_agings)
    if status == _INTERRUPTED:
        # As the interpreter does, so that whoever waits sees why it ended. A program may have blocked it.
        signal(SIGINT, SIG_DFL)
        raise_signal(SIGINT)
        status = _BY_SIGNAL + SIGINT
    _exit(status if is_whole else _LOST_OUTPUT)


def rehearse() -> None:
    """Run a program that does nothing, as far as it leaves nothing behind."""
    job = Job(_REHEARSAL, _REHEARSED, ())
    main = _main_module(job.path)
    exec(compile(job.source, job.path, "exec", dont_inherit=True), main.__dict__)  # noqa: S102
    del main
    _flush()
    _n_agings()


def _main_module(path: str) -> "ModuleType":
    main = type(sys)("__main__")
    main.__dict__.update(__builtins__=builtins, __file__=path, __cached__=None, __annotations__={})
    return main


def _end_of_tests(beside: Beside, names: "dict[str, object]") -> int:
    """Run those that are suites, and hand the nonce back if nothing failed."""
    error = beside.failure(names)
    if error is not None:
        _show(error)
        return _FAILURE
    write(ANSWER, read(QUESTION, _NONCE_BYTES))
    return _SUCCESS


def _status_of(end: SystemExit, beside: Beside | None) -> int:
    """What the interpreter makes of `sys.exit(code)`; of tests that it is no end."""
    shown = end if beside is None else beside.own_end(end)
    if shown is not end:
        _show(shown)
        return _FAILURE
    code = end.code
    if code is None:
        return _SUCCESS
    if isinstance(code, int):
        # Not by methods of the program's own.
        code = int.__index__(code)
        # What does not fit into a C long is -1 to the interpreter.
        return (code if -_LONGEST <= code < _LONGEST else -1) & 0xFF
    try:
        print(code, file=sys.stderr)  # noqa: T201  as the interpreter does
    except BaseException:  # noqa: BLE001  an object that cannot be printed ends the program all the same
        return _FAILURE
    return _FAILURE


def _show(error: BaseException) -> None:
    error.__traceback__ = frames_of_the_program(error.__traceback__)
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except BaseException as another:  # noqa: BLE001  the program's own hook
        another.__traceback__ = frames_of_the_program(another.__traceback__)
        if another.__context__ is error:
            another.__context__ = None
        print("Error in sys.excepthook:", file=sys.stderr)  # noqa: T201  as the interpreter does
        sys.__excepthook__(type(another), another, another.__traceback__)
        print("\nOriginal exception was:", file=sys.stderr)  # noqa: T201
        sys.__excepthook__(type(error), error, error.__traceback__)


def _leave(n_agings: int) -> bool:
    """What an interpreter does between a program's last line and its exit code; whether no output was lost.

    `n_agings` is how often the garbage collector had made objects old before the program began.
    """

    def finalize() -> None:
        # Few programs live long enough to have old objects. Where all are looked at, the interpreter also empties its
        # free lists, and their pages, which are shared, would be copied. What was frozen and let go is old without
        # having aged; what has aged may be too much to be listed.
        is_all_young = _n_agings() == n_agings and not get_objects(_ALL)
        # Twice, as the interpreter does. The first time also puts what holds others before what it holds: else a file
        # would be closed before what is buffered for it is written.
        collect(_NEW if is_all_young else _ALL)
        sys.modules.pop("__main__", None)
        collect(_YOUNG if is_all_young else _ALL)

    for step in (_wait_for_threads, atexit._run_exitfuncs, _flush, finalize):  # noqa: SLF001  there is no public name
        try:
            step()
        except SystemExit:
            continue
        except BaseException as error:  # noqa: BLE001  whatever a finalizer lets through is shown and passed over
            _show(error)
    return _flush()


def _wait_for_threads() -> None:
    threading = sys.modules.get("threading")
    if threading is not None:
        threading._shutdown()  # noqa: SLF001  what the interpreter itself calls


def _n_agings() -> int:
    return sum(generation["collections"] for generation in get_stats()[1:])


def _flush() -> bool:
    """Flush the standard streams, replaced or not, and those of C; whether nothing was lost that was to be seen."""
    failed = [name for name in (*_STREAMS, *_ORIGINAL_STREAMS) if not _is_flushed(name)]
    try:
        _flush_all_of_c()
    except OSError:
        pass  # C says nothing of it either
    return not any(name in _STREAMS for name in failed)


def _is_flushed(name: str) -> bool:
    try:
        # A program may have taken away the name.
        stream = getattr(sys, name, None)
        if stream is not None and not getattr(stream, "closed", False):
            stream.flush()
    except BaseException:  # noqa: BLE001  the program's own stream, or a full or closed pipe
        return False
    return True
