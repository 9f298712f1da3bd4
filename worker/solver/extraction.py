"""Finds the program in a model's reply, or says why there is none."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import assert_never

from jobs.calls import CallClass
from jobs.extracted import Extracted, ExtractionOutcome
from jobs.extraction_policies import ExtractionPolicy
from jobs.languages import Language
from jobs.models import ModelReply

from .choice import choose, why_none
from .fences import Block, fenced_blocks
from .labels import Label
from .syntax import Syntax, syntax_of
from .unfenced import (
    json_block,
    json_in_prose,
    plain_program,
    scanned_characters,
    tagged_blocks,
)

POLICIES = {
    ExtractionPolicy.STRUCTURE_FIRST: "structure-first/1",
    ExtractionPolicy.FIRST_FENCE: "first-fence/1",
    ExtractionPolicy.LAST_FENCE: "last-fence/1",
    ExtractionPolicy.WHOLE_REPLY: "whole-reply/1",
}
"""The rules by name, which every attempt keeps. A number grows whenever a reply may come to another program."""

_READ_CHARACTERS = 1_048_576

_THINKING = re.compile(r"<(/?)(?i:think|thinking|thought|reasoning)>")
_THINKING_ENDS = ("think>", "thinking>", "thought>", "reasoning>")
_MAX_THOUGHTS = 100
_MARGIN_CHARACTERS = 80


@dataclass(frozen=True)
class Extraction:
    """What was found in a reply."""

    code: str | None
    """The program, ending in a newline; None where there is none to run."""
    reason: str
    """Why there is no program, in one line; empty where there is one."""
    strategy: str
    """The rule that found the program, for people who wonder; empty where there is none."""
    outcome: ExtractionOutcome
    truncated: bool
    """The end of the program is missing or was never marked."""

    def kept(self, policy: ExtractionPolicy) -> Extracted:
        """What the record keeps of it, when it was found by these rules."""
        return Extracted(
            policy=POLICIES[policy],
            outcome=self.outcome,
            rule=self.strategy,
            truncated=self.truncated,
        )


def program_of(
    reply: ModelReply,
    language: Language,
    policy: ExtractionPolicy = ExtractionPolicy.STRUCTURE_FIRST,
) -> Extraction:
    """The program in a reply; `executableCode` parts win over text, the last one over the others.

    A reply that was blocked or cut has none, whatever it holds: half a program is never run.
    """
    reason = unusable_because(reply)
    if reason is not None:
        is_cut = reply.call_class is CallClass.TRUNCATED
        return _nothing(reason, "truncated" if is_cut else "no_code")
    # Gemini's own type knows no other language than Python.
    if language is Language.PYTHON and reply.code_parts:
        part = Block(Label(language.value, (language,)), reply.code_parts[-1].rstrip("\n") + "\n")
        return _from_blocks([part], language, syntax_of(language), "executableCode part")
    match policy:
        case ExtractionPolicy.STRUCTURE_FIRST:
            return extract(reply.text, language)
        case ExtractionPolicy.FIRST_FENCE | ExtractionPolicy.LAST_FENCE:
            return _from_one_fence(reply.text, language, policy)
        case ExtractionPolicy.WHOLE_REPLY:
            return _found(f"{_readable(reply.text).rstrip()}\n", "whole reply", truncated=False)
        case _:
            assert_never(policy)


def unusable_because(reply: ModelReply) -> str | None:
    """Why nothing in the reply can be used, in one line, or None where it can be read."""
    match reply.call_class:
        case CallClass.OK:
            return None
        case CallClass.BLOCKED_PROMPT:
            return f"the prompt was blocked ({reply.block_reason})"
        case CallClass.TRUNCATED if reply.finish_reason == "MAX_TOKENS":
            return "the reply was cut off at the token limit"
        case CallClass.TRUNCATED:
            return "the reply broke off"
        case CallClass.EMPTY:
            return "the reply is empty"
        case CallClass.UNKNOWN_FINISH if reply.text.strip() or reply.code_parts:
            return None
        case _:
            return f"the reply was stopped ({reply.finish_reason})"


def extract(reply: str, language: Language) -> Extraction:
    """The program in the text of a reply. It raises for no text, and takes bounded time for any.

    Structure wins over guesses: a JSON object, then fences, then tags, then plain text. Among blocks, those
    labelled with the language win; what could not run and drafts that were defined again are dropped; the rest is
    joined in order. Prose, patches, other languages and programs of several files are never run.
    """
    language = Language(language)
    syntax = syntax_of(language)
    text = _answer_in(reply)
    whole = json_block(text, language)
    if whole is not None:
        return _from_blocks([whole], language, syntax, "JSON object")
    fenced = _fenced_blocks(text, language, syntax)
    if fenced:
        return _from_blocks(fenced, language, syntax, "fences")
    tagged = _from_blocks(list(tagged_blocks(text)), language, syntax, "tags")
    if tagged.code is not None:
        return tagged
    plain = _from_plain_text(text, syntax)
    if plain.code is None and (block := json_in_prose(text, language)):
        return _from_blocks([block], language, syntax, "JSON object")
    return plain


def _from_blocks(
    blocks: Sequence[Block], language: Language, syntax: Syntax, place: str
) -> Extraction:
    chosen = choose(blocks, language, syntax)
    if chosen is None:
        return _nothing(*why_none(blocks, language, syntax))
    return _found(chosen.code, f"{place}: {chosen.rule}", truncated=not chosen.is_closed)


def _from_plain_text(text: str, syntax: Syntax) -> Extraction:
    plain = plain_program(text, syntax)
    if plain is None:
        return _nothing("the reply holds no program", "no_code")
    return _found(plain[0], f"plain text: {plain[1]}", truncated=False)


def _from_one_fence(reply: str, language: Language, policy: ExtractionPolicy) -> Extraction:
    """One block as it stands: nothing is joined, mended, or passed over because it could not run."""
    syntax = syntax_of(language)
    blocks = _fenced_blocks(_answer_in(reply), language, syntax)
    ours = [b for b in blocks if language in b.label.languages or not b.label.says_something]
    if not ours:
        return _nothing(*why_none(blocks, language, syntax))
    is_first = policy is ExtractionPolicy.FIRST_FENCE
    block = ours[0 if is_first else -1]
    which = "first" if is_first else "last"
    return _found(block.code, f"{which} of {len(ours)} fences", truncated=not block.is_closed)


def _found(code: str, strategy: str, *, truncated: bool) -> Extraction:
    return Extraction(code, "", strategy, "program", truncated)


def _nothing(reason: str, outcome: ExtractionOutcome) -> Extraction:
    return Extraction(None, reason, "", outcome, truncated=outcome == "truncated")


def _fenced_blocks(text: str, language: Language, syntax: Syntax) -> list[Block]:
    def could_run(label: Label, code: str) -> bool:
        # Of another language nothing can be said, and nothing needs to be.
        is_ours = language in label.languages or not label.word
        return not is_ours or syntax.could_run(code)

    blocks = [block for block in fenced_blocks(text, could_run) if block.code.strip()]
    if any(language in block.label.languages for block in blocks):
        return blocks
    return [json_block(block.code, language) or block for block in blocks]


def _readable(reply: str) -> str:
    # JSON may carry half a surrogate pair, which no file and no pipe takes.
    text = reply[:_READ_CHARACTERS].encode("utf-8", "replace").decode("utf-8")
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _answer_in(reply: str) -> str:
    """The reply with plain line ends and without the model's visible reasoning."""
    text = _readable(reply)
    lowered = text.lower() if "<" in text else ""
    if not any(end in lowered for end in _THINKING_ENDS):
        return text
    kept, position, is_thinking = "", 0, False
    tags = _THINKING.finditer(text, 0, scanned_characters(text))
    for tag in islice(tags, _MAX_THOUGHTS):
        starts_line = (
            not text[max(0, tag.start() - _MARGIN_CHARACTERS) : tag.start()]
            .rpartition("\n")[2]
            .strip()
        )
        if tag[1] and (is_thinking or starts_line):
            # A close that was never opened: the service kept the opening tag, all of it was thought.
            kept, position, is_thinking = kept if is_thinking else "", tag.end(), False
        elif not tag[1] and starts_line and not is_thinking:
            kept, is_thinking = kept + text[position : tag.start()], True
    return kept if is_thinking else kept + text[position:]
