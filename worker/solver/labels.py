"""Reads what a code block is said to be: its language and the name of its file."""

import re
from dataclasses import dataclass

from jobs.languages import Language
from worker.sandbox.languages import ROWS, known_suffixes

# What models write for the languages we run. One word may be good for several: what is said of one shell, of others.
_LANGUAGES = {
    word: tuple(
        sorted((row.language for row in ROWS.values() if word in row.labels), key=word.__ne__)
    )
    for word in sorted({word for row in ROWS.values() for word in row.labels})
}
_SHOWN_NAMES = {
    **dict.fromkeys(_LANGUAGES, ""),
    "diff": "a patch",
    "patch": "a patch",
    "json": "JSON",
    "text": "plain text",
    "txt": "plain text",
    "console": "a terminal session",
    "output": "output",
    "tool_outputs": "output",
}
# Longest first, or `c` would be found in `cpp`.
_SUFFIXES = "|".join(
    re.escape(suffix[1:]) for suffix in sorted(known_suffixes(), key=len, reverse=True)
)
_WORD_IN_INFO = re.compile(r"[\s{.=]*(?:lang(?:uage)?[-=]\"?)?([^\s{}:,;\"'=]+)", re.IGNORECASE)
_VERSION = re.compile(r"[-_]?\d[\d.]*$")
_FILE_NAME = re.compile(rf"([\w-]+)\.({_SUFFIXES})\b")
_COMMENT_WITH_FILE_NAME = re.compile(
    rf"\s*(?:#|//|--)\s*(?:file(?:name)?:\s*)?(?:[\w./-]*/)?([\w-]+)\.(?:{_SUFFIXES})\s*$"
)
_INFO_CHARACTERS = 200
_EMPTY_WORDS = ("code", "plain", "plaintext", "program", "snippet", "solution", "text", "txt")


@dataclass(frozen=True)
class Label:
    """What a block is said to be."""

    word: str
    """The first word of the info string in lower case; empty where there is none."""
    languages: tuple[Language, ...]
    """Those of ours that it may name, the likeliest first."""

    @property
    def shown(self) -> str:
        """Its name for people."""
        if self.languages:
            return ROWS[self.languages[0]].title
        return _SHOWN_NAMES.get(self.word, f"{self.word[:40]!r}")

    @property
    def says_something(self) -> bool:
        """Whether it says anything of what the block holds: some write a word where they mean none."""
        return bool(self.word) and self.word not in _EMPTY_WORDS

    @property
    def is_known(self) -> bool:
        """Whether it is a label at all, and not just any word."""
        return self.word in _SHOWN_NAMES or bool(self.languages)


def label_of(info: str) -> Label:
    """The label that an info string, a class attribute or a JSON field holds."""
    found = _WORD_IN_INFO.match(info[:_INFO_CHARACTERS])
    if found is None:
        return Label("", ())
    word = found[1].lower()
    name, dot, extension = word.rpartition(".")
    plain = word if word in _LANGUAGES else _VERSION.sub("", word)
    if plain in _LANGUAGES:
        return Label(word, _LANGUAGES[plain])
    return Label(word, _LANGUAGES.get(extension, ()) if name and dot else ())


def file_stem_of(info: str, line_above: str, first_line: str) -> str:
    """The name, without its ending, of the file that a block is said to be; empty where none is said."""
    if found := _COMMENT_WITH_FILE_NAME.match(first_line[:_INFO_CHARACTERS]):
        return found[1]
    for text in (info, line_above):
        if found := _FILE_NAME.search(text[-_INFO_CHARACTERS:]):
            return found[1]
    return ""
