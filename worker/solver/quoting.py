"""Makes what a program printed fit to be shown to a model: short, printable, and fenced in."""

import re

_HEAD_CHARACTERS = 1_024
_TAIL_CHARACTERS = 3_072
# What is cleaned at all: a program may print 64 MiB, and all but the ends is dropped anyway.
_WINDOW_CHARACTERS = 65_536

_ESCAPE_SEQUENCES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)|[@-Z\\-_])"
)
_KEPT = "\n\t"
_CONTROL_CHARACTERS = {n: None for n in (*range(32), *range(127, 160)) if chr(n) not in _KEPT}
_REPEATED_LINE = re.compile(r"^(.*\n)\1{2,}", re.MULTILINE)
_BACKTICKS = re.compile(r"`+")


def fenced(text: str) -> str:
    """`text` between fences that are longer than any run of backticks inside it."""
    longest = max((len(run) for run in _BACKTICKS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text.rstrip()}\n{fence}"


def shortened(text: str) -> str:
    """The head and the tail of `text`, about 4 KiB in all, without control characters and repetition.

    What was left out is said where it was left out.
    """
    if len(text) <= 2 * _WINDOW_CHARACTERS:
        head = tail = _clean(text)
        if len(head) <= _HEAD_CHARACTERS + _TAIL_CHARACTERS:
            return head
    else:
        head, tail = _clean(text[:_WINDOW_CHARACTERS]), _clean(text[-_WINDOW_CHARACTERS:])
    head, tail = _head_of(head), _tail_of(tail)
    omitted = len(text) - len(head) - len(tail)
    return f"{head}\n… about {omitted:,} characters omitted …\n{tail}"


def _clean(text: str) -> str:
    plain = _ESCAPE_SEQUENCES.sub("", text.replace("\r\n", "\n")).translate(_CONTROL_CHARACTERS)
    return _REPEATED_LINE.sub(_collapse, plain)


def _collapse(found: re.Match[str]) -> str:
    line = found[1]
    return f"{line}… the line above {len(found[0]) // len(line):,} times in all\n"


def _head_of(text: str) -> str:
    part = text[:_HEAD_CHARACTERS]
    return part[: part.rfind("\n")] if "\n" in part else part


def _tail_of(text: str) -> str:
    part = text[-_TAIL_CHARACTERS:]
    return part[part.find("\n") + 1 :] if "\n" in part.rstrip("\n") else part
