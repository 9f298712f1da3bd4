"""What tests need of a program, found by reading them: its names, and whether anything but calls."""

import ast
import builtins

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
        nodes = list(ast.walk(tests))
        loaded = {
            node.id
            for node in nodes
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        }
        self.names = sorted(loaded - _bound_at_the_top(tests))
        """What the program may have to bring, built-in names included: a program may define a `sum` that is tested."""
        self.shared = next((what for node in nodes if (what := _shared(node))), None)
        """What only one process can give, None where messages do."""

    def chosen(self, found: "dict[str, object]") -> "dict[str, object]":
        """Of what the program has, what the tests are given.

        A name that is built in is the program's only where the tests ask it for no other: else a program could bring
        an `abs` or an `all` of its own, and they would reckon with it.
        """
        own = {name: value for name, value in found.items() if name not in _BUILTINS}
        return own if any(callable(value) for value in own.values()) else found


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


def _shared(node: ast.AST) -> str | None:
    match node:
        case ast.Import(names=names):
            return next((f"import {each.name}" for each in names if each.name in _MODULES), None)
        case ast.ImportFrom(module=str(module), names=names):
            of_unittest = module == "unittest" and any(each.name == "mock" for each in names)
            return f"from {module} import …" if module in _MODULES or of_unittest else None
        case ast.Name(id=name) | ast.arg(arg=name):
            return name if name in _NAMES else None
        case ast.Attribute(value=ast.Name(id="os"), attr=name):
            return None if name in _OF_PATHS else f"os.{name}"
        case ast.Attribute(value=ast.Name(id=module), attr=name):
            return f"{module}.{name}" if name in _ATTRIBUTES.get(module, ()) else None
        case ast.Attribute(value=ast.Attribute(attr="random"), attr="seed"):
            return "random.seed"
        case _:
            return None
