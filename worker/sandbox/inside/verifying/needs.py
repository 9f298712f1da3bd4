"""What tests need of a program, found by reading them: its names, and whether anything but calls."""

import ast
import builtins

from .words import OWN_MODULES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BUILTINS = frozenset(dir(builtins))
PROGRAM_MODULES = ("program", "solution")
"""Names under which tests may import the program."""
# State that a program and its tests share only in one process: its source, its streams, its files, its random numbers.
_MODULES = frozenset(
    (
        "inspect",
        "unittest.mock",
        "mock",
        "tempfile",
        "shutil",
        "subprocess",
        "pathlib",
        "gc",
        "importlib",
        "dis",
    )
)
_NAMES = frozenset(
    (
        "open",
        "patch",
        "monkeypatch",
        "capsys",
        "capfd",
        "capsysbinary",
        "tmp_path",
        "tmpdir",
        "redirect_stdout",
        "redirect_stderr",
    )
)
_ATTRIBUTES = {
    "sys": frozenset(
        ("stdin", "stdout", "stderr", "argv", "modules", "setrecursionlimit", "settrace", "setprofile", "exit",
         "set_int_max_str_digits", "path")
    ),
    "random": frozenset(("seed", "setstate")),
    "unittest": frozenset(("mock",)),
}  # fmt: skip
_OF_PATHS = frozenset(("path", "sep", "linesep", "fspath"))


class Needs:
    """What one body of tests needs."""

    def __init__(self, tests: ast.Module) -> None:
        loaded: set[str] = set()
        shared: list[str] = []
        nodes = list(_every_node(tests))
        for node in nodes:
            if isinstance(node, ast.Name) and type(node.ctx) is ast.Load:
                loaded.add(node.id)
            look = _SHARED.get(type(node))
            if look is not None:
                shared += look(node)
        uses = _Uses(nodes)
        self.classes = uses.classes
        """Names that the tests use as those of classes, which is theirs to say and not the program's."""
        self.modules = OWN_MODULES & uses.asked - uses.called
        """Names that they use as those of modules which they have, too."""
        self.names = sorted(loaded - _bound_at_the_top(tests))
        """What the program may have to bring, built-in names included: a program may define a `sum` that is tested."""
        self.shared = shared[0] if shared else None
        """What only one process can give, None where messages do."""

    def chosen(self, found: "dict[str, object]") -> "dict[str, object]":
        """Of what the program has, what the tests are given.

        A name that is built in is the program's only where the tests ask it for no other: else a program could bring
        an `abs` or an `all` of its own, and they would reckon with it.
        """
        own = {name: value for name, value in found.items() if name not in _BUILTINS}
        return own if any(callable(value) for value in own.values()) else found


class _Uses:
    """What is done with names."""

    def __init__(self, nodes: "list[ast.AST]") -> None:
        self.asked: set[str] = set()
        """Those whose attributes are asked for."""
        self.called: set[str] = set()
        self.types: set[str] = set()
        """Those that are asked for as a type, or for attributes of what their call makes."""
        self._made: list[tuple[str, str]] = []
        for node in nodes:
            if isinstance(node, ast.Attribute):
                self._attribute(node.value)
            elif isinstance(node, ast.Call):
                self._call(node)
            elif isinstance(node, ast.Assign):
                self._assign(node.targets[0], node.value)

    @property
    def classes(self) -> "frozenset[str]":
        """Those that are used as classes are."""
        made = {name for variable, name in self._made if variable in self.asked}
        return frozenset(self.types | self.asked | made)

    def _attribute(self, value: ast.expr) -> None:
        match value:
            case ast.Call(func=ast.Name(id=name)):
                self.types.add(name)
            case ast.Name(id=name) | ast.Attribute(attr=name):
                self.asked.add(name)
            case _:
                pass

    def _call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name):
            self.called.add(node.func.id)
            if node.func.id in ("isinstance", "issubclass") and len(node.args) > 1:
                kinds = ast.walk(node.args[1])
                self.types |= {each.id for each in kinds if isinstance(each, ast.Name)}

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
            if isinstance(target, ast.Name):
                self._made.append((target.id, value.func.id))
            elif isinstance(target, ast.Attribute):
                self._made.append((target.attr, value.func.id))


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
                if isinstance(each, ast.Name)
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


def _of_import(node: ast.Import) -> "list[str]":
    return [f"import {each.name}" for each in node.names if each.name in _MODULES]


def _of_import_from(node: ast.ImportFrom) -> "list[str]":
    is_mock = node.module == "unittest" and any(each.name == "mock" for each in node.names)
    return [f"from {node.module} import …"] if is_mock or node.module in _MODULES else []


def _of_name(node: ast.Name) -> "list[str]":
    return [node.id] if node.id in _NAMES else []


def _of_parameter(node: ast.arg) -> "list[str]":
    return [node.arg] if node.arg in _NAMES else []


def _of_attribute(node: ast.Attribute) -> "list[str]":
    match node.value:
        case ast.Name(id="os"):
            return [] if node.attr in _OF_PATHS else [f"os.{node.attr}"]
        case ast.Name(id=module):
            return [f"{module}.{node.attr}"] if node.attr in _ATTRIBUTES.get(module, ()) else []
        case ast.Attribute(attr="random") if node.attr == "seed":
            return ["random.seed"]
        case _:
            return []


_SHARED: "dict[type, Callable[..., list[str]]]" = {
    ast.Import: _of_import,
    ast.ImportFrom: _of_import_from,
    ast.Name: _of_name,
    ast.arg: _of_parameter,
    ast.Attribute: _of_attribute,
}
