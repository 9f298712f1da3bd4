"""Reads the error that ended a program out of its standard error."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from jobs.languages import Language

_TAIL_CHARACTERS = 16_384
_SUMMARY_CHARACTERS = 300

_HEADER = re.compile(r"^(?:Traceback| {2}\+ Exception Group Traceback) \(most recent call last\):$")
_GROUP_MARGIN = "  | "
_PYTHON_FRAME = re.compile(r'^ {2}File "(?:.*/)?program\.py", line (\d+)(?:, in (.+))?$')
_PYTHON_PLACE = re.compile(r'^ {2}File "')
_NODE_PLACE = re.compile(r"^\S*program\.[cm]?js:(\d+)$")
_NODE_ERROR = re.compile(r"^(?:Uncaught )?([A-Za-z_$][\w$.]*Error)\b(?: \[\w+\])?(?::|$)")
_SH_ERROR = re.compile(r"^\S*program\.sh: (?:line )?(\d+): (.+)$")


@dataclass(frozen=True)
class Frame:
    """One place in the program's own file, which the tests continue where there are any."""

    line: int
    """From 1."""
    function: str
    """Empty where the language does not say."""
    source: str
    """The line as the error report shows it; empty where it shows none."""


@dataclass(frozen=True)
class Failure:
    """The error that ended a program, as far as its standard error tells."""

    name: str
    """The error's type as written; empty where the language has none."""
    summary: str
    """The error in one line."""
    report: str
    """The end of the error report: a traceback, or the line itself."""
    frames: tuple[Frame, ...]
    """Places in the program's own file, the innermost last."""

    @property
    def is_assertion(self) -> bool:
        """Whether a stated expectation failed, rather than anything else."""
        return self.name.endswith("AssertionError") or "Assertion failed" in self.summary


def failure_of(stderr: str, language: Language) -> Failure | None:
    """The last error that `stderr` reports, or None where it reports none in the language's own form.

    The program writes to the same stream, so this informs people and models and never decides what is right.
    """
    lines = stderr[-_TAIL_CHARACTERS:].replace("\r\n", "\n").split("\n")
    match language:
        case Language.PYTHON:
            return _python_failure(lines)
        case Language.JAVASCRIPT:
            return _node_failure(lines)
        case Language.SH:
            return _sh_failure(lines)
        case _:
            assert_never(language)


def one_line(text: str) -> str:
    """`text` as one printable line of bounded length."""
    flat = "".join(sign if sign.isprintable() else " " for sign in text[: 2 * _SUMMARY_CHARACTERS])
    words = " ".join(flat.split())
    return words if len(words) <= _SUMMARY_CHARACTERS else words[: _SUMMARY_CHARACTERS - 1] + "…"


def _python_failure(lines: list[str]) -> Failure | None:
    start = _last_index(lines, _HEADER)
    if start is None:
        # A syntax error has no header, only the place.
        start = _last_index(lines, _PYTHON_PLACE)
    if start is None:
        return None
    report = [line.removeprefix(_GROUP_MARGIN) for line in lines[start:]]
    end = next((n for n, line in enumerate(report[1:], 1) if line[:1].strip()), None)
    if end is None:
        return None
    return Failure(
        name=report[end].partition(":")[0].strip(),
        summary=one_line(report[end]),
        report="\n".join(lines[start:]).rstrip(),
        frames=_python_frames(report[:end]),
    )


def _python_frames(report: list[str]) -> tuple[Frame, ...]:
    frames = []
    for line, below in zip(report, [*report[1:], ""], strict=True):
        if found := _PYTHON_FRAME.match(line):
            source = below.strip() if below.startswith("    ") else ""
            frames.append(Frame(int(found[1]), found[2] or "", source))
    return tuple(frames)


def _node_failure(lines: list[str]) -> Failure | None:
    start = _last_index(lines, _NODE_ERROR)
    found = _NODE_ERROR.match(lines[start]) if start is not None else None
    if start is None or found is None:
        return None
    message = []
    for line in lines[start:]:
        if line.startswith("    at "):
            break
        message.append(line)
    place = _last_index(lines[:start], _NODE_PLACE)
    return Failure(
        name=found[1],
        summary=one_line(" ".join(message)),
        report="\n".join(lines[start if place is None else place :]).rstrip(),
        frames=() if place is None else (_node_frame(lines, place),),
    )


def _node_frame(lines: list[str], place: int) -> Frame:
    number = lines[place].rpartition(":")[2]
    return Frame(int(number), "", lines[place + 1].strip())


def _sh_failure(lines: list[str]) -> Failure | None:
    place = _last_index(lines, _SH_ERROR)
    found = _SH_ERROR.match(lines[place]) if place is not None else None
    if place is None or found is None:
        return None
    return Failure("", one_line(found[2]), lines[place], (Frame(int(found[1]), "", ""),))


def _last_index(lines: Sequence[str], pattern: re.Pattern[str]) -> int | None:
    return next((n for n in range(len(lines) - 1, -1, -1) if pattern.match(lines[n])), None)
