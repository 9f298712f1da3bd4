"""What a README tells people to type: commands in `sh` fences, whole scripts in `python` ones, words in backticks."""

import re
from pathlib import Path

_FENCE = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`(promptmill [^`\n]+)`(?!`)")
_MAKE = re.compile(r"^(?: {4}|\$ )make (?P<target>[a-z]+)", re.MULTILINE)
_LINK = re.compile(r"\]\((?P<target>[^)#:]+)(?:#[^)]*)?\)")
_HERE = re.compile(r"<<'?(?P<end>\w+)'?")
# A key nobody has here, the environment that the tests bring themselves, and what make does.
_NOT_RUN = ("export GEMINI_API_KEY=", ". .venv/", "make ")


class Readme:
    """The commands and scripts of one Markdown page."""

    def __init__(self, path: Path) -> None:
        self._text = path.read_text("utf-8")

    def sessions(self) -> list[str]:
        """Each `sh` fence as a shell script of what is typed in it.

        Where lines begin with `$ `, those are typed, with the here-documents that follow them, and the rest is output.
        """
        typed = [_typed_in(text) for text in self._fences("sh")]
        return ["\n".join(lines) for lines in typed if lines]

    def scripts(self) -> list[str]:
        """Each `python` fence."""
        return self._fences("python")

    def mentioned(self) -> list[str]:
        """Each command of ours that stands in backticks."""
        return [command.replace("\\|", "|") for command in _INLINE.findall(self._text)]

    def make_targets(self) -> list[str]:
        """Each target that is told to be made."""
        return _MAKE.findall(self._text)

    def links(self) -> list[str]:
        """Each link to a file of the repository."""
        return _LINK.findall(self._text)

    def _fences(self, language: str) -> list[str]:
        return [
            found["text"] for found in _FENCE.finditer(self._text) if found["language"] == language
        ]


def _typed_in(fence: str) -> list[str]:
    lines = fence.splitlines()
    if any(line.startswith("$ ") for line in lines):
        lines = _after_prompts(lines)
    return [line for line in lines if not line.startswith(_NOT_RUN)]


def _after_prompts(lines: list[str]) -> list[str]:
    typed: list[str] = []
    here_ends_with: str | None = None
    for line in lines:
        if here_ends_with is not None:
            typed.append(line)
            here_ends_with = None if line == here_ends_with else here_ends_with
        elif line.startswith("$ "):
            typed.append(line.removeprefix("$ "))
            here = _HERE.search(line)
            here_ends_with = here["end"] if here else None
    return typed
