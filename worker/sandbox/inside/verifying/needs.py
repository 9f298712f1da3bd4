"""What tests need of a program, found by reading them: its names, and whether anything but calls."""

import ast
import builtins

from .words import OWN_MODULES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

_BUILTINS = frozenset(dir(builtins))
PROGRAM_MODULES = ("program", "solution")
"""Names under which tests may import the program."""
# State that a program and its tests share only in one process: its source, its streams, its files, its random numbers,
# its warnings and logs, its threads. By module, whole or by name.
_WHOLE_MODULES = frozenset(
    (
        "inspect", "unittest.mock", "mock", "tempfile", "shutil", "subprocess", "pathlib", "gc", "importlib", "dis",
        "warnings", "threading", "concurrent", "multiprocessing", "signal", "resource", "ctypes", "logging", "builtins",
        "_thread",
    )
)  # fmt: skip
_PARTS = {
    "sys": frozenset(
        ("stdin", "stdout", "stderr", "argv", "modules", "setrecursionlimit", "settrace", "setprofile",
         "set_int_max_str_digits", "path")
    ),
    "random": frozenset(("seed", "setstate")),
    "numpy.random": frozenset(("seed", "set_state")),
    "unittest": frozenset(("mock",)),
    "contextlib": frozenset(("redirect_stdout", "redirect_stderr", "chdir")),
    "decimal": frozenset(("getcontext", "setcontext", "localcontext")),
    "pytest": frozenset(("warns", "deprecated_call")),
    "locale": frozenset(("setlocale",)),
}  # fmt: skip
# Names that mean one of these wherever they stand: built in, a fixture of pytest's, or a method of unittest's.
_NAMES = frozenset(
    (
        "open", "eval", "exec", "globals", "locals", "vars", "dir", "patch", "monkeypatch", "capsys", "capfd",
        "capsysbinary", "caplog", "recwarn", "tmp_path", "tmpdir", "assertWarns", "assertWarnsRegex", "assertLogs",
        "assertNoLogs", "get_type_hints", "asdict", "astuple", "__doc__", "__annotations__", "__dict__", "__mro__",
    )
)  # fmt: skip
# Errors that end a program of its own, where its tests are not beside it to catch them.
_ENDS = frozenset(("SystemExit", "KeyboardInterrupt"))
# Built-in functions that are given a value and not a function.
_OF_VALUES = frozenset(
    ("len", "sorted", "sum", "list", "tuple", "set", "dict", "str", "repr", "max", "min", "any", "all", "reversed")
)  # fmt: skip
# What each of two processes has of `os`; tests that end themselves end only themselves.
_OF_BOTH = frozenset(("path", "sep", "linesep", "fspath", "_exit"))
# Attributes that plain values have as well tell of no class.
_PLAIN = (str, bytes, bytearray, list, tuple, dict, set, frozenset, int, float, complex, range)
_PLAIN_ATTRIBUTES = frozenset(name for kind in _PLAIN for name in dir(kind))


class Needs:
    """What one body of tests needs."""

    def __init__(self, tests: ast.Module) -> None:
        nodes = list(_every_node(tests))
        uses = _Uses(nodes)
        self.classes = uses.classes
        """Names that the tests use as those of classes, which is theirs to say and not the program's."""
        self.modules = OWN_MODULES & uses.asked - uses.called
        """Names that they use as those of modules which they have, too."""
        self.names = sorted(
            name for name in uses.loaded - _bound_at_the_top(tests) if not name.startswith("__")
        )
        """What the program may have to bring, built-in names included: a program may define a `sum` that is tested."""
        others = set(self.names) - _BUILTINS - self.modules - uses.local
        self._may_be_built_in = not others
        variables = sorted((others & uses.values) - uses.called - self.classes)
        shared = [*uses.shared, *(f"the program's variable {name}" for name in variables)]
        self.shared = shared[0] if shared else None
        """What only one process can give, None where messages do."""

    def chosen(self, found: "dict[str, object]") -> "dict[str, object]":
        """Of what the program has, what the tests are given.

        A name that is built in is the program's only where the tests ask it for no other: else a program could bring an
        `abs` or an `all` of its own, and they would reckon with it.
        """
        return {
            name: value
            for name, value in found.items()
            if self._may_be_built_in or name not in _BUILTINS
        }


class _Uses:
    """What is done with names."""

    def __init__(self, nodes: "list[ast.AST]") -> None:
        self.loaded: set[str] = set()
        self.local: set[str] = set()
        """Those that are bound somewhere: parameters, variables."""
        self.asked: set[str] = set()
        """Those whose attributes are asked for."""
        self.called: set[str] = set()
        self.values: set[str] = set()
        """Those that are compared, reckoned with or looked into: what changes in the program would not change here."""
        self.types: set[str] = set()
        """Those that are asked for as a type, or for attributes of what their call makes."""
        self.shared: list[str] = []
        self._made: list[tuple[str, str]] = []
        self._modules: dict[str, str] = {}
        self._attributes: list[ast.Attribute] = []
        for node in nodes:
            look = _LOOKS.get(type(node))
            if look is not None:
                look(self, node)
        for attribute in self._attributes:
            self._part(attribute)

    @property
    def classes(self) -> "frozenset[str]":
        """Those that are used as classes are."""
        made = {name for variable, name in self._made if variable in self.asked}
        return frozenset(self.types | self.asked | made)

    def name(self, node: ast.Name) -> None:
        """A name by itself."""
        (self.loaded if isinstance(node.ctx, ast.Load) else self.local).add(node.id)
        if node.id in _NAMES:
            self.shared.append(node.id)

    def parameter(self, node: ast.arg) -> None:
        """A parameter, which may be a fixture."""
        self.local.add(node.arg)
        if node.arg in _NAMES:
            self.shared.append(node.arg)

    def imported(self, node: ast.Import) -> None:
        """`import module as name`."""
        for each in node.names:
            top = each.name.partition(".")[0]
            self._modules[each.asname or top] = each.name if each.asname else top
            if _is_shared_whole(each.name):
                self.shared.append(f"import {each.name}")

    def imported_from(self, node: ast.ImportFrom) -> None:
        """`from module import name`."""
        module = node.module or ""
        names = {each.name for each in node.names}
        of_os = module == "os" and not names <= _OF_BOTH
        if _is_shared_whole(module) or of_os or names & _PARTS.get(module, frozenset()):
            self.shared.append(f"from {module} import {', '.join(sorted(names))}")

    def attribute(self, node: ast.Attribute) -> None:
        """`value.name`; of what module is known when all imports are."""
        self._attributes.append(node)
        if node.attr in _PLAIN_ATTRIBUTES:
            return
        match node.value:
            case ast.Call(func=ast.Name(id=name)):
                self.types.add(name)
            case ast.Name(id=name) | ast.Attribute(attr=name):
                self.asked.add(name)
            case _:
                pass

    def call(self, node: ast.Call) -> None:
        """`name(…)`."""
        self._expected(*node.args)
        if not isinstance(node.func, ast.Name):
            return
        name = node.func.id
        self.called.add(name)
        if name in _OF_VALUES:
            self._used(*node.args)
        elif name in ("isinstance", "issubclass") and len(node.args) > 1:
            kinds = ast.walk(node.args[1])
            self.types |= {each.id for each in kinds if isinstance(each, ast.Name)}

    def handler(self, node: ast.ExceptHandler) -> None:
        """`except kind`."""
        self._expected(*([node.type] if node.type else ()))

    def _expected(self, *kinds: ast.expr) -> None:
        for kind in kinds:
            alternatives = kind.elts if isinstance(kind, ast.Tuple) else [kind]
            names = [each.id for each in alternatives if isinstance(each, ast.Name)]
            self.shared += [name for name in names if name in _ENDS]

    def compare(self, node: ast.Compare) -> None:
        """`left < right`."""
        self._used(node.left, *node.comparators)

    def reckon(self, node: ast.BinOp) -> None:
        """`left + right`."""
        self._used(node.left, node.right)

    def look_into(self, node: ast.Subscript) -> None:
        """`value[key]`, which an annotation may be as well."""
        if not isinstance(node.slice, (ast.Name, ast.Tuple)):
            self._used(node.value)

    def check(self, node: "ast.Assert | ast.If") -> None:
        """`assert value`, `if value`."""
        self._used(node.test)

    def _used(self, *values: ast.expr) -> None:
        self.values |= {each.id for each in values if isinstance(each, ast.Name)}

    def assign(self, node: ast.Assign) -> None:
        """`variable = name(…)`."""
        target, value = node.targets[0], node.value
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
            if isinstance(target, ast.Name):
                self._made.append((target.id, value.func.id))
            elif isinstance(target, ast.Attribute):
                self._made.append((target.attr, value.func.id))

    def _part(self, node: ast.Attribute) -> None:
        module = self._module(node.value)
        is_replaced = not isinstance(node.ctx, ast.Load) and (module == "os" or module in _PARTS)
        if is_replaced or node.attr in _NAMES or node.attr in _PARTS.get(module, frozenset()):
            self.shared.append(f"{module}.{node.attr}" if module else node.attr)
        elif module == "os" and node.attr not in _OF_BOTH:
            self.shared.append(f"os.{node.attr}")

    def _module(self, value: ast.expr) -> str:
        """The module that an expression stands for, empty where it stands for none."""
        match value:
            case ast.Name(id=name):
                return self._modules.get(name, name if name in _PARTS or name == "os" else "")
            case ast.Attribute(value=inner, attr=name):
                module = self._module(inner)
                return f"{module}.{name}" if module else ""
            case _:
                return ""


_LOOKS: "dict[type, Callable[[_Uses, Any], None]]" = {
    ast.Name: _Uses.name,
    ast.arg: _Uses.parameter,
    ast.Import: _Uses.imported,
    ast.ImportFrom: _Uses.imported_from,
    ast.Attribute: _Uses.attribute,
    ast.Call: _Uses.call,
    ast.ExceptHandler: _Uses.handler,
    ast.Assign: _Uses.assign,
    ast.Compare: _Uses.compare,
    ast.BinOp: _Uses.reckon,
    ast.Subscript: _Uses.look_into,
    ast.Assert: _Uses.check,
    ast.If: _Uses.check,
}


def _is_shared_whole(module: str) -> bool:
    return module in _WHOLE_MODULES or module.partition(".")[0] in _WHOLE_MODULES


def _bound_at_the_top(tests: ast.Module) -> "set[str]":
    bound: set[str] = set()
    for node in tests.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            bound.add(node.name)
        elif isinstance(node, ast.Import):
            bound |= {(each.asname or each.name).partition(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            bound |= {each.asname or each.name for each in node.names}
        elif isinstance(node, ast.Assign):
            bound |= {
                each.id
                for target in node.targets
                for each in ast.walk(target)
                if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
            }
    return bound


def _every_node(tests: ast.Module) -> "Iterator[ast.AST]":
    # What `ast.walk` does, in a third of its time: somebody waits.
    todo: list[ast.AST] = [tests]
    while todo:
        node = todo.pop()
        yield node
        for value in vars(node).values():
            if type(value) is list:
                todo += [each for each in value if isinstance(each, ast.AST)]
            elif isinstance(value, ast.AST):
                todo.append(value)
