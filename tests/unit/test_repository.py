"""The repository keeps the promises that no tool of `make lint` can hold."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.requiring import require

_REPOSITORY = Path(__file__).parents[2]
_PACKAGES = ("config", "jobs", "worker")
_MOST_LINES = 400

# As patterns, or this file would be the first to name one.
_REGISTRY = re.compile(rb"pypi[.]org|python[h]osted|registry[.]npmjs|deb[.]debian")
_SOMEBODYS_PATH = re.compile(rf"/(?:home|Users)/[a-z]+/|{re.escape(str(_REPOSITORY))}/")


def _tracked_files() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=_REPOSITORY, capture_output=True, check=False
    )
    require("a git checkout", available=listing.returncode == 0)
    paths = (_REPOSITORY / name for name in listing.stdout.decode().split("\0") if name)
    return [path for path in paths if path.is_file()]


def _python_files(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    for folder in folders:
        for path in sorted((_REPOSITORY / folder).rglob("*.py")):
            yield str(path.relative_to(_REPOSITORY)), ast.parse(path.read_text())


def _imported_names(tree: ast.Module) -> Iterator[str]:
    """Every module named by an import; `from .x import y` gives nothing."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


def test_no_file_names_a_registry() -> None:
    """Whoever installs from a mirror, or offline, must not be sent to a host that we chose."""
    named = [
        f"{path.relative_to(_REPOSITORY)}: {match.group().decode()}"
        for path in _tracked_files()
        for match in _REGISTRY.finditer(path.read_bytes())
    ]
    assert named == []


def test_no_file_holds_a_path_of_one_machine() -> None:
    """A path of its author's machine works for its author alone."""
    found = [
        f"{path.relative_to(_REPOSITORY)}: {match.group()}"
        for path in _tracked_files()
        for match in _SOMEBODYS_PATH.finditer(path.read_text(errors="replace"))
    ]
    assert found == []


def test_no_module_is_longer_than_a_reader_can_hold() -> None:
    """A long module is two modules that nobody has parted yet."""
    lengths = {
        str(path.relative_to(_REPOSITORY)): len(path.read_text().splitlines())
        for path in _tracked_files()
        if path.suffix == ".py"
    }
    assert {name: n for name, n in lengths.items() if n > _MOST_LINES} == {}


def test_our_packages_are_never_imported_by_their_bare_names() -> None:
    """`import jobs` would take the best name for a local variable, and the first one would hide the package."""
    # The guard in worker/__init__.py names them, but as strings.
    bare = [
        name
        for name, tree in _python_files(*_PACKAGES)
        for node in ast.walk(tree)
        if isinstance(node, ast.Import) and {alias.name for alias in node.names} & set(_PACKAGES)
    ]
    assert bare == []


def test_every_error_a_person_is_told_is_in_the_tree_of_its_package() -> None:
    """Whoever looks for what a command may end with reads the pages that draw it, and no other file."""
    families: dict[str, set[str]] = {
        node.name: {base.id for base in node.bases if isinstance(base, ast.Name)}
        for _, tree in _python_files(*_PACKAGES)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }

    def is_told(name: str) -> bool:
        return name == "PromptmillError" or any(map(is_told, families.get(name, ())))

    homes = {
        (node.name, name)
        for name, tree in _python_files(*_PACKAGES)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and is_told(node.name)
    }
    assert len(homes) > 15
    assert {error: home for error, home in homes if Path(home).name != "errors.py"} == {}


def test_the_inside_of_the_sandbox_needs_only_the_standard_library() -> None:
    """It runs without site-packages; an import it cannot have would break every run."""
    folder = _REPOSITORY / "worker" / "sandbox" / "inside"
    siblings = {path.stem for path in folder.glob("*.py")}
    foreign = {
        f"{name}: {imported}"
        for name, tree in _python_files(str(folder.relative_to(_REPOSITORY)))
        for imported in _imported_names(tree)
        if imported.split(".")[0] not in sys.stdlib_module_names | siblings
    }
    assert siblings
    assert foreign == set()


def test_every_test_says_why_anyone_cares() -> None:
    """When a test fails years later, its reason decides whether the code or the test is wrong."""
    silent = [
        f"{name}: {node.name}"
        for name, tree in _python_files("tests")
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert silent == []


@pytest.mark.parametrize("folder", _PACKAGES)
def test_every_package_tells_type_checkers_that_it_is_typed(folder: str) -> None:
    """Without the mark a script's own mypy takes everything of ours for `Any`."""
    assert (_REPOSITORY / folder / "py.typed").is_file()


def test_tests_are_skipped_in_one_place() -> None:
    """A skip that CI cannot turn into a failure proves nothing and is missed by nobody."""
    skipping = {
        name
        for name, tree in _python_files("tests")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in {"skip", "skipif", "importorskip"}
    }
    assert skipping == {"tests/requiring.py"}
