"""Test cases that have a runner: unittest's classes, and test functions, which are pytest's where they need it.

What runs them is imported by whoever has some: this stands in every interpreter that a program is forked from.
"""

import sys
import types

from .endings import StoppedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    import unittest
    from collections.abc import Callable, Generator
    from typing import Any, Protocol

    class Told(Protocol):
        """Whoever is told what cases came to."""

        def passed(self, name: str) -> None:
            """One was right."""

        def failed(self, error: BaseException, name: str) -> None:
            """One ended with this error."""


THEIR_OWN_END = "the tests ended themselves, and have to come to their last line"
"""What is said of tests that leave their process."""


def run_suites(module: types.ModuleType, tests: "ast.Module", cases: "Told") -> None:
    """Run every test case of the module that its own code, which is `tests`, has not run.

    Raises:
        ModuleNotFoundError: some need pytest, which is not there.
    """
    own = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__
    ]
    # Who derived a class from its own has imported it.
    unittest = sys.modules.get("unittest")
    suites = [kind for kind in own if unittest is not None and issubclass(kind, unittest.TestCase)]
    if suites:
        _run_unittest(suites, cases)
    functions = {
        name: value
        for name, value in vars(module).items()
        if name.startswith("test") and isinstance(value, types.FunctionType)
    }
    # Most tests have none, and somebody waits.
    for name in _called_at_the_top(tests) if functions else ():
        functions.pop(name, None)
    classes = [kind for kind in own if kind.__name__.startswith("Test") and kind not in suites]
    if (
        classes
        or any(map(_has_fixtures, functions.values()))
        or (functions and _imports_pytest(tests))
    ):
        _run_pytest(module, cases)
    else:
        for name, function in functions.items():
            _run_function(name, function, cases)


def needs_pytest(tests: "ast.Module") -> bool:
    """Whether some of these tests are run by pytest alone, as far as their text tells."""
    import ast

    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    plain = [
        each for each in tests.body if isinstance(each, definitions) and not each.decorator_list
    ]
    return any(
        each.name.startswith("Test") and not each.bases
        if isinstance(each, ast.ClassDef)
        else each.name.startswith("test") and bool(each.args.args)
        for each in plain
    )


def _has_fixtures(function: "Callable[..., object]") -> bool:
    import inspect

    # What `unittest.mock` patches for a function it passes in itself.
    return not hasattr(function, "patchings") and bool(inspect.signature(function).parameters)


def _run_unittest(suites: "list[Any]", cases: "Told") -> None:
    import unittest

    class Result(unittest.TestResult):
        """Passes on what becomes known."""

        def addSuccess(self, test: "unittest.TestCase") -> None:  # noqa: N802  unittest's own way of naming
            cases.passed(_name_of(test))

        def addFailure(self, test: "unittest.TestCase", err: "Any") -> None:  # noqa: N802
            cases.failed(err[1], _name_of(test))

        addError = addFailure  # noqa: N815

        def addSubTest(  # noqa: N802
            self, test: "unittest.TestCase", subtest: "unittest.TestCase", err: "Any"
        ) -> None:
            if err is not None:
                cases.failed(err[1], _name_of(subtest))

        def addUnexpectedSuccess(self, test: "unittest.TestCase") -> None:  # noqa: N802
            cases.failed(AssertionError("it was expected to fail"), _name_of(test))

    for kind in suites:
        unittest.defaultTestLoader.loadTestsFromTestCase(kind).run(Result())


def _name_of(test: "unittest.TestCase") -> str:
    return test.id().removeprefix("__main__.")


def _run_function(name: str, function: "Callable[[], object]", cases: "Told") -> None:
    try:
        function()
    except StoppedError as error:
        cases.failed(error, name)
        raise
    except BaseException as error:  # noqa: BLE001  a test function may end by anything, and it is its own case
        cases.failed(error, name)
    else:
        cases.passed(name)


def _called_at_the_top(tests: "ast.Module") -> "set[str]":
    import ast

    return {
        node.func.id
        for statement in tests.body
        if not isinstance(statement, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef))
        for node in ast.walk(statement)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }


def _imports_pytest(tests: "ast.Module") -> bool:
    import ast

    return any(
        (isinstance(node, ast.Import) and any(each.name == "pytest" for each in node.names))
        or (isinstance(node, ast.ImportFrom) and node.module == "pytest")
        for node in ast.walk(tests)
    )


def _run_pytest(module: types.ModuleType, cases: "Told") -> None:
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
            if report.failed:
                cases.failed(error or AssertionError(str(report.longrepr)), name)
            elif report.when == "call" and report.passed:
                cases.passed(name)
            if isinstance(error, StoppedError):
                raise error
            return report

    code = pytest.main(
        [
            "-p",
            "no:terminal",
            "-p",
            "no:cacheprovider",
            "--rootdir=.",
            "--noconftest",
            module.__file__,
        ],
        plugins=[Plugin()],
    )
    # An error that a program made up can be one that pytest itself fails of, or ends by.
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        cases.failed(AssertionError(f"pytest ended with {code!r}"), "pytest")
