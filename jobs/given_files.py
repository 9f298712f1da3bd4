"""Files that a job gives to its programs: text, by its path in their working directory."""

from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field

MAX_FILES = 100
MAX_FILES_TEXT = 4_194_304
"""Characters of all files of a job together."""


def _usable(files: dict[str, str]) -> dict[str, str]:
    for name in files:
        path = PurePosixPath(name)
        is_plain = str(path) == name and "\0" not in name and len(name) <= 256
        if not is_plain or path.is_absolute() or not path.parts or ".." in path.parts:
            raise ValueError(
                f"{name!r} is no path of a file in the program's directory: write it as data.csv or folder/data.csv"
            )
        if any(str(parent) in files for parent in path.parents):
            raise ValueError(f"{name!r} cannot lie in a folder that is a file as well")
    n_characters = sum(map(len, files.values()))
    if n_characters > MAX_FILES_TEXT:
        raise ValueError(
            f"the files hold {n_characters:,} characters in all, of at most {MAX_FILES_TEXT:,}"
        )
    return files


GivenFiles = Annotated[dict[str, str], Field(max_length=MAX_FILES), AfterValidator(_usable)]
"""Each is written as UTF-8."""
