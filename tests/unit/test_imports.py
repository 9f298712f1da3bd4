"""What an import costs and does: a script pays for what it uses, and nothing happens before it is asked for."""

import subprocess
import sys
from pathlib import Path

import pytest

_REPOSITORY = Path(__file__).parents[2]
_IMPORT_ALL = """
import importlib, os, sys, threading
for name in sys.argv[1:]:
    importlib.import_module(name)
assert os.listdir() == [], os.listdir()
assert threading.active_count() == 1, threading.enumerate()
"""


def _modules() -> list[str]:
    """Every module that is imported, and not run: not a program's `__main__`, not the inside of the sandbox."""
    paths = (
        path
        for folder in ("config", "jobs", "worker")
        for path in (_REPOSITORY / folder).rglob("*.py")
    )
    relative = (path.relative_to(_REPOSITORY).with_suffix("") for path in sorted(paths))
    names = [
        ".".join(path.parts).removesuffix(".__init__")
        for path in relative
        if "inside" not in path.parts
    ]
    # Arq wants its settings as attributes of a class, so this one alone may act when it is imported.
    return [name for name in names if not name.endswith("__main__") and name != "worker.main"]


def _run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )


def test_importing_any_module_does_nothing_else(tmp_path: Path) -> None:
    """A module that reads the environment, writes a file or starts a thread on import cannot be tested or reused."""
    result = _run("-c", _IMPORT_ALL, *_modules(), folder=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["-c", "import jobs.queue, jobs.models"], id="a script that submits jobs"),
        pytest.param(
            [str(Path(sys.executable).parent / "promptmill"), "--help"], id="promptmill --help"
        ),
    ],
)
def test_the_model_sdk_is_loaded_only_where_it_is_used(
    arguments: list[str], tmp_path: Path
) -> None:
    """It takes longer to load than the rest together, and who asks for help asks no model."""
    result = _run("-X", "importtime", *arguments, folder=tmp_path)
    assert result.returncode == 0, result.stderr[-2000:]
    assert "google.genai" not in result.stderr
