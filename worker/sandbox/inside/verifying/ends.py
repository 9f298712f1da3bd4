"""Tells a StopIteration of the program's that cut a loop of the tests short.

Theory of operation. `all(map(function, rows))` takes a StopIteration of the function's for the end of the rows: tests
would pass of which none was run. An error that Python code catches, or that ends a program, has in its traceback the
frame that caught it. One that goes no further than to a frame that does not catch there was taken for an end by whoever
called that frame, which is the interpreter itself. Until 3.12 frames that hand an error on are added when it is caught:
then it goes no further than to where it was raised.
"""

import inspect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

_GENERATORS = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


def is_swallowed(error: StopIteration, raises: "CodeType") -> bool:
    """Whether nothing written in Python has caught it, though it is over; `raises` is the code that raised it."""
    import dis  # few tests come here

    reached = error.__traceback__
    if reached is None:
        return False
    code = reached.tb_frame.f_code
    if code is raises:
        return True
    if code.co_flags & _GENERATORS:
        # It left as a RuntimeError (PEP 479).
        return False
    entries = dis.Bytecode(code).exception_entries  # type: ignore[attr-defined]  # no stub has it
    return not any(entry.start <= reached.tb_lasti < entry.end for entry in entries)
