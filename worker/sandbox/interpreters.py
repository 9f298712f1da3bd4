"""Where the interpreters of this machine are, and what has to be shown of them in a private root."""

import os
import shutil
import stat
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jobs.languages import Language

from .errors import InterpreterMissingError
from .languages import ROWS

SEARCH_PATH = "/usr/local/bin:/usr/bin:/bin"
"""The program's PATH, and the first places an interpreter is looked for."""

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SYSTEM_FILES = ("/etc/alternatives", "/etc/ld.so.cache")
_VERSION_SECONDS = 10.0


@dataclass(frozen=True)
class FoundInterpreter:
    """What a language would be run by here."""

    language: Language
    path: Path | None
    """None where there is none."""
    version: str | None
    """By the interpreter's own word; None where it has no way to say."""


@cache
def find_interpreter(language: Language, *, for_everybody: bool = False) -> Path:
    """The interpreter of a language, links resolved.

    Python is the one we run under ourselves. `for_everybody` passes over what only its owner can reach.

    Raises:
        InterpreterMissingError: there is none.
    """
    candidates = _candidates(language)
    for path in candidates:
        if not for_everybody or _is_open_to_everybody(path):
            return path
    row = ROWS[language]
    looked_for = ", ".join(row.interpreter_names)
    unreachable = ", ".join(map(str, candidates))
    raise InterpreterMissingError(
        f"no interpreter for {language.value!r} programs",
        facts={
            "looked for": f"{looked_for} in {SEARCH_PATH}:{os.environ.get('PATH', '')}",
            **(
                {"passed over": f"{unreachable}: unprivileged users cannot reach it"}
                if unreachable
                else {}
            ),
        },
        fixes=(f"apt-get install {row.apt_package}",),
    )


def interpreters() -> list[FoundInterpreter]:
    """Every language and what would run it; starts each interpreter once to ask its version."""
    found = []
    for language in Language:
        try:
            path = find_interpreter(language)
        except InterpreterMissingError:
            found.append(FoundInterpreter(language, None, None))
        else:
            found.append(FoundInterpreter(language, path, _version(path)))
    return found


def readable_paths(interpreter: Path) -> tuple[str, ...]:
    """Host paths a private root has to show for this interpreter: the system's own, and no more than its own files."""
    if interpreter.is_relative_to("/usr"):
        return _SYSTEM + _SYSTEM_FILES
    own = [interpreter]
    if interpreter == _own_interpreter():
        own += _own_libraries()
    return (
        _SYSTEM
        + _SYSTEM_FILES
        + tuple(str(path) for path in own if not path.is_relative_to("/usr"))
    )


def _candidates(language: Language) -> list[Path]:
    paths = [_own_interpreter()] if language is Language.PYTHON else []
    for name in ROWS[language].interpreter_names:
        # The system's first: another may be a version manager's script, which works in its owner's home only.
        for where in (SEARCH_PATH, os.environ.get("PATH", "")):
            found = shutil.which(name, path=where)
            if found:
                paths.append(Path(found).resolve())
    return list(dict.fromkeys(paths))


def _own_interpreter() -> Path:
    base: str = getattr(sys, "_base_executable", sys.executable)
    return Path(base).resolve()


def _own_libraries() -> list[Path]:
    # Of the interpreter itself: by default one of the two would be the virtual environment's, packages and all.
    prefixes = {"base": sys.base_prefix, "platbase": sys.base_exec_prefix}
    paths = sysconfig.get_paths(vars=prefixes)
    libraries = {Path(paths["stdlib"]), Path(paths["platstdlib"])}
    shared = Path(
        sysconfig.get_config_var("LIBDIR") or "/", sysconfig.get_config_var("INSTSONAME") or ""
    )
    if shared.suffix != ".a" and shared.is_file():
        libraries.add(shared)
    return sorted(libraries)


def _is_open_to_everybody(path: Path) -> bool:
    return all(place.stat().st_mode & stat.S_IXOTH for place in (path, *path.parents))


def _version(path: Path) -> str | None:
    try:
        answer = subprocess.run(
            [path, "--version"],
            capture_output=True,
            text=True,
            timeout=_VERSION_SECONDS,
            check=True,
            stdin=subprocess.DEVNULL,
            env={},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() or None
