"""How a command says that it cannot do what it was asked: the form that every error keeps."""

import re
from dataclasses import dataclass

from tests.standin.running import GOOD_KEY

from .project import Ended

_FIRST = re.compile(r"^error\[(?P<kind>[a-z-]+)\]: (?P<message>.+)$", re.MULTILINE)
_LAST = re.compile(r"^  (?:(?P<note>.+); )?exit (?P<code>\d+)(?P<retry>, safe to try again)?$")


@dataclass(frozen=True)
class Told:
    """An error as a person, or a program, was told it."""

    kind: str
    message: str
    body: str
    """Everything below the first line: facts, fixes, and what state things were left in."""
    note: str
    code: int
    retryable: bool


def told_by(ended: Ended) -> Told:
    """The error on standard error: one line of what, labelled lines of why and how, one of what it came to."""
    assert ended.out == "", "an error is talk, not data"
    return _told_in(ended)


def told_as_json_by(ended: Ended) -> Told:
    """The error as `--json` tells it: one object on standard output, and nothing beside it."""
    assert set(ended.json()) == {"error"}
    error = ended.json()["error"]
    assert set(error) == {"kind", "message", "facts", "hint", "note", "exit", "retryable"}
    _assert_discreet(ended)
    assert "error[" not in ended.err, "once is enough"
    assert error["exit"] == ended.code
    lines = [*(f"{label}  {fact}" for label, fact in error["facts"].items()), *error["hint"]]
    return Told(
        kind=error["kind"],
        message=error["message"],
        body="\n".join(lines),
        note=error["note"],
        code=error["exit"],
        retryable=error["retryable"],
    )


def _told_in(ended: Ended) -> Told:
    _assert_discreet(ended)
    first = _FIRST.search(ended.err)
    assert first is not None, ended.err
    *body, end = ended.err[first.end() :].strip("\n").split("\n")
    last = _LAST.fullmatch(end)
    assert last is not None, ended.err
    assert not first["message"].endswith(".")
    assert all(line.startswith("  ") for line in body), "what belongs to an error is set in"
    assert int(last["code"]) == ended.code
    return Told(
        kind=first["kind"],
        message=first["message"],
        body="\n".join(body),
        note=last["note"] or "",
        code=ended.code,
        retryable=last["retry"] is not None,
    )


def _assert_discreet(ended: Ended) -> None:
    assert "Traceback" not in ended.said
    assert GOOD_KEY not in ended.said
