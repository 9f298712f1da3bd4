"""Runs the tests, in the process that is theirs."""

import ast
import importlib
import os
import sys
import time
import types
import unittest
from importlib.util import find_spec

# What tests find under that name in its module ends them alone.
from posix import _exit

from .asserts import CHECKS, Checks, rewrite
from .endings import TESTS_FILE, BrokenTestsError, CannotCrossError, StoppedError
from .link import ANSWERS, Link
from .needs import PROGRAM_MODULES, Needs
from .report import REPORT, Cases, Unheard, line_of, say_stopped, words_for_missing
from .standins import name_classes
from .suites import needs_pytest, run_suites

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SUCCESS = 0
_GIVEN_WAY_SECONDS = 0.006
_CUT_SHORT = "a loop over calls, which the program ended"
_SAMPLE = """
import math

METADATA = {"author": "nobody", "numbers": [1, 2.5]}

def check(candidate):
    assert candidate([1, 2], key="a") == [1, 2], "message"
    for number in range(2):
        assert abs(candidate(number) - number) < 1e-6 and not candidate(0)
    assert True == candidate(True)

check(program)
"""


def verify(source: bytes, path: str, wall_seconds: float) -> None:
    """Run these tests against the program at the other end, report, and leave the process; never returns.

    `wall_seconds` is how long the program may be waited for.
    """
    try:
        tests = _compiled(source, ast.PyCF_ONLY_AST)
    except BrokenTestsError as error:
        say_stopped(error)
    else:
        _Run(tests, source, path, wall_seconds).run()
    # Nobody need wait until this process is taken down, which takes a while and a processor.
    os.closerange(ANSWERS, REPORT + 1)
    time.sleep(_GIVEN_WAY_SECONDS)
    _exit(_SUCCESS)


def rehearse() -> None:
    """Go once through what tests go through, so that its memory is this process's own."""
    tests = _compiled(_SAMPLE, ast.PyCF_ONLY_AST)
    _Rehearsal(tests, _SAMPLE.encode(), "", 0.0).run()


def _compiled(tests: "bytes | str | ast.Module", flags: int = 0) -> "Any":
    try:
        return compile(tests, TESTS_FILE, "exec", flags, dont_inherit=True)
    except SyntaxError as error:
        place = f"line {error.lineno}: " if error.lineno else ""
        raise BrokenTestsError(f"they do not compile: {place}{error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        words = str(error) or "they are nested too deeply"
        raise BrokenTestsError(f"they do not compile: {words}") from None


class _Run:
    def __init__(self, tests: ast.Module, source: bytes, path: str, wall_seconds: float) -> None:
        self._tests = tests
        self._lines = source.decode("utf-8", "replace").split("\n")
        self._needs = Needs(tests)
        self._link = Link(wall_seconds)
        self._module = types.ModuleType("__main__")
        self._module.__file__ = path
        self._code: types.CodeType | None = None

    def run(self) -> None:
        """Run them to their end, whatever that is, and report it."""
        cases = Cases(self._link, set(self._needs.names), self._lines)
        self._link.start()
        try:
            self._prepare()
            self._run_module(cases)
            for end in self._link.swallowed():
                cases.failed(end, _CUT_SHORT)
        except StoppedError as error:
            cases.failed(error)
            self._link.stopped = self._link.stopped or error
        except BaseException as error:  # whatever tests let through ends them
            is_theirs = line_of(error.__traceback__) or isinstance(error, ModuleNotFoundError)
            if not (is_theirs or self._link.has_raised(error)):
                raise  # it is neither theirs nor the program's, but ours
            cases.failed(error)
        cases.end()

    def _prepare(self) -> None:
        if self._needs.shared is not None:
            self._look_for_packages()
            raise CannotCrossError(
                f"the tests use {self._needs.shared}, which only one process can share"
            )
        found = self._needs.chosen(self._link.names(self._needs.names, self._compile))
        name_classes(found, self._needs.classes)
        # Whatever the program says they are.
        found |= {name: importlib.import_module(name) for name in self._needs.modules & set(found)}
        vars(self._module).update(found)
        program = _Program(self._link, self._needs.classes)
        sys.modules.update({"__main__": self._module, **dict.fromkeys(PROGRAM_MODULES, program)})
        # They are run below, each as a case.
        unittest.main = lambda *_, **__: None  # type: ignore[assignment]
        os._exit = sys.exit  # type: ignore[assignment]

    def _look_for_packages(self) -> None:
        """Refuse tests for what they would not find beside the program either."""
        names = [
            name.partition(".")[0]
            for node in self._tests.body
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for name in (
                [each.name for each in node.names]
                if isinstance(node, ast.Import)
                else [node.module or "__main__"]
            )
        ]
        if needs_pytest(self._tests):
            names.append("pytest")
        for name in names:
            if name not in PROGRAM_MODULES and name not in sys.modules and find_spec(name) is None:
                raise BrokenTestsError(words_for_missing(name))

    def _run_module(self, cases: Cases) -> None:
        checks = self._execute(cases)
        checks.counts = False
        run_suites(self._module, self._tests, cases)

    def _execute(self, cases: Cases) -> Checks:
        checks = Checks(cases)
        vars(self._module)[CHECKS] = checks
        if self._code is not None:
            exec(self._code, vars(self._module))  # noqa: S102  what it is all for
        return checks

    def _compile(self) -> None:
        rewrite(self._tests)
        self._code = _compiled(self._tests)


class _Rehearsal(_Run):
    """Tests of a function that is here, whose cases nobody is told."""

    def run(self) -> None:
        """Run them."""
        self._link.rehearse()
        self._compile()
        vars(self._module)["program"] = lambda value, **_: value
        self._execute(Unheard(self._link, set(), self._lines))


class _Program(types.ModuleType):
    """The program as a module, for tests that import it."""

    def __init__(self, link: Link, classes: "frozenset[str]") -> None:
        super().__init__(PROGRAM_MODULES[0])
        self._link = link
        self._classes = classes
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        found = self._link.names([name])
        if name not in found:
            raise AttributeError(f"the program has no {name!r}")
        name_classes(found, self._classes)
        return found[name]
