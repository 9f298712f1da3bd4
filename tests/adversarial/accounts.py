"""Whose account the worker under attack has: root's, an ordinary user's, or whoever runs these tests."""

import atexit
import os
import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jobs.languages import Language
from tests.requiring import require
from worker.sandbox import InterpreterMissingError, find_interpreter

_REPOSITORY = Path(__file__).parents[2]
_OURS = ("config", "jobs", "worker", "tests")
_ORDINARY_UID = 1000


@dataclass(frozen=True)
class Account:
    """Somebody whom a worker can be."""

    name: str
    uid: int | None = None
    """None is whoever runs the tests."""

    @property
    def command(self) -> tuple[Path, dict[str, str]]:
        """A Python that this account can start with our packages in it, and what it needs in its environment."""
        if self.uid is None:
            return Path(sys.executable), {"PYTHONPATH": str(_REPOSITORY)}
        packages = Path(sysconfig.get_path("purelib"))
        return python_for_everybody(), {
            "PYTHONPATH": f"{_for_everybody(_REPOSITORY, _OURS)}:{_for_everybody(packages, ('*',))}"
        }

    @property
    def effective_uid(self) -> int:
        """Whose files and processes a worker of this account has."""
        return os.geteuid() if self.uid is None else self.uid


def accounts() -> list[Account]:
    """Root and an ordinary user where these tests are root's; else there is only one that can be had."""
    if os.geteuid() != 0:
        return [Account("user")]
    return [Account("root"), Account("user", _ORDINARY_UID)]


@cache
def _for_everybody(folder: Path, names: tuple[str, ...]) -> Path:
    """`folder`, or a copy of these of its entries where a clone lies in a folder that only its owner may enter."""
    if all(place.stat().st_mode & stat.S_IXOTH for place in (folder, *folder.parents)):
        return folder
    copy = Path(tempfile.mkdtemp(prefix="promptmill-readable-"))
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    copy.chmod(0o755)
    for name in names:
        for entry in folder.glob(name):
            if entry.is_dir():
                shutil.copytree(entry, copy / entry.name)
            else:
                shutil.copy2(entry, copy / entry.name)
    return copy


@cache
def python_for_everybody() -> Path:
    """A Python that every account can start, of the version that our compiled packages were made for.

    Root's own may lie below a home that nobody else may enter; the packages themselves have to be readable.
    """
    try:
        found = find_interpreter(Language.PYTHON, for_everybody=True)
    except InterpreterMissingError as error:
        require(f"a Python that everybody can reach ({error})", available=False)
        raise
    asked = "import sys; print(*sys.version_info[:2])"
    answer = subprocess.run(
        [found, "-I", "-S", "-c", asked], capture_output=True, text=True, check=True
    )
    ours = f"{sys.version_info.major} {sys.version_info.minor}"
    require(f"a Python {ours} that everybody can reach", available=answer.stdout.strip() == ours)
    return found
