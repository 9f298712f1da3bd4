"""Packages that an operator gives to Python programs."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.requiring import require
from worker.sandbox import PythonPackages
from worker.sandbox.opening import probe
from worker.sandbox.slot import LayerRefused

from .programs import LIMITS, python

pytestmark = pytest.mark.adversarial

_USES_IT = """
import tempfile, ours
try: open(ours.__file__, "a")
except OSError: print(ours.answer, "read-only")
with tempfile.TemporaryFile() as file: file.write(b"x")
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder below /tmp with one package."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o755)
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        folder = Path(name, "lib", version, "site-packages")
        (folder / "ours").mkdir(parents=True)
        (folder / "ours/__init__.py").write_text("answer = 42\n")
        yield folder


@pytest.mark.parametrize("preload", [(), ("ours",)], ids=["imported", "preloaded"])
async def test_packages_are_shown_wherever_they_lie(folder: Path, preload: tuple[str, ...]) -> None:
    """A virtual environment below /tmp is what CI and containers have, and /tmp is also where programs write."""
    try:
        sandbox = await probe("strict", PythonPackages((str(folder),), preload))
    except LayerRefused as refused:
        if refused.layer not in ("private-root", "preload"):
            require(f"the sandbox profile strict ({refused})", available=False)
        raise
    async with sandbox:
        execution = await sandbox.run(python(_USES_IT), LIMITS)
    assert (execution.exit_code, execution.stdout) == (0, "42 read-only\n"), execution.stderr
