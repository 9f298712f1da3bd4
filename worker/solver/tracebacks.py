"""Reads the error that ended a program out of its standard error."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from jobs.languages import Language
from worker.sandbox.building import LIMIT_WORDS
from worker.sandbox.languages import ROWS, ErrorForm

_TAIL_CHARACTERS = 16_384
_SUMMARY_CHARACTERS = 300
_LINE_DIGITS = 9

_HEADER = re.compile(r"^(?:Traceback| {2}\+ Exception Group Traceback) \(most recent call last\):$")
_GROUP_MARGIN = "  | "
_PYTHON_FRAME = re.compile(r'^ {2}File "(?:.*/)?program\.py", line (\d+)(?:, in (.+))?$')
_PYTHON_PLACE = re.compile(r'^ {2}File "')
_NODE_PLACE = re.compile(r"^\S*program\.[cm]?[jt]s:(\d+)$")
_NODE_ERROR = re.compile(r"^(?:Uncaught )?((?:[A-Za-z_$][\w$.]*)?Error)\b(?: \[\w+\])?(?::|$)")
_NODE_FRAME = re.compile(
    r"^ {4}at (?:(?:async )?(\S.*) \()?(?:file://)?\S*program\.[cm]?[jt]s:(\d+):\d+\)?"
)
# What the sandbox makes `console.assert` throw is a plain Error: only its frame tells it from others.
_NODE_CONSOLE_ASSERT = "    at console.assert "


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
    is_assertion: bool = False
    """Whether a stated expectation failed, rather than anything else."""


def failure_of(stderr: str, language: Language) -> Failure | None:
    """The last error that `stderr` reports, or None where it reports none in the language's own form.

    The program writes to the same stream, so this informs people and models and never decides what is right.
    """
    lines = stderr[-_TAIL_CHARACTERS:].replace("\r\n", "\n").split("\n")
    match language:
        case Language.PYTHON:
            return _python_failure(lines)
        case Language.JAVASCRIPT | Language.TYPESCRIPT:
            return _node_failure(lines)
        case _:
            head = stderr[:_TAIL_CHARACTERS].replace("\r\n", "\n").split("\n")
            form = ROWS[language].errors
            found = _run_failure(lines, form) or _compile_failure(head, lines, form)
            # A long trace of calls stands below its error.
            return found or _run_failure(head, form)


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
    name = report[end].partition(":")[0].strip()
    return Failure(
        name=name,
        summary=one_line(report[end]),
        report="\n".join(lines[start:]).rstrip(),
        frames=_python_frames(report[:end]),
        is_assertion=name.endswith("AssertionError"),
    )


def _line_in(digits: str) -> int:
    """The number of a line. A program may write one that Python would refuse to read."""
    return int(digits[:_LINE_DIGITS])


def _python_frames(report: list[str]) -> tuple[Frame, ...]:
    frames = []
    for line, below in zip(report, [*report[1:], ""], strict=True):
        if found := _PYTHON_FRAME.match(line):
            source = below.strip() if below.startswith("    ") else ""
            frames.append(Frame(_line_in(found[1]), found[2] or "", source))
    return tuple(frames)


def _node_failure(lines: list[str]) -> Failure | None:
    start = _last_index(lines, _NODE_ERROR)
    found = _NODE_ERROR.match(lines[start]) if start is not None else None
    if start is None or found is None:
        return None
    message = list(takewhile(lambda line: not line.startswith("    at "), lines[start:]))
    stack = list(takewhile(lambda line: line.startswith("    at "), lines[start + len(message) :]))
    place = _last_index(lines[:start], _NODE_PLACE)
    return Failure(
        name=found[1],
        summary=one_line(" ".join(message)),
        report="\n".join(lines[start if place is None else place :]).rstrip(),
        frames=_node_frames(stack) or _node_place(lines, place),
        is_assertion=found[1].endswith("AssertionError") or _is_console_assert(message, stack),
    )


def _is_console_assert(message: list[str], stack: list[str]) -> bool:
    return "Assertion failed" in message[0] or (
        bool(stack) and stack[0].startswith(_NODE_CONSOLE_ASSERT)
    )


def _node_frames(stack: list[str]) -> tuple[Frame, ...]:
    found = (_NODE_FRAME.match(line) for line in reversed(stack))
    return tuple(Frame(_line_in(one[2]), one[1] or "", "") for one in found if one)


def _node_place(lines: list[str], place: int | None) -> tuple[Frame, ...]:
    # A syntax error has no stack in the program, only the place above it.
    if place is None:
        return ()
    return (Frame(_line_in(lines[place].rpartition(":")[2]), "", lines[place + 1].strip()),)


def _run_failure(lines: list[str], form: ErrorForm) -> Failure | None:
    """The last error of a running program, by the table."""
    place = None if form.run is None else _last_index(lines, form.run)
    found = form.run.match(lines[place]) if form.run and place is not None else None
    if place is None or found is None:
        return None
    groups = {name: text for name, text in found.groupdict().items() if text}
    words = groups.get("words") or groups.get("words2")
    below = {} if words else _below(lines, place, form.continued)
    name = groups.get("name", "")
    said = words or below.get("words") or name or lines[place].strip()
    line = groups.get("line") or below.get("line")
    frames = _frames(lines[place + 1 :], form)
    if line and not (frames and frames[-1].line == _line_in(line)):
        frames = (*frames, Frame(_line_in(line), groups.get("function", ""), ""))
    return Failure(
        name=name,
        summary=one_line(f"{name}: {said}" if name and name not in said else said),
        report="\n".join(lines[place:]).rstrip(),
        frames=frames,
        is_assertion=bool(form.assertion and form.assertion.search(f"{lines[place]} {said}")),
    )


def _compile_failure(head: list[str], tail: list[str], form: ErrorForm) -> Failure | None:
    """The first error of a compiler, by the table; that it ran into a limit of its own it says last."""
    if form.compile is None:
        return None
    for line in tail:
        if line.startswith(LIMIT_WORDS):
            words = line.partition(": ")[2]
            return Failure("compiler", one_line(f"compiler: {words}"), line, ())
    place = next((n for n, line in enumerate(head) if form.compile.match(line)), None)
    found = form.compile.match(head[place]) if place is not None else None
    if place is None or found is None:
        return None
    groups = {name: text for name, text in found.groupdict().items() if text}
    below = {**_below(head, place, form.place), **_below(head, place + 1, form.place)}
    line_number = groups.get("line") or below.get("line")
    said = groups.get("words") or groups.get("link") or groups.get("linker") or found[0]
    name = groups.get("name", "error")
    return Failure(
        name=name,
        summary=one_line(f"line {line_number}: {said}" if line_number else f"{name}: {said}"),
        report="\n".join(head[place:]).rstrip(),
        frames=(Frame(_line_in(line_number), "", ""),) if line_number else (),
    )


def _below(lines: list[str], place: int, pattern: re.Pattern[str] | None) -> dict[str, str]:
    """What the line below says, where there is one of the kind."""
    if pattern is None or place + 1 >= len(lines):
        return {}
    found = pattern.match(lines[place + 1])
    return {} if found is None else {name: text or "" for name, text in found.groupdict().items()}


def _frames(lines: list[str], form: ErrorForm) -> tuple[Frame, ...]:
    """The innermost last, as everywhere."""
    if form.frame is None:
        return ()
    frames = []
    for above, line in zip(["", *lines], lines, strict=False):
        found = form.frame.match(line)
        if found is None:
            continue
        named = found if form.frame_name is None else form.frame_name.match(above)
        function = named.groupdict().get("function") if named else ""
        frames.append(Frame(_line_in(found["line"]), function or "", ""))
    return tuple(reversed(frames))


def _last_index(lines: Sequence[str], pattern: re.Pattern[str]) -> int | None:
    return next((n for n in range(len(lines) - 1, -1, -1) if pattern.match(lines[n])), None)
