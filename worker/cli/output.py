"""The only place that writes to the terminal: data to standard output, talk to standard error."""

import json
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Self, TextIO

from config.escaping import escaped_block, escaped_json
from jobs.errors import PromptmillError

from .errors import OutputError

_LABEL_WIDTH = 10


def emit(text: str) -> None:
    """Write a line of data. What models and programs wrote must go through `config.escaping` first.

    Here and below, what nobody reads any more is dropped, and that is no error.

    Raises:
        OutputError: standard output does not take it.
    """
    _print(text)


def emit_json(value: object) -> None:
    """Write one JSON value as data."""
    _print(json_text(value))


def json_text(value: object) -> str:
    """A value as JSON for people, with every control character in it spelled out."""
    return escaped_json(json.dumps(value, ensure_ascii=False, indent=2))


def emit_json_line(value: object) -> None:
    """Write one JSON value as data, on a line of its own: more of them follow."""
    _print(escaped_json(json.dumps(value, ensure_ascii=False)))


class JsonArray:
    """Writes one JSON array as data, value by value: it may hold more than memory does."""

    def __init__(self) -> None:
        self._n = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            _print("\n]" if self._n else "[]")

    def add(self, value: object) -> None:
        """Write the next value."""
        text = json.dumps(value, ensure_ascii=False, indent=2).replace("\n", "\n  ")
        _print(f"{',' if self._n else '['}\n  {escaped_json(text)}", end="")
        self._n += 1


def talk(text: str = "") -> None:
    """Tell the person something that is not data."""
    try:
        _write(text, sys.stderr)
    except OSError:
        # There is nowhere left to say so, and the command has more to do than to talk.
        _forget(sys.stderr)


def talk_box(title: str, lines: Iterable[str]) -> None:
    """Tell the person something that must not be overlooked."""
    kept = list(lines)
    width = max(len(line) for line in (title, *kept))
    talk(f"┌ {title} {'─' * (width - len(title))}┐")
    for line in kept:
        talk(f"│ {line:<{width}} │")
    talk(f"└{'─' * (width + 2)}┘")


def counted(n: int, thing: str) -> str:
    """`1 job`, `2 jobs`."""
    return f"{n} {thing}" if n == 1 else f"{n} {thing}s"


def pass_on(raw: bytes, stream: TextIO | None) -> None:
    """Write what a program wrote: as it is for a program to read, spelled out on a terminal, on lines of its own.

    Raises:
        OutputError: standard output does not take it. Where standard error does not, nobody can be told.
    """
    if stream is None or not raw:
        # It was closed before we were started, and nobody wants it; or there is nothing to write.
        return
    try:
        if not stream.isatty():
            stream.flush()
            stream.buffer.write(raw)
        else:
            end = "" if raw.endswith(b"\n") else "\n"
            stream.write(escaped_block(raw.decode("utf-8", "replace")) + end)
        stream.flush()
    except BrokenPipeError:
        _forget(stream)
    except OSError as error:
        _forget(stream)
        if stream is sys.stdout:
            raise OutputError(
                f"the program's output cannot be written: {error.strerror}"
            ) from error


def is_terminal() -> bool:
    """Whether somebody watches: standard error is a terminal that can redraw a line."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")


def is_piped() -> bool:
    """Whether it is a program, or a file, that reads what is written as data."""
    return not sys.stdout.isatty()


def show_error(error: PromptmillError, *, as_json: bool) -> None:
    """Say what happened, from where, and what to do; as JSON on standard output for programs, if it takes that."""
    if as_json and not isinstance(error, OutputError):
        with suppress(OutputError):
            emit_json({"error": _as_object(error)})
            return
    retry = ", safe to try again" if error.retryable else ""
    talk(f"error[{error.kind}]: {escaped_block(error.message)}")
    for label, fact in error.facts.items():
        _talk_labelled(label, fact)
    for number, fix in enumerate(error.fixes):
        _talk_labelled("fix" if number == 0 else "", fix)
    talk(f"  {f'{error.note}; ' if error.note else ''}exit {error.exit_code.value}{retry}")


def _print(text: str, end: str = "\n") -> None:
    try:
        _write(text, sys.stdout, end)
    except OSError as error:
        # Else what it still holds would be tried again at the very end.
        _forget(sys.stdout)
        raise OutputError(f"standard output cannot be written: {error.strerror}") from error


def _write(text: str, stream: TextIO, end: str = "\n") -> None:
    try:
        # Flushed here, where an error still finds somebody to tell it to.
        print(text, file=stream, flush=True, end=end)
    except BrokenPipeError:
        _forget(stream)


def _forget(stream: TextIO) -> None:
    """Write nothing more to it.

    Whoever read it has seen enough, as in `promptmill job list | head`. The command has more to do than to
    write, and its code says how that went.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _talk_labelled(label: str, text: str) -> None:
    first, *rest = escaped_block(text).split("\n")
    talk(f"  {label:<{_LABEL_WIDTH}}{'' if len(label) < _LABEL_WIDTH else '  '}{first}")
    for line in rest:
        talk(f"  {'':<{_LABEL_WIDTH}}{line}")


def _as_object(error: PromptmillError) -> dict[str, object]:
    return {
        "kind": error.kind,
        "message": error.message,
        "facts": error.facts,
        "hint": list(error.fixes),
        "note": error.note,
        "exit": error.exit_code.value,
        "retryable": error.retryable,
    }
