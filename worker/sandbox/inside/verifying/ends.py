"""Tells a StopIteration of the program's that cut a loop of the tests short.

Theory of operation. `all(map(function, rows))` takes a StopIteration of the function's for the end of the rows: tests
would pass of which none was run. An error that Python code catches, or that ends a program, has in its traceback the
frame that caught it. One that goes no further than to a frame that does not catch there was taken for an end by whoever
called that frame, which is the interpreter itself. Until 3.12 frames that hand an error on are added when it is caught:
then it goes no further than to where it was raised.

What cannot be told apart passes for caught: a frame with a `try` or `with` around the place that lets this error
through, and a `__next__` of the tests' own, for which it is the way to end.
"""

import dis
import functools
import inspect

from .endings import TESTS_FILE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType

_GENERATORS = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


def is_swallowed(error: StopIteration, raises: "CodeType") -> bool:
    """Whether nothing written in Python has caught it, though it is over; `raises` is the code that raised it."""
    reached = error.__traceback__
    if reached is None:
        return False
    code = reached.tb_frame.f_code
    if code is raises:
        return True
    if code.co_flags & _GENERATORS:
        # It left as a RuntimeError (PEP 479).
        return False
    return not any(start <= reached.tb_lasti < end for start, end in _watched(code))


def is_within_a_next(frame: "FrameType | None") -> bool:
    """Whether the tests' innermost frame is a `__next__`."""
    while frame is not None and frame.f_code.co_filename != TESTS_FILE:
        frame = frame.f_back
    return frame is not None and frame.f_code.co_name == "__next__"


@functools.cache
def _watched(code: "CodeType") -> "list[tuple[int, int]]":
    """Where in it an error is caught, or looked at on its way."""
    entries = dis.Bytecode(code).exception_entries  # type: ignore[attr-defined]  # no stub has it
    return [(entry.start, entry.end) for entry in entries]
