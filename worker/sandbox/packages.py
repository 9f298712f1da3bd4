"""Which packages Python programs may import: those of a virtual environment that was made for them."""

import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import PackagesError

# Programs have places of these names of their own, in which nothing of the machine's can be shown.
_COVERED = ("/tmp", "/dev", "/proc", "/etc", "/scratch")  # noqa: S108
_SPELLING = f"python{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True)
class PythonPackages:
    """What Python programs may import beside the standard library."""

    folders: tuple[str, ...] = ()
    preload: tuple[str, ...] = ()
    """Modules that are imported once, before there is a program."""


NO_PACKAGES = PythonPackages()


def packages_of(environment: Path | None, preload: Sequence[str]) -> PythonPackages:
    """What a virtual environment holds, of which these modules are imported beforehand.

    Its `.pth` files are not read, so that nothing outside of it is to be had.

    Raises:
        PackagesError: there is no such environment, or programs must not see it or could not use it.
    """
    if environment is None:
        return PythonPackages(preload=tuple(preload))
    place = environment.resolve()
    folders = _folders_of(place)
    if not (place / "pyvenv.cfg").is_file():
        raise PackagesError(
            f"{environment} is not a virtual environment",
            facts={"looked for": str(place / "pyvenv.cfg")},
            fixes=(f"make it: {_SPELLING} -m venv {environment}",),
        )
    if place == Path(sys.prefix).resolve() or folders & _folders_of(Path(sys.prefix)):
        raise PackagesError(
            f"{environment} is the worker's own environment, which no program may see",
            fixes=(f"make another one for programs: {_SPELLING} -m venv FOLDER",),
        )
    if not folders:
        raise PackagesError(
            f"{environment} holds no packages for {_SPELLING}, which programs run under",
            facts={"looked for": ", ".join(_names_in(place))},
            fixes=(f"make it with that version: {_SPELLING} -m venv --clear {environment}",),
        )
    covered = next((each for each in _COVERED if place.is_relative_to(each)), None)
    if covered is not None:
        raise PackagesError(
            f"{environment} lies in {covered}, and programs have a {covered} of their own",
            fixes=("move it: make it anew in another folder",),
        )
    return PythonPackages(tuple(sorted(map(str, folders))), tuple(preload))


def _folders_of(environment: Path) -> set[Path]:
    return {Path(name).resolve() for name in _names_in(environment) if Path(name).is_dir()}


def _names_in(environment: Path) -> list[str]:
    base = dict.fromkeys(("base", "platbase"), str(environment))
    paths = sysconfig.get_paths("venv", vars=base)
    return sorted({paths["purelib"], paths["platlib"]})
