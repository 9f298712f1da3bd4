"""Mends what chat windows do to programs. A repair is kept only if the program could not run without it."""

import html
import re
import textwrap
from collections.abc import Callable

from .syntax import Syntax

_SPACES = re.compile(r"[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_INVISIBLE = re.compile(r"[\u200b-\u200f\u2060\ufeff]")
_MAGIC = re.compile(r"^[ \t]*(?:!|%{1,2}[a-z]).*\n?", re.MULTILINE)
_PROMPT = re.compile(r"(?:>>>|\.\.\.|In \[\d+\]:|\s+\.\.\.:)(?: |$)")


def mended(code: str, syntax: Syntax) -> tuple[str, str]:
    """The program that could run, and what had to be done to it; (`code`, "") where nothing helps or is needed."""
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


_REPAIRS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("odd spaces replaced", _plain_spaces),
    ("notebook commands dropped", _without_magics),
    ("HTML unescaped", html.unescape),
    ("margin removed", textwrap.dedent),
)
