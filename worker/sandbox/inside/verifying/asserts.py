"""Makes each `assert` of the tests say what it compared, and each one at the top level a case of its own.

Both sides of a comparison are evaluated as they stand, once and in their order. An assertion that fails raises
`AssertionError` as it did, so that tests which catch it go on as they did. At the top level the next statement follows
either way: those are independent cases, and any that failed fails the program.
"""

import ast
import operator

from .report import Cases, Mismatch, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypedDict

    class Place(TypedDict):
        """Where in the source a node stands."""

        lineno: int
        col_offset: int
        end_lineno: int | None
        end_col_offset: int | None


CHECKS = "@checks"
"""The name under which `Checks` is in the tests' scope; no source can spell it."""
_MISMATCH, _ERROR = "@mismatch", "@error"
_COMPARISONS: "dict[type[ast.cmpop], tuple[str, Callable[[Any, Any], object]]]" = {
    ast.Eq: ("==", operator.eq),
    ast.NotEq: ("!=", operator.ne),
    ast.Lt: ("<", operator.lt),
    ast.LtE: ("<=", operator.le),
    ast.Gt: (">", operator.gt),
    ast.GtE: (">=", operator.ge),
    ast.Is: ("is", operator.is_),
    ast.IsNot: ("is not", operator.is_not),
    ast.In: ("in", lambda left, right: operator.contains(right, left)),
    # codespell:ignore-next-line notin  is what `ast` calls it
    ast.NotIn: ("not in", lambda left, right: not operator.contains(right, left)),
}
_BY_SIGN = dict(_COMPARISONS.values())
_BLOCKS = ("body", "orelse", "finalbody")


class Checks:
    """What rewritten assertions call."""

    def __init__(self, cases: Cases) -> None:
        self._cases = cases
        self.counts = True
        """Whether an assertion that holds is a case of its own; not while a test function is one."""

    def compare(
        self, line: int, sign: str, is_turned: bool, left: object, right: object
    ) -> Mismatch | None:
        """What does not hold of two values, None where it holds; `is_turned` where the left one is what is expected."""
        holds = bool(_BY_SIGN[sign](left, right))
        if holds and not self.counts:
            return None
        expected, actual = (left, right) if is_turned else (right, left)
        words = shown(expected) if sign == "==" else f"{sign} {shown(expected)}"
        return self._outcome(holds, Mismatch(line, words, shown(actual)))

    def look(self, line: int, value: object) -> Mismatch | None:
        """What does not hold of a value that has to be true."""
        holds = bool(value)
        if holds and not self.counts:
            return None
        return self._outcome(holds, Mismatch(line, None, shown(value)))

    def failure(self, mismatch: Mismatch, *message: object) -> AssertionError:
        """The error of an assertion that does not hold."""
        error = AssertionError(*message)
        vars(error)["_promptmill_mismatch"] = mismatch
        return error

    def crashed(self, error: Exception) -> None:
        """A case at the top level that ended with an error."""
        self._cases.failed(error)

    def _outcome(self, holds: bool, compared: Mismatch) -> Mismatch | None:
        if not holds:
            return compared
        self._cases.passed(self._cases.at(compared.line), compared.expected, compared.actual)
        return None


def rewrite(tests: ast.Module) -> None:
    """Rewrite every `assert` of these tests."""
    body: list[ast.stmt] = []
    for old in tests.body:
        new = list(_rewritten([old]))
        body += [_caught(new, old)] if isinstance(old, ast.Assert) else new
    tests.body = body


def _rewritten(block: "list[ast.stmt]") -> "Iterator[ast.stmt]":
    for statement in block:
        if isinstance(statement, ast.Assert):
            yield _checked(statement)
            continue
        inner = [statement, *getattr(statement, "handlers", ()), *getattr(statement, "cases", ())]
        for holder in inner:
            for name in _BLOCKS:
                lines = getattr(holder, name, None)
                if lines:
                    setattr(holder, name, list(_rewritten(lines)))
        yield statement


def _checked(node: ast.Assert) -> ast.stmt:
    at = _place(node)
    line = ast.Constant(node.lineno, **at)
    match node.test:
        case ast.Compare(left=left, ops=[sign], comparators=[right]):
            word = _COMPARISONS[type(sign)][0]
            is_turned = word == "==" and not _calls(left) and _calls(right)
            seen = [line, ast.Constant(word, **at), ast.Constant(is_turned, **at), left, right]
            looked = _call("compare", seen, at)
        case value:
            looked = _call("look", [line, value], at)
    found = ast.NamedExpr(ast.Name(_MISMATCH, ast.Store(), **at), looked, **at)
    told: list[ast.expr] = [
        ast.Name(_MISMATCH, ast.Load(), **at),
        *([node.msg] if node.msg is not None else []),
    ]
    return ast.If(found, [ast.Raise(_call("failure", told, at), None, **at)], [], **at)


def _caught(lines: "list[ast.stmt]", node: ast.stmt) -> ast.stmt:
    at = _place(node)
    crashed = ast.Expr(_call("crashed", [ast.Name(_ERROR, ast.Load(), **at)], at), **at)
    handler = ast.ExceptHandler(ast.Name("Exception", ast.Load(), **at), _ERROR, [crashed], **at)
    return ast.Try(lines, [handler], [], [], **at)


def _calls(expression: ast.expr) -> bool:
    return any(isinstance(node, ast.Call) for node in ast.walk(expression))


def _call(name: str, arguments: "list[ast.expr]", at: "Place") -> ast.Call:
    checks = ast.Name(CHECKS, ast.Load(), **at)
    return ast.Call(ast.Attribute(checks, name, ast.Load(), **at), arguments, [], **at)


def _place(node: ast.stmt) -> "Place":
    return {
        "lineno": node.lineno,
        "col_offset": node.col_offset,
        "end_lineno": node.end_lineno,
        "end_col_offset": node.end_col_offset,
    }
