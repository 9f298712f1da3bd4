"""Where the interpreters and compilers of this machine are, and what has to be shown of them in a private root."""

import glob
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

from .errors import InterpreterMissingError
from .languages import ROWS

SEARCH_PATH = "/usr/local/bin:/usr/bin:/bin"
"""The program's PATH, and the first places an interpreter is looked for."""

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SYSTEM_FILES = ("/etc/alternatives", "/etc/ld.so.cache")
_VERSION_SECONDS = 10.0


@dataclass(frozen=True)
class FoundInterpreter:
    """What a language would be run, or compiled, by here."""

    language: Language
    path: Path
    version: str | None
    """By its own word; None where it has no way to say."""


@dataclass(frozen=True)
class MissingInterpreter:
    """A language that cannot be run here."""

    language: Language
    error: InterpreterMissingError
    """What was looked for, what was passed over, and what to type."""


@dataclass(frozen=True)
class FoundTool:
    """A tool that is fit."""

    path: Path
    """Links resolved."""
    flags: tuple[str, ...]
    """What it has to be told before anything else, as its trial found out."""


@dataclass(frozen=True)
class _PassedOver:
    path: Path
    reason: str


def find_interpreter(language: Language, *, for_everybody: bool = False) -> Path:
    """The interpreter or compiler of a language, links resolved.

    Python is the one we run under ourselves. `for_everybody` passes over what only its owner can reach.

    Raises:
        InterpreterMissingError: there is none.
    """
    return find_tool(language, for_everybody=for_everybody).path


@cache
def find_tool(language: Language, *, for_everybody: bool = False) -> FoundTool:
    """The same, with what it has to be told. It may start one, to see whether it is fit.

    Raises:
        InterpreterMissingError: there is none.
    """
    passed_over: list[_PassedOver] = []
    for path in _candidates(language):
        found = _tried(language, path, for_everybody=for_everybody)
        if isinstance(found, FoundTool):
            return found
        passed_over.append(found)
    tool = ROWS[language].tool
    kind = "interpreter" if ROWS[language].compiling is None else "compiler"
    facts = {"looked for": f"{', '.join(tool.names)} in {SEARCH_PATH}:{os.environ.get('PATH', '')}"}
    fixes = [f"apt-get install {tool.apt_package}"]
    if passed_over and tool.trial is not None:
        fixes = ["put one that is fit, or a link to it, into /usr/local/bin, or onto PATH"]
    if passed_over:
        facts["passed over"] = "; ".join(f"{one.path}: {one.reason}" for one in passed_over)
    raise InterpreterMissingError(
        f"no {kind} for {language.value!r} programs",
        facts=facts,
        fixes=fixes,
    )


def found_languages() -> tuple[Language, ...]:
    """The languages that can be run here."""
    return tuple(language for language in Language if _is_found(language))


def interpreters() -> list[FoundInterpreter | MissingInterpreter]:
    """Every language and what would run it; starts each interpreter once to ask its version."""
    found: list[FoundInterpreter | MissingInterpreter] = []
    for language in Language:
        try:
            path = find_interpreter(language)
        except InterpreterMissingError as error:
            found.append(MissingInterpreter(language, error))
        else:
            found.append(FoundInterpreter(language, path, _version(language, path)))
    return found


def readable_for(language: Language, *, for_everybody: bool) -> tuple[str, ...]:
    """What a private root has to show so that this language can be run; nothing is started to find out."""
    shown: list[str] = []
    for path in _candidates(language):
        if not _why_out_of_reach(language, path, for_everybody=for_everybody):
            shown += readable_paths(path)
    own = [path for pattern in ROWS[language].readable for path in sorted(glob.glob(pattern))]  # noqa: PTH207  text is what is wanted
    return tuple(dict.fromkeys([*shown, *own])) if shown else ()


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
    # The system's first: another may be a version manager's script, which works in its owner's home only.
    for where in (SEARCH_PATH, os.environ.get("PATH", "")):
        for folder in where.split(os.pathsep):
            # One by one, as a later one may be fit where an earlier one is not.
            for name in ROWS[language].tool.names:
                found = shutil.which(name, path=folder) if folder else None
                if found:
                    paths.append(Path(found).resolve())
    return list(dict.fromkeys(paths))


def _tried(language: Language, path: Path, *, for_everybody: bool) -> FoundTool | _PassedOver:
    out_of_reach = _why_out_of_reach(language, path, for_everybody=for_everybody)
    if out_of_reach:
        return _PassedOver(path, out_of_reach)
    trial = ROWS[language].tool.trial
    if trial is None:
        return FoundTool(path, ())
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, trial.file_name or "none")
        file.write_text(trial.program, "utf-8")
        arguments = [word.replace("{file}", str(file)) for word in trial.arguments]
        for flags in trial.flags:
            if _ask(path, (*flags, *arguments)) is not None:
                return FoundTool(path, flags)
    return _PassedOver(path, trial.what)


def _why_out_of_reach(language: Language, path: Path, *, for_everybody: bool) -> str:
    if for_everybody and not _is_open_to_everybody(path):
        return "unprivileged users cannot reach it"
    if not ROWS[language].tool.stands_alone and not path.is_relative_to("/usr"):
        # Its libraries lie beside it, wherever that is, and programs are shown none of it.
        return "it does not lie below /usr, and programs would not be shown what belongs to it"
    return ""


def _is_found(language: Language) -> bool:
    try:
        find_interpreter(language)
    except InterpreterMissingError:
        return False
    return True


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


def _version(language: Language, path: Path) -> str | None:
    said = _ask(path, ROWS[language].tool.version_question) or ""
    return next((line.strip() for line in said.splitlines() if line.strip()), None)


def _ask(path: Path, arguments: tuple[str, ...]) -> str | None:
    """What it says to this; None where it does not end well."""
    try:
        answer = subprocess.run(
            [path, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_VERSION_SECONDS,
            check=True,
            stdin=subprocess.DEVNULL,
            # What programs have: it is to be as fit for them.
            env={"PATH": SEARCH_PATH, "HOME": "/"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout
