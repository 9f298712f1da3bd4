"""Runs the suites of tests that stand in their program's own file, when its code has run."""

import types

from .suites import THEIR_OWN_END, run_suites

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    Names = dict[str, object]


class _First:
    """The first case that failed."""

    def __init__(self) -> None:
        self.error: BaseException | None = None

    def passed(self, name: str) -> None:
        """One was right."""

    def failed(self, error: BaseException, name: str) -> None:
        """One ended with this error."""
        self.error = self.error or error


class Beside:
    """Tests in the file of their program, from a line on."""

    def __init__(self, source: bytes, path: str, first_line: int) -> None:
        self._source = source
        self._path = path
        self._first_line = first_line
        if b"unittest" in source:
            import unittest

            # They are run below, and not to end the process.
            unittest.main = lambda *_, **__: None  # type: ignore[assignment]

    def failure(self, names: "Names") -> BaseException | None:
        """The error of the first test case that failed, of those among these names that the tests have not run.

        Raises:
            ModuleNotFoundError: some need pytest, which is not there.
        """
        module = types.ModuleType("__main__")
        vars(module).update(
            {name: value for name, value in names.items() if not self._is_of_the_program(value)}
        )
        first = _First()
        if any(map(_may_be_a_case, vars(module).items())):
            import ast

            tests = ast.parse(self._source)
            tests.body = [each for each in tests.body if each.lineno >= self._first_line]
            run_suites(module, tests, first)
        if isinstance(first.error, SystemExit):
            return self.own_end(first.error)
        if first.error is None:
            return None
        return first.error.with_traceback(_below(first.error.__traceback__, names))

    def own_end(self, end: SystemExit) -> BaseException:
        """What is to be shown of an end: that it was the tests', where it came from them."""
        trace = end.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        if trace is None or not self._is_of_tests(
            trace.tb_frame.f_code.co_filename, trace.tb_lineno
        ):
            return end
        return AssertionError(f"{THEIR_OWN_END}: SystemExit: {end}").with_traceback(
            end.__traceback__
        )

    def _is_of_tests(self, file: str, line: int) -> bool:
        return file == self._path and line >= self._first_line

    def _is_of_the_program(self, value: object) -> bool:
        """Whether it is a function or a class that stands in the file above the tests."""
        parts = vars(value).values() if isinstance(value, type) else (value,)
        lines = [
            each.__code__.co_firstlineno
            for each in parts
            if isinstance(each, types.FunctionType) and each.__code__.co_filename == self._path
        ]
        return any(line < self._first_line for line in lines)


def _may_be_a_case(item: "tuple[str, object]") -> bool:
    name, value = item
    if isinstance(value, type):
        return value.__module__ == "__main__"
    return name.startswith("test") and isinstance(value, types.FunctionType)


def _below(trace: "TracebackType | None", names: "Names") -> "TracebackType | None":
    """What is left of a traceback without the frames of whoever ran the case."""
    kept = trace
    while kept is not None and kept.tb_frame.f_globals is not names:
        kept = kept.tb_next
    return kept or trace
