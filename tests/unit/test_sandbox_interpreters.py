"""Finding interpreters, and missing them."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.languages import Language
from worker.sandbox import (
    FoundInterpreter,
    InterpreterMissingError,
    MissingInterpreter,
    find_interpreter,
    interpreters,
)
from worker.sandbox.interpreters import find_tool, readable_paths


@pytest.fixture
def empty_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A PATH on which nothing is."""
    monkeypatch.setenv("PATH", str(tmp_path))
    find_tool.cache_clear()
    yield tmp_path
    find_tool.cache_clear()


def test_an_interpreter_that_only_its_owner_can_reach_is_passed_over(empty_path: Path) -> None:
    """Root gives its programs to another user, who could not start it."""
    if Path("/usr/bin/node").exists() or Path("/usr/local/bin/node").exists():
        assert find_interpreter(Language.JAVASCRIPT, for_everybody=True).is_absolute()
        return
    private = empty_path / "node"
    private.write_text("")
    private.chmod(0o700)
    with pytest.raises(InterpreterMissingError) as caught:
        find_interpreter(Language.JAVASCRIPT, for_everybody=True)
    assert str(private) in caught.value.facts["passed over"]
    assert caught.value.fixes == ("apt-get install nodejs",)


def test_python_is_always_found() -> None:
    """We run under one."""
    found = {each.language: each for each in interpreters()}
    python = found[Language.PYTHON]
    assert isinstance(python, FoundInterpreter)
    assert (python.version or "").startswith("Python 3.")


def test_each_language_is_tried_once(empty_path: Path) -> None:
    """A trial starts an interpreter that may take its time to fail, and whoever lists them all waits for each."""
    tried = empty_path / "tried"
    _tool(empty_path, "node", f'case "$*" in *trial*) echo >> {tried}; esac; exit 9')
    found = {each.language: each for each in interpreters()}
    typescript = found[Language.TYPESCRIPT]
    if isinstance(typescript, MissingInterpreter):
        assert str(empty_path / "node") in typescript.error.facts["passed over"]
        assert len(tried.read_text().splitlines()) == 2, "one for each set of flags"
    else:
        assert typescript.path.is_relative_to("/usr")


def test_an_interpreter_elsewhere_shows_its_own_files_and_not_its_folder() -> None:
    """`/srv/tools/node` must not bring the home with it."""
    shown = set(readable_paths(Path("/srv/tools/bin/node"))) - set(
        readable_paths(Path("/usr/bin/node"))
    )
    assert shown == {"/srv/tools/bin/node"}


def test_our_own_environment_is_not_shown() -> None:
    """Its packages are the worker's, and the checkout it lies in may be anywhere, below /tmp as well."""
    python = find_interpreter(Language.PYTHON)
    shown = [Path(path) for path in readable_paths(python)]
    assert sys.prefix != sys.base_prefix
    assert not [path for path in shown if path.is_relative_to(sys.prefix)]
    assert python.is_relative_to("/usr") or python in shown


def _tool(folder: Path, name: str, script: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_one_that_cannot_do_what_is_needed_is_passed_over_for_one_that_can(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Distributions bring a Node.js that does not know TypeScript; whoever has another puts it on PATH."""
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    _tool(old, "node", "exit 9")
    fit = _tool(new, "node", 'case "$1" in --experimental-strip-types) exit 0;; esac; exit 9')
    monkeypatch.setenv("PATH", f"{old}:{new}")
    find_tool.cache_clear()
    try:
        found = find_tool(Language.TYPESCRIPT)
    finally:
        find_tool.cache_clear()
    if found.path.is_relative_to("/usr"):
        # The system's own is looked at first, and was found to be fit: it has to be.
        program = tmp_path / "program.cts"
        program.write_text("const exit: number = 7; process.exit(exit)")
        ended = subprocess.run([found.path, *found.flags, program], check=False)
        assert ended.returncode == 7
    else:
        assert (found.path, found.flags) == (fit.resolve(), ("--experimental-strip-types",))


def test_a_compiler_outside_the_system_is_passed_over(empty_path: Path) -> None:
    """A version manager's one needs what lies beside it, which no program is shown."""
    _tool(empty_path, "rustc", "echo")
    if Path("/usr/bin/rustc").exists() or Path("/usr/local/bin/rustc").exists():
        assert find_interpreter(Language.RUST).is_relative_to("/usr")
        return
    with pytest.raises(InterpreterMissingError) as caught:
        find_interpreter(Language.RUST)
    assert "does not lie below /usr" in caught.value.facts["passed over"]
