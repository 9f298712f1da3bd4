"""Reads Python tests and checkers without running them, and says what makes them useless whatever the program is."""

import ast
import sys
import warnings
from collections.abc import Iterator

_HOLDERS = (ast.stmt, ast.excepthandler, ast.match_case)
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

# What tests that are run in a program's place may import it as.
_PROGRAM = frozenset(("program", "solution"))
# Runners of tests, which are run in any case, and what does nothing to a program.
_RUNNERS = frozenset((("unittest", "main"), ("pytest", "main")))
_ENDS = frozenset((("sys", "exit"), ("os", "_exit")))
_ROOTS = frozenset(("TestCase", "IsolatedAsyncioTestCase"))
# By these a name may come into being that stands nowhere.
_BINDERS = frozenset(("exec", "globals", "setattr", "vars"))


def fault_of(tests: str) -> str | None:
    """Why no program could ever be judged by these tests; None where it cannot be told for certain."""
    tree = _tree_of(tests)
    if isinstance(tree, str):
        return f"they do not compile: {tree}"
    modules = set(_modules(tree))
    for statement in tree.body:
        if _ends_the_process(statement, modules):
            return f"line {statement.lineno} ends them for every program, and tests have to come to their last line"
    own = {each.name for each in tree.body if isinstance(each, _Definition)}
    if any(
        _can_fail(node, modules) or _brings_more(node, own) or _calls_others(node, own)
        for node in _reached(tree)
    ):
        return None
    return "they hold no case: nothing that is run of them calls the program or asserts anything"


def fault_of_checker(source: str, function: str) -> str | None:
    """Why no output could ever be judged by this checker's `function`; None where it cannot be told for certain."""
    tree = _tree_of(source)
    if isinstance(tree, str):
        return f"it does not compile: {tree}"
    if any(_may_bind(node, function) for node in ast.walk(tree)):
        return None
    return f"it has no function `{function}`, which is what is asked"


def _tree_of(source: str) -> ast.Module | str:
    """What it consists of, or why it does not compile."""
    try:
        # What an interpreter only warns of is nobody's concern here.
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(source)
            compile(tree, "tests", "exec", dont_inherit=True)
    except SyntaxError as error:
        place = f"line {error.lineno}: " if error.lineno else ""
        return f"{place}{error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return str(error) or "nested too deeply"
    return tree


def _may_bind(node: ast.AST, name: str) -> bool:
    """Whether something may be called so by it, wherever it stands."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return node.name == name
        case ast.alias():
            return node.name == "*" or (node.asname or node.name.partition(".")[0]) == name
        case ast.Name(ctx=ast.Store()):
            return node.id == name
        case ast.Name():
            return node.id in _BINDERS
        case _:
            return False


def _modules(tree: ast.Module) -> Iterator[str]:
    """Names under which modules are imported, but for the program's own."""
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            tops = {each.asname or each.name.partition(".")[0] for each in node.names}
            yield from tops - _PROGRAM


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Every statement, and nothing of expressions, which in tests may be a megabyte of values."""
    todo: list[ast.AST] = [tree]
    while todo:
        inner = [each for each in ast.iter_child_nodes(todo.pop()) if isinstance(each, _HOLDERS)]
        todo += inner
        yield from inner


def _ends_the_process(statement: ast.stmt, modules: set[str]) -> bool:
    match statement:
        case ast.Raise(exc=ast.Name(id="SystemExit") | ast.Call(func=ast.Name(id="SystemExit"))):
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=module), attr=name))):
            return module in modules and (module, name) in _ENDS
        case _:
            return False


def _reached(tree: ast.Module) -> Iterator[ast.AST]:
    """Every node of what would be run: what stands at the top, what runners look for, and what either names."""
    definitions: dict[str, list[_Definition]] = {}
    todo: list[ast.AST] = []
    for statement in tree.body:
        if isinstance(statement, _Definition) and not _is_looked_for(statement):
            definitions.setdefault(statement.name, []).append(statement)
        else:
            todo.append(statement)
    while todo:
        for node in ast.walk(todo.pop()):
            yield node
            if isinstance(node, ast.Name):
                todo += definitions.pop(node.id, [])


def _is_looked_for(node: _Definition) -> bool:
    """Whether a runner of tests would run it, or whoever decorates it might."""
    if node.decorator_list:
        return True
    if not isinstance(node, ast.ClassDef):
        return node.name.startswith("test")
    if node.keywords or not _ROOTS.issuperset(_bases(node)):
        return True
    return any(
        isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name.startswith("test")
        for each in node.body
    )


def _can_fail(node: ast.AST, modules: set[str]) -> bool:
    """Whether a program could make it fail, calls aside."""
    match node:
        case ast.Assert() | ast.Raise() | ast.Await() | ast.With() | ast.AsyncWith():
            return True
        case ast.Attribute(value=ast.Name(id=name)):
            return name not in modules
        case ast.Attribute():
            return True
        case _:
            return False


def _brings_more(node: ast.AST, own: set[str]) -> bool:
    """Whether cases may come by it that stand elsewhere, or the program itself."""
    match node:
        case ast.Import(names=names):
            return any(each.name.partition(".")[0] in _PROGRAM for each in names)
        case ast.ImportFrom(module=module):
            return (module or "").partition(".")[0] not in sys.stdlib_module_names
        case ast.ClassDef():
            return not own.union(_ROOTS).issuperset(_bases(node))
        case _:
            return False


def _calls_others(node: ast.AST, own: set[str]) -> bool:
    """Whether it calls something that is neither the tests' own, whose body is looked at, nor a runner of tests."""
    match node:
        case ast.Call(func=ast.Name(id=name)):
            return name != "print" and name not in own
        case ast.Call(func=ast.Attribute(value=ast.Name(id=module), attr=name)):
            return (module, name) not in _RUNNERS
        case ast.FunctionDef(decorator_list=[_, *_]) | ast.ClassDef(decorator_list=[_, *_]):
            return any(isinstance(each, ast.Name) for each in node.decorator_list)
        case _:
            return isinstance(node, ast.Call)


def _bases(node: ast.ClassDef) -> list[str]:
    return [ast.unparse(base).rpartition(".")[2] for base in node.bases]
