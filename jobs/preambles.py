"""Source code that is put before each program of a job: where it goes, and which lines of the whole are its own."""

import re

# Nothing is tried twice, or a megabyte of empty lines would take hours.
_NO_CODE = r"(?:[ \t]*+(?:#[^\n]*+)?\r?\n)*+"
_DOCSTRING = (
    r"[rRuU]?(?:"
    r'"""(?:[^"\\]|\\.|"(?!""))*+"""'
    r"|'''(?:[^'\\]|\\.|'(?!''))*+'''"
    r'|"(?!"")(?:[^"\\\n]|\\.)*+"'
    r"|'(?!'')(?:[^'\\\n]|\\.)*+'"
    r")[ \t]*+(?:#[^\n]*+)?\r?\n"
)
# Python refuses these below any statement but a docstring.
_FUTURE = re.compile(
    rf"{_NO_CODE}(?:{_DOCSTRING})?+"
    rf"(?:{_NO_CODE}from __future__ import (?:\([^()]*+\)[^\n]*+|[^\n(]++)\n)++",
    re.DOTALL,
)


def with_preamble(preamble: str, program: str) -> str:
    """The program that is run."""
    if not preamble:
        return program
    first = _FUTURE.match(program)
    at = first.end() if first else 0
    return f"{program[:at]}{_whole(preamble)}{program[at:]}"


def lines_of_preamble(preamble: str, whole: str) -> range:
    """The lines, counted from 1, of a program that is run which are none of the model's."""
    at = whole.find(_whole(preamble)) if preamble else -1
    if at < 0:
        return range(0)
    first = whole.count("\n", 0, at) + 1
    return range(first, first + _whole(preamble).count("\n"))


def without_preamble(preamble: str, whole: str) -> str:
    """What the model wrote of a program that is run."""
    return whole.replace(_whole(preamble), "", 1) if preamble else whole


def _whole(preamble: str) -> str:
    """It ends where a line does."""
    return preamble if preamble.endswith("\n") else f"{preamble}\n"
