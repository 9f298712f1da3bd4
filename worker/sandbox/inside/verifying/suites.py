"""Test cases that have a runner: unittest's classes, and test functions, which are pytest's where they need it."""

import ast
import inspect
import types
import unittest

from .endings import StoppedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import TracebackType
    from typing import Any

    from .asserts import Checks
    from .report import Cases

    Trace = tuple[type[BaseException], BaseException, TracebackType]


def run_suites(
    module: types.ModuleType, tests: ast.Module, cases: "Cases", checks: "Checks"
) -> None:
    """Run every test case of the module that its own code has not run.

    Raises:
        ModuleNotFoundError: some need pytest, which is not there.
    """
    checks.counts = False
    loader = unittest.defaultTestLoader
    own = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__
    ]
    for kind in own:
        if issubclass(kind, unittest.TestCase):
            loader.loadTestsFromTestCase(kind).run(_Result(cases))
    functions = {
        name: value
        for name, value in vars(module).items()
        if name.startswith("test") and isinstance(value, types.FunctionType)
    }
    # Most tests have none, and somebody waits.
    for name in _called_at_the_top(tests) if functions else ():
        functions.pop(name, None)
    classes = [
        kind
        for kind in own
        if kind.__name__.startswith("Test") and not issubclass(kind, unittest.TestCase)
    ]
    has_fixtures = any(inspect.signature(function).parameters for function in functions.values())
    if has_fixtures or classes or (functions and _imports_pytest(tests)):
        _run_pytest(module, cases)
    else:
        for name, function in functions.items():
            _run_function(name, function, cases)


class _Result(unittest.TestResult):
    def __init__(self, cases: "Cases") -> None:
        super().__init__()
        self._cases = cases

    def addSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802  unittest's own way of naming
        self._cases.passed(_name_of(test))

    def addFailure(self, test: unittest.TestCase, err: "Trace") -> None:  # type: ignore[override]  # noqa: N802
        self._cases.failed(err[1], _name_of(test))

    def addError(self, test: unittest.TestCase, err: "Trace") -> None:  # type: ignore[override]  # noqa: N802
        self._cases.failed(err[1], _name_of(test))

    def addSubTest(  # noqa: N802
        self,
        test: unittest.TestCase,
        subtest: unittest.TestCase,
        err: "Trace | None",  # type: ignore[override]
    ) -> None:
        if err is not None:
            self._cases.failed(err[1], _name_of(subtest))

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802
        self._cases.failed(AssertionError("it was expected to fail"), _name_of(test))


def _name_of(test: unittest.TestCase) -> str:
    return test.id().removeprefix("__main__.")


def _run_function(name: str, function: "Callable[[], object]", cases: "Cases") -> None:
    try:
        function()
    except StoppedError:
        raise
    except BaseException as error:  # noqa: BLE001  a test function may end by anything, and it is its own case
        cases.failed(error, name)
    else:
        cases.passed(name)


def _called_at_the_top(tests: ast.Module) -> "set[str]":
    return {
        node.func.id
        for statement in tests.body
        if not isinstance(statement, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef))
        for node in ast.walk(statement)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }


def _imports_pytest(tests: ast.Module) -> bool:
    return any(
        isinstance(node, ast.Import) and any(each.name == "pytest" for each in node.names)
        for node in ast.walk(tests)
    )


def _run_pytest(module: types.ModuleType, cases: "Cases") -> None:
    pytest = __import__("pytest")

    class InMemory(pytest.Module):  # type: ignore[name-defined,misc]
        """The module that was run already, in place of one imported from a file."""

        def _getobj(self) -> types.ModuleType:
            return module

    class Plugin:
        def pytest_pycollect_makemodule(self, module_path: object, parent: object) -> object:
            return InMemory.from_parent(parent, path=module_path)

        @pytest.hookimpl(wrapper=True)  # type: ignore[untyped-decorator]
        def pytest_runtest_makereport(
            self, item: "Any", call: "Any"
        ) -> "Generator[None, Any, object]":
            report = yield
            error = call.excinfo.value if call.excinfo else None
            name = item.nodeid.partition("::")[2]
            if isinstance(error, StoppedError):
                raise error
            if report.failed:
                cases.failed(error or AssertionError(str(report.longrepr)), name)
            elif report.when == "call" and report.passed:
                cases.passed(name)
            return report

    code = pytest.main(
        ["-q", "-p", "no:cacheprovider", "--rootdir=.", "--noconftest", module.__file__],
        plugins=[Plugin()],
    )
    # An error that a program made up can be one that pytest itself fails of, or ends by.
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        cases.failed(AssertionError(f"pytest ended with {code!r}"), "pytest")
