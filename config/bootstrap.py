"""Puts the project into `.venv`, every package checked by its hash, with the standard library alone.

`make` runs this file by path before anything of ours can be imported, with whatever `python3` is there: it has to
parse on a Python too old for the project, to be able to say so.
"""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

OLDEST, NEWEST = (3, 11), (3, 14)

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
ENVIRONMENT = ROOT / ".venv"
PYTHON = ENVIRONMENT / "bin" / "python"
READY = ENVIRONMENT / ".ready"
"""Make's stamp: it exists only where a set-up went through to its end."""
UNFINISHED = ENVIRONMENT / ".unfinished"
"""Left behind by a set-up that was stopped: what it installed is not to be trusted."""

LOAD_ALL = """
import pkgutil, sys
from importlib import import_module
sys.dont_write_bytecode = False
for package in ("config", "jobs", "worker"):
    for module in pkgutil.walk_packages([package], package + "."):
        if not module.name.endswith("__main__") and ".inside" not in module.name:
            import_module(module.name)
"""
"""Has the bytecode of ours, and of all that it loads, written down."""


class SetupError(Exception):
    """The set-up cannot go on; the text says why and what to do."""


def main() -> int:
    """Set up and return an exit code. Run again, it changes only what the lock changed."""
    began = time.monotonic()
    found = ".".join(map(str, sys.version_info[:3]))
    print(f"setting up: Python {found} … ", end="", flush=True)
    try:
        n_packages = set_up()
    except SetupError as error:
        print("failed", flush=True)
        print(
            error, "Nothing is half done: the next `make` starts afresh.", sep="\n", file=sys.stderr
        )
        return 1
    except KeyboardInterrupt:
        print("interrupted; the next `make` starts afresh")
        return 130
    print(f"{n_packages} packages, done in {time.monotonic() - began:.1f} s")
    return 0


def set_up() -> int:
    """Bring `.venv` up to the lock and return how many packages it holds.

    Raises:
        SetupError: it could not be done; no stamp is left.
    """
    READY.unlink(missing_ok=True)
    require_new_enough_python()
    prepare_environment()
    install()
    # Commands may be forbidden to write it, as in most containers: each would then compile everything, and start two or
    # three times as slowly. Where it cannot be had, that is all there is to it.
    runs(PYTHON, "-c", LOAD_ALL)
    UNFINISHED.unlink()
    READY.touch()
    return sum(1 for _ in ENVIRONMENT.glob("lib/*/site-packages/*.dist-info"))


def require_new_enough_python() -> None:
    """Return if this Python will do, else start over in one from PATH that does."""
    if tuple(sys.version_info) >= OLDEST:
        return
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        newer = shutil.which(f"python3.{minor}")
        # A name on PATH may be a version manager's shim with nothing behind it.
        if newer and runs(newer, "-c", ""):
            print(f"too old; going on with {newer}", flush=True)
            os.execv(newer, [newer, *sys.argv])  # noqa: S606  (this very script, no shell)
    raise SetupError(
        f"promptmill needs Python 3.{OLDEST[1]} or newer, and {sys.executable} is older.\n"
        f"If a newer one is not on PATH: make PYTHON=/where/it/is/python3.{OLDEST[1]}"
    )


def prepare_environment() -> None:
    """Have an environment to install into: the old one only if it works and was finished."""
    if UNFINISHED.exists() or not runs(
        PYTHON, "-c", f"import sys; assert sys.version_info >= {OLDEST}"
    ):
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        # Without pip: ensurepip takes seconds, and most machines have an installer already.
        venv.create(ENVIRONMENT, symlinks=True, with_pip=False)
    UNFINISHED.touch()


def install() -> None:
    """Install the lock, then the project on top, with the first installer that manages to.

    Raises:
        SetupError: none did; the text has the words of each.
    """
    failures = []
    for installer in installers():
        try:
            run(*installer, "--require-hashes", "--requirement", LOCK)
            # The build backend stands in the lock; an isolated build would fetch one unhashed.
            run(*installer, "--no-deps", "--no-build-isolation", "--editable", ROOT)
        except SetupError as error:
            failures.append(str(error))
        else:
            return
    raise SetupError("\n".join(failures))


def installers() -> Iterator[list[str | Path]]:
    """Commands that install, the quickest first; the next is looked for only when the last has failed."""
    ours = ENVIRONMENT / "bin" / "uv"
    present = next((uv for uv in (shutil.which("uv"), ours) if uv and runs(uv, "--version")), None)
    if present:
        yield [present, "pip", "install", "--python", PYTHON]
        if not (find_spec("pip") or find_spec("ensurepip")):
            return
    pip = find_pip()
    if not present and runs(
        *pip, "--require-hashes", "--requirement", locked_uv(ENVIRONMENT / "uv.txt")
    ):
        yield [ours, "pip", "install", "--python", PYTHON]
    yield pip


def find_pip() -> list[str | Path]:
    """The command that installs with pip: this Python's own, else one put into the environment."""
    if find_spec("pip"):
        return [sys.executable, "-m", "pip", "--python", PYTHON, "install"]
    if not find_spec("ensurepip"):
        install_ensurepip()
    run(PYTHON, "-m", "ensurepip")
    return [PYTHON, "-m", "pip", "install"]


def install_ensurepip() -> None:
    """Install what Debian and its kin take out of Python, if that can be done without asking anybody.

    Raises:
        SetupError: it cannot; the text has the one line to type.
    """
    package = f"python3.{sys.version_info.minor}-venv"
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if not shutil.which("apt-get") or not runs(*root, "true"):
        raise SetupError(
            "this Python comes without pip and ensurepip. Type the next line, then `make` again:\n"
            f"    sudo apt-get install --yes {package}\n"
            "On other systems install pip, or uv, by the system's own means."
        )
    print(f"installing {package} with apt-get … ", end="", flush=True)
    run(*root, "apt-get", "update")
    run(*root, "apt-get", "install", "--yes", "--no-install-recommends", package)
    importlib.invalidate_caches()


def locked_uv(file: Path) -> Path:
    """Write the lock's entry for uv, hashes and all, into `file` and return it."""
    entry = re.search(r"^uv==.*?(?=^\S)", LOCK.read_text(), re.MULTILINE | re.DOTALL)
    file.write_text(entry.group() if entry else "")
    return file


def runs(*command: str | Path) -> bool:
    """Whether the command exists and succeeds; what it says is not wanted."""
    try:
        run(*command)
    except SetupError:
        return False
    return True


def run(*command: str | Path) -> None:
    """Run a command in silence.

    Raises:
        SetupError: it failed; the text is the command and what it said last.
    """
    line = [str(part) for part in command]
    try:
        result = subprocess.run(
            line,
            check=False,
            cwd=ROOT,
            env=surroundings(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise SetupError(f"$ {' '.join(line)}\n{error}") from None
    if result.returncode:
        raise SetupError(f"$ {' '.join(line)}\n{tail(result.stdout)}")


def tail(said: str) -> str:
    """The end of what a command said: what it was doing until then is no news."""
    return "\n".join(said.strip().splitlines()[-12:])


def surroundings() -> dict[str, str]:
    """The environment of installers: the caller's own, told to ask nothing and to trust what the system trusts."""
    ours = {
        "DEBIAN_FRONTEND": "noninteractive",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        # Another Python than the one that was found would be a surprise of some hundred megabytes.
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_SYSTEM_CERTS": "1",
    }
    # uv does not read pip's variables; whoever keeps a mirror has said so in these.
    if "PIP_INDEX_URL" in os.environ:
        ours["UV_DEFAULT_INDEX"] = os.environ["PIP_INDEX_URL"]
    # Package scripts of apt look for their tools here, and a bare PATH may leave it out.
    path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
    return {**ours, **os.environ, "PATH": path}


if __name__ == "__main__":
    sys.exit(main())
