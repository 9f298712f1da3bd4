"""The set-up script copes with the machines it meets."""

import ast
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from config.bootstrap import LOCK, locked_uv

_REPOSITORY = Path(__file__).parents[2]
# Addresses are refused instead of asked: no test waits for a network, and the set-up fails for certain.
_OFFLINE = {
    "UV_OFFLINE": "1",
    "PIP_NO_INDEX": "1",
    "PIP_FIND_LINKS": "",
    "PIP_CONFIG_FILE": os.devnull,
}


@dataclass(frozen=True)
class _Failed:
    """A set-up that had to fail, over what one that was stopped has left."""

    environment: Path
    result: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> _Failed:
    """It works on a copy, so that no environment in use is touched."""
    checkout = tmp_path_factory.mktemp("checkout")
    for name in ("pyproject.toml", "requirements.lock", "config/bootstrap.py"):
        (checkout / name).parent.mkdir(exist_ok=True)
        shutil.copy(_REPOSITORY / name, checkout / name)
    environment = checkout / ".venv"
    environment.mkdir()
    for name in (".ready", ".unfinished", "half-a-package"):
        (environment / name).touch()
    return _Failed(environment, _bootstrap(checkout))


def _bootstrap(checkout: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, checkout / "config" / "bootstrap.py"],
        env={
            **_OFFLINE,
            "PATH": os.defpath,
            "HOME": str(checkout),
            "UV_CACHE_DIR": str(checkout / "cache"),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_older_python_can_read_the_script() -> None:
    """It has to get as far as saying which Python is needed."""
    script = (_REPOSITORY / "config" / "bootstrap.py").read_text()
    assert ast.parse(script, feature_version=(3, 8)).body


def test_the_entry_for_uv_is_taken_with_its_hashes_and_alone(tmp_path: Path) -> None:
    """The first package installed is the one that installs the others."""
    lines = locked_uv(tmp_path / "uv.txt").read_text().splitlines()
    assert lines[0].startswith("uv==")
    assert all(line.lstrip().startswith("--hash=sha256:") for line in lines[1:])
    assert "".join(lines) in LOCK.read_text().replace("\n", "")


def test_a_failed_set_up_leaves_no_stamp(failed: _Failed) -> None:
    """Make would take a stamp for an environment that works."""
    assert failed.result.returncode == 1
    assert not (failed.environment / ".ready").exists()


def test_an_unfinished_environment_is_not_built_upon(failed: _Failed) -> None:
    """A package cut in half by Ctrl-C looks installed to every installer."""
    assert not (failed.environment / "half-a-package").exists()


def test_a_failed_set_up_shows_the_words_of_the_installer(failed: _Failed) -> None:
    """`failed` alone sends a person to read the script."""
    assert failed.result.stdout.endswith("failed\n")
    assert "--require-hashes" in failed.result.stderr
    assert "the next `make` starts afresh" in failed.result.stderr
