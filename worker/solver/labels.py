"""Reads what a code block is said to be: its language and the name of its file."""

import re
from dataclasses import dataclass

from jobs.languages import Language

# What models write for the languages we run; Gemini labels code for its own tool `tool_code`.
_ALIASES = {
    **dict.fromkeys(("python", "py", "pyw", "ipython", "pycon", "tool_code"), Language.PYTHON),
    **dict.fromkeys(("javascript", "js", "node", "nodejs", "mjs", "cjs"), Language.JAVASCRIPT),
    **dict.fromkeys(("sh", "bash", "shell", "zsh", "dash", "ksh", "posix"), Language.SH),
}
_SHOWN_NAMES = {
    **dict.fromkeys(_ALIASES, ""),
    "diff": "a patch",
    "patch": "a patch",
    "ts": "TypeScript",
    "typescript": "TypeScript",
    "json": "JSON",
    "text": "plain text",
    "txt": "plain text",
    "console": "a terminal session",
    "output": "output",
    "tool_outputs": "output",
}
_LANGUAGE_NAMES = {
    Language.PYTHON: "Python",
    Language.JAVASCRIPT: "JavaScript",
    Language.SH: "sh",
}
_WORD_IN_INFO = re.compile(r"[\s{.=]*(?:lang(?:uage)?[-=]\"?)?([^\s{}:,;\"'=]+)", re.IGNORECASE)
_VERSION = re.compile(r"[-_]?\d[\d.]*$")
_FILE_NAME = re.compile(r"([\w-]+)\.(py|mjs|cjs|js|sh)\b")
_COMMENT_WITH_FILE_NAME = re.compile(
    r"\s*(?:#|//)\s*(?:file(?:name)?:\s*)?(?:[\w./-]*/)?([\w-]+)\.(?:py|[mc]?js|sh)\s*$"
)
_INFO_CHARACTERS = 200


@dataclass(frozen=True)
class Label:
    """What a block is said to be."""

    word: str
    """The first word of the info string in lower case; empty where there is none."""
    language: Language | None
    """None where it names none of ours."""

    @property
    def shown(self) -> str:
        """Its name for people."""
        if self.language is not None:
            return _LANGUAGE_NAMES[self.language]
        return _SHOWN_NAMES.get(self.word, f"{self.word[:40]!r}")

    @property
    def is_known(self) -> bool:
        """Whether it is a label at all, and not just any word."""
        return self.word in _SHOWN_NAMES or self.language is not None


def label_of(info: str) -> Label:
    """The label that an info string, a class attribute or a JSON field holds."""
    found = _WORD_IN_INFO.match(info[:_INFO_CHARACTERS])
    if found is None:
        return Label("", None)
    word = found[1].lower()
    name, dot, extension = word.rpartition(".")
    plain = word if word in _ALIASES else _VERSION.sub("", word)
    if plain in _ALIASES:
        return Label(word, _ALIASES[plain])
    return Label(word, _ALIASES.get(extension) if name and dot else None)


def file_stem_of(info: str, line_above: str, first_line: str) -> str:
    """The name, without its ending, of the file that a block is said to be; empty where none is said."""
    if found := _COMMENT_WITH_FILE_NAME.match(first_line[:_INFO_CHARACTERS]):
        return found[1]
    for text in (info, line_above):
        if found := _FILE_NAME.search(text[-_INFO_CHARACTERS:]):
            return found[1]
    return ""
