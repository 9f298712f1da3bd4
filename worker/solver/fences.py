"""Finds the code blocks of a reply: CommonMark fences, and the ways in which models miss them.

A block ends at the first closing fence after which it could run, so that a fence inside a string does not cut a
program in two; where nothing could run, at the first closing fence.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from .labels import Label, file_stem_of, label_of

# Each of these keeps the work linear for any text.
_MAX_MARKS = 500
_MAX_BLOCKS = 64
_MAX_ENDS_TRIED = 8
_MAX_ENDS_TRIED_UNLABELLED = 3
_LINE_CHARACTERS = 300

# Runs of mixed signs are sorted out later: a backreference here would take longer than all the rest.
_RUN = re.compile(r"[`~]{3,}")
_BEFORE_OPENER = re.compile(r"[ \t]*(?:>[ \t]?)*[ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?")
_BEFORE_CLOSER = re.compile(r"[ \t>]*")
_NOT_QUOTE_NOR_TAB = re.compile(r"[^>\t]")
# Documents around code: what they hold is looked at as if they were not there.
_TRANSPARENT = ("markdown", "md", "mdx")

_SECOND_TRY = re.compile(
    r"\b(?:corrected|fixed|revised|improved|updated|final|instead|better|alternative(?:ly)?|wait|actually"
    r"|(?:option|version|approach|attempt) [2-9b-d])\b",
    re.IGNORECASE,
)

CouldRun = Callable[[Label, str], bool]


@dataclass(frozen=True)
class Block:
    """One code block."""

    label: Label
    code: str
    is_closed: bool = True
    """Whether its end was marked."""
    file_stem: str = ""
    """The name of the file it is said to be, without its ending; empty where none is said."""
    is_second_try: bool = False
    """Whether the line above says that it stands in place of what came before."""


@dataclass(frozen=True)
class _Mark:
    """A run of backticks or tildes, and the line it stands on."""

    sign: str
    length: int
    start: int
    end: int
    line_start: int
    line_end: int
    before: str
    """The line up to the run; of a long line only its end, marked so that it is never taken for white space."""
    after: str
    """The start of what follows the run on its line."""

    def closes(self, opener: "_Mark") -> bool:
        return self.sign == opener.sign and self.length >= opener.length

    @property
    def starts_line(self) -> bool:
        return _BEFORE_OPENER.fullmatch(self.before) is not None

    @property
    def next_line(self) -> int:
        return self.line_end + 1


@dataclass(frozen=True)
class _End:
    code_end: int
    resume_at: int
    is_closed: bool = True


def fenced_blocks(text: str, could_run: CouldRun) -> list[Block]:
    """The blocks between fences, in order; `could_run` decides between possible ends."""
    return list(islice(_scan(text, list(_marks(text)), could_run), _MAX_BLOCKS))


def _marks(text: str) -> Iterator[_Mark]:
    if "```" not in text and "~~~" not in text:
        return
    line_start, line_end = 0, -1
    for run in islice(_RUN.finditer(text), _MAX_MARKS):
        start, end = run.span()
        if run[0].strip(run[0][0]):
            continue
        if start > line_end:
            line_start = max(text.rfind("\n", line_end + 1, start), line_end) + 1
            line_end = text.find("\n", end)
            line_end = len(text) if line_end < 0 else line_end
        cut = max(line_start, start - _LINE_CHARACTERS)
        yield _Mark(
            sign=run[0][0],
            length=end - start,
            start=start,
            end=end,
            line_start=line_start,
            line_end=line_end,
            before=("…" if cut > line_start else "") + text[cut:start],
            after=text[end : min(line_end, end + _LINE_CHARACTERS)],
        )


def _scan(text: str, marks: Sequence[_Mark], could_run: CouldRun) -> Iterator[Block]:
    resume_at = 0
    for number, mark in enumerate(marks):
        if mark.start < resume_at:
            continue
        found = _in_one_line(text, marks, number) or _over_lines(text, marks, number, could_run)
        if found is not None:
            block, resume_at = found
            yield block


def _in_one_line(text: str, marks: Sequence[_Mark], number: int) -> tuple[Block, int] | None:
    opener = marks[number]
    closer = marks[number + 1] if number + 1 < len(marks) else None
    if closer is None or closer.line_start != opener.line_start or not closer.closes(opener):
        return None
    inner = text[opener.end : closer.start].strip()
    word, _, rest = inner.partition(" ")
    label = label_of(word)
    if label.is_known and rest.strip():
        return Block(label, f"{rest.strip()}\n"), closer.end
    if inner and opener.starts_line and not closer.after.strip():
        return Block(label_of(""), f"{inner}\n"), closer.end
    return None


def _over_lines(
    text: str, marks: Sequence[_Mark], number: int, could_run: CouldRun
) -> tuple[Block, int] | None:
    opener = marks[number]
    label = label_of(opener.after)
    if label.word in _TRANSPARENT or not _opens(opener, label):
        return None
    margin = _margin(opener)
    end, code = _end_of(text, marks, number, label, margin, could_run)
    if not label.word:
        label, code = _label_inside(code)
    if not code.strip() and label.languages:
        code = _code_beside(opener.after)
    above = _line_above(text, opener)
    stem = file_stem_of(opener.after, above, code.partition("\n")[0])
    is_second_try = _SECOND_TRY.search(above) is not None
    return Block(label, code, end.is_closed, stem, is_second_try), end.resume_at


def _opens(mark: _Mark, label: Label) -> bool:
    if mark.starts_line:
        return mark.sign == "~" or "`" not in mark.after
    info = mark.after.strip()
    # Glued to the end of a sentence: only what cannot be an inline mention of a fence.
    return mark.sign == "`" and (
        (label.is_known and info.lower() == label.word)
        or (not info and mark.before.rstrip().endswith(":"))
    )


def _margin(opener: _Mark) -> str:
    return _NOT_QUOTE_NOR_TAB.sub(" ", opener.before) if opener.starts_line else ""


def _end_of(
    text: str,
    marks: Sequence[_Mark],
    number: int,
    label: Label,
    margin: str,
    could_run: CouldRun,
) -> tuple[_End, str]:
    start = min(marks[number].next_line, len(text))
    ends = [*_ends(marks, number, label), _End(len(text), len(text), is_closed=False)]
    for end in ends:
        code = _content(text[start : end.code_end], margin)
        if could_run(label, code):
            return end, code
    return ends[0], _content(text[start : ends[0].code_end], margin)


def _ends(marks: Sequence[_Mark], number: int, label: Label) -> Iterator[_End]:
    """Clean closing fences and the openers of next blocks in order, then ends that are glued to other text."""
    opener, n_tried = marks[number], _MAX_ENDS_TRIED if label.word else _MAX_ENDS_TRIED_UNLABELLED
    for kind in (_clean_ends, _glued_ends):
        later = (mark for mark in islice(marks, number + 1, None) if mark.closes(opener))
        yield from islice(kind(later), n_tried)


def _clean_ends(later: Iterable[_Mark]) -> Iterator[_End]:
    for mark in later:
        if _BEFORE_CLOSER.fullmatch(mark.before) and not mark.after.strip():
            yield _End(mark.line_start, mark.next_line)
        elif mark.starts_line and label_of(mark.after).is_known:
            yield _End(mark.line_start, mark.start, is_closed=False)


def _glued_ends(later: Iterable[_Mark]) -> Iterator[_End]:
    for mark in later:
        if not mark.after.strip() or _BEFORE_CLOSER.fullmatch(mark.before):
            yield _End(mark.start, mark.next_line)


def _content(code: str, margin: str) -> str:
    if margin:
        code = f"\n{code}".replace(f"\n{margin}", "\n")[1:]
        if ">" in margin:
            code = f"\n{code}".replace(f"\n{margin.rstrip()}", "\n")[1:]
    return code if not code or code.endswith("\n") else f"{code}\n"


def _code_beside(info: str) -> str:
    """What stands behind the label of a fence with nothing below it: code that lost its line break."""
    _, _, rest = info.strip().partition(" ")
    return f"{rest.strip()}\n" if rest.strip() else ""


def _label_inside(code: str) -> tuple[Label, str]:
    first, _, rest = code.partition("\n")
    label = label_of(first)
    # The label fell to the line below its fence: as a program it would be a bare name, or start a shell.
    if label.languages and first.strip().lower() == label.word and rest.strip():
        return label, rest
    return label_of(""), code


def _line_above(text: str, opener: _Mark) -> str:
    if not opener.starts_line:
        return opener.before
    above = text[max(0, opener.line_start - _LINE_CHARACTERS) : opener.line_start]
    return above.rstrip().rpartition("\n")[2]
