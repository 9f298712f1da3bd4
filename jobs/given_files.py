"""Files that a job gives to its programs: text, by its path in their working directory."""

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field

MAX_FILES = 100
MAX_FILES_TEXT = 4_194_304
"""Characters of all files of a job together."""
_BLOCK = 4096
_DIRECTORIES = 65_536


_SOURCES = frozenset(
    (
        *("", ".py", ".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".sh", ".bash", ".c", ".cc"),
        *(".cpp", ".cxx", ".go", ".rs", ".java", ".rb", ".pl", ".php", ".lua", ".r", ".R"),
    )
)
"""How the names of programs end; a compiled one has no ending."""


def _is_short(path: PurePosixPath) -> bool:
    """Whether every file system takes it."""
    longest = max((len(part.encode(errors="replace")) for part in path.parts), default=0)
    return longest <= 255 and len(str(path)) <= 256


def _usable(files: dict[str, str]) -> dict[str, str]:
    for name in files:
        path = PurePosixPath(name)
        is_plain = str(path) == name and "\0" not in name and _is_short(path)
        if not is_plain or path.is_absolute() or not path.parts or ".." in path.parts:
            raise ValueError(
                f"{name!r} is no path of a file in the program's directory: write it as data.csv or folder/data.csv"
            )
        if len(path.parts) == 1 and path.stem == "program" and path.suffix in _SOURCES:
            raise ValueError(
                f"{name!r} is what the program itself is called: give the file another name"
            )
        if any(str(parent) in files for parent in path.parents):
            raise ValueError(f"{name!r} cannot lie in a folder that is a file as well")
    n_characters = sum(map(len, files.values()))
    if n_characters > MAX_FILES_TEXT:
        raise ValueError(
            f"the files hold {n_characters:,} characters in all, of at most {MAX_FILES_TEXT:,}"
        )
    return files


def room_for(contents: Iterable[bytes]) -> int:
    """Bytes of disk that files of these contents take, each in whole blocks, with the directories they lie in."""
    return _DIRECTORIES + sum(-(-len(content) // _BLOCK) * _BLOCK for content in contents)


GivenFiles = Annotated[dict[str, str], Field(max_length=MAX_FILES), AfterValidator(_usable)]
"""Each is written as UTF-8."""
