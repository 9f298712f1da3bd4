"""Mends what chat windows do to programs. A repair is kept only if the program could not run without it."""

import html
import re
import textwrap
from collections.abc import Callable

from .syntax import Syntax

_SPACES = re.compile(r"[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_INVISIBLE = re.compile(r"[\u200b-\u200f\u2060\ufeff]")
_MAGIC = re.compile(r"^[ \t]*(?:!|%{1,2}[a-z]).*\n?", re.MULTILINE)
_NUMBERED = re.compile(r"^[ \t]*\d{1,4}[ \t]*[|:\u2502](?: |$)|^[ \t]*$", re.MULTILINE)
_QUOTES_AND_BRACKETS = str.maketrans(
    "\u201c\u201d\u201e\u2018\u2019\uff08\uff09\uff3b\uff3d\uff5b\uff5d", '"""\'\'()[]{}'
)
_PUNCTUATION = str.maketrans("\uff0c\uff1a\uff1b\uff0e\uff1d\uff0b\uff0a\uff1c\uff1e", ",:;.=+*<>")
_PROMPT = re.compile(r"(?:>>>|\.\.\.|In \[\d+\]:|\s+\.\.\.:|\$)(?: |$)")


def mended(code: str, syntax: Syntax) -> tuple[str, str]:
    """The program that could run, and what had to be done to it; (`code`, "") where nothing helps or is needed."""
    # Nothing stands in the way of such a session: an annotation to Python, a command of that name to a shell.
    if code.startswith(("In [", "$ ")) and syntax.could_run(typed := typed_into_session(code)):
        return typed, "lines typed into a session"
    if syntax.could_run(code):
        return code, ""
    mending, done = code, []
    for name, repair in _REPAIRS:
        repaired = repair(mending)
        if repaired != mending:
            mending = repaired
            done.append(name)
            if syntax.could_run(mending):
                return mending, ", ".join(done)
    return code, ""


def typed_into_session(code: str) -> str:
    """The lines of an interactive session that a person typed, without prompts and answers."""
    typed = [line for line in code.split("\n") if _PROMPT.match(line)]
    return "".join(f"{_PROMPT.sub('', line, count=1)}\n" for line in typed)


def _plain_spaces(code: str) -> str:
    return _INVISIBLE.sub("", _SPACES.sub(" ", code))


def _without_magics(code: str) -> str:
    return _MAGIC.sub("", code)


def _without_line_numbers(code: str) -> str:
    lines = code.split("\n")
    return (
        "\n".join(_NUMBERED.sub("", line, count=1) for line in lines)
        if all(map(_NUMBERED.match, lines))
        else code
    )


def _plain_quotes(code: str) -> str:
    return code.translate(_QUOTES_AND_BRACKETS)


def _plain_punctuation(code: str) -> str:
    return code.translate(_PUNCTUATION)


_REPAIRS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("odd spaces replaced", _plain_spaces),
    ("notebook commands dropped", _without_magics),
    ("HTML unescaped", html.unescape),
    ("line numbers dropped", _without_line_numbers),
    # Brackets first: once they are right, what stands in strings is left as it was written.
    ("typographic quotes replaced", _plain_quotes),
    ("wide punctuation replaced", _plain_punctuation),
    ("margin removed", textwrap.dedent),
)
