"""Chooses the program among the code blocks of a reply, or says why none of them is one."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from jobs.extracted import ExtractionOutcome
from jobs.languages import Language
from worker.sandbox.languages import ROWS

from .fences import Block
from .repairs import mended, typed_into_session
from .syntax import LOOKED_AT_CHARACTERS, Syntax
from .unfenced import longest_program

_PATCH_HEADER = re.compile(
    r"\s*(?:diff --git |--- \S.*\n\+\+\+ |@@ -\d|<{5,9} ?[A-Z]|\*\*\* Begin Patch)"
)
_PATCH_LABELS = ("diff", "patch")


@dataclass(frozen=True)
class Chosen:
    """The program that was chosen."""

    code: str
    rule: str
    """How it was chosen, in words."""
    is_closed: bool
    """Whether the end of every block in it was marked."""


@dataclass(frozen=True)
class _Candidate:
    code: str
    repairs: str
    is_closed: bool
    names: frozenset[str]
    imports: frozenset[str]
    is_second_try: bool
    lines: str
    """Its lines without their margins; empty where it is too long for an excerpt."""

    def is_part_of(self, other: "_Candidate") -> bool:
        """Whether its lines stand in the other one, however indented: an excerpt, shown to be explained."""
        return self.code == other.code or bool(self.lines and self.lines in other.lines)

    def supersedes(self, earlier: "_Candidate") -> bool:
        if earlier.is_part_of(self):
            return True
        if earlier.names:
            return earlier.names <= self.names
        return self.is_second_try and earlier.imports <= self.imports


def choose(blocks: Sequence[Block], language: Language, syntax: Syntax) -> Chosen | None:
    """The program in these blocks, or None where there is none to run.

    Blocks labelled with the language win over blocks without a label, which have to look like programs: what comes
    after a program without a label is its output.
    """
    if _files_of(blocks, syntax):
        return None
    labelled = [block for block in blocks if language in block.label.languages]
    bare = [block for block in blocks if _is_bare_program(block, syntax)]
    return _best(labelled, "labelled block", syntax) or _best(bare, "unlabelled block", syntax)


def why_none(
    blocks: Sequence[Block], language: Language, syntax: Syntax
) -> tuple[str, ExtractionOutcome]:
    """Why `choose` found nothing, in one line, and what that is called."""
    if files := _files_of(blocks, syntax):
        listed = ", ".join(files)
        return f"the program is spread over several files ({listed}); one is needed", "no_code"
    if any(block.label.word in _PATCH_LABELS or _is_patch(block.code) for block in blocks):
        return "the reply is a patch, not a whole program", "no_code"
    ours = [block for block in blocks if language in block.label.languages]
    if any(_breaks_off(block, syntax) for block in ours):
        return "the program breaks off: its code block has no end", "truncated"
    if ours:
        return "the code block does nothing when it runs", "no_code"
    return _of_other_languages(blocks, language)


def _of_other_languages(
    blocks: Sequence[Block], language: Language
) -> tuple[str, ExtractionOutcome]:
    shown = sorted({block.label.shown for block in blocks if block.label.word})
    if not shown:
        return f"no code block is a program in {ROWS[language].title}", "no_code"
    is_code = any(block.label.languages for block in blocks)
    why = (
        f"the only code block is {shown[0]}"
        if len(blocks) == 1
        else f"the code blocks are {_listed(shown)}"
    )
    return why, "wrong_language" if is_code else "no_code"


def _breaks_off(block: Block, syntax: Syntax) -> bool:
    return not block.is_closed and not syntax.could_run(block.code)


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else f"all {words[0]}"


def _is_bare_program(block: Block, syntax: Syntax) -> bool:
    return not block.label.says_something and syntax.is_program(mended(block.code, syntax)[0])


def _is_patch(code: str) -> bool:
    lines = [line for line in code[:LOOKED_AT_CHARACTERS].split("\n") if line.strip()]
    is_marked = all(line[0] in "+- " for line in lines) and any(line[0] != " " for line in lines)
    return is_marked or _PATCH_HEADER.match(code) is not None


def _files_of(blocks: Sequence[Block], syntax: Syntax) -> list[str]:
    """The files that the program is spread over: one block loads another by the name of its file."""
    stems = {block.file_stem for block in blocks if block.file_stem}
    if len(stems) < 2:
        return []
    loaded = chain.from_iterable(
        syntax.imports(block.code) - {block.file_stem} for block in blocks if block.label.languages
    )
    return sorted(stems) if stems & set(loaded) else []


def _best(blocks: Sequence[Block], kind: str, syntax: Syntax) -> Chosen | None:
    blocks = [block for block in blocks if not _is_patch(block.code)]
    candidates = [_candidate(block, syntax) for block in blocks]
    runnable = [
        one for one in candidates if syntax.could_run(one.code) and syntax.does_something(one.code)
    ]
    if runnable:
        return _joined(runnable, kind)
    return _rescued(blocks, kind, syntax) or _broken(candidates, kind, syntax)


def _candidate(block: Block, syntax: Syntax) -> _Candidate:
    code, repairs = mended(block.code, syntax)
    names, imports = syntax.names(code), syntax.imports(code)
    is_second_try, lines = block.is_second_try, _lines_of(code)
    return _Candidate(code, repairs, block.is_closed, names, imports, is_second_try, lines)


def _lines_of(code: str) -> str:
    if len(code) > LOOKED_AT_CHARACTERS:
        return ""
    return "\n".join(["", *(line.strip() for line in code.strip().split("\n")), ""])


def _joined(candidates: Sequence[_Candidate], kind: str) -> Chosen:
    kept: list[_Candidate] = []
    for number, one in enumerate(candidates):
        is_redone = any(later.supersedes(one) for later in candidates[number + 1 :])
        if not is_redone and not any(one.is_part_of(earlier) for earlier in kept):
            kept.append(one)
    rules = [kind if len(kept) == 1 else f"{len(kept)} {kind}s joined"]
    rules += ["drafts dropped"] if len(kept) < len(candidates) else []
    rules += sorted({one.repairs for one in kept if one.repairs})
    return Chosen(
        "\n".join(one.code for one in kept), ", ".join(rules), all(one.is_closed for one in kept)
    )


def _rescued(blocks: Sequence[Block], kind: str, syntax: Syntax) -> Chosen | None:
    for block in blocks:
        typed = typed_into_session(block.code)
        if syntax.is_whole_program(typed):
            return Chosen(typed, f"{kind}, lines typed into a session", block.is_closed)
        part = None if block.is_closed else longest_program(block.code, syntax)
        if part is not None:
            return Chosen(part, f"{kind}, up to where prose begins", is_closed=False)
    return None


def _broken(candidates: Sequence[_Candidate], kind: str, syntax: Syntax) -> Chosen | None:
    # It goes to the sandbox all the same: the interpreter's own words are the best feedback.
    # Half a program is not worth a run: nobody meant it.
    broken = [one for one in candidates if one.is_closed and not syntax.could_run(one.code)]
    longest = max(broken, key=lambda one: len(one.code), default=None)
    if longest is None:
        return None
    return Chosen(longest.code, f"{kind} that does not compile", longest.is_closed)
