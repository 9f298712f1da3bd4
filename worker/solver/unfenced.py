"""Finds a program in a reply without code fences: in JSON, between tags, or as plain text."""

import html
import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice

from jobs.languages import Language

from .fences import Block
from .labels import label_of
from .repairs import mended, typed_into_session
from .syntax import LOOKED_AT_CHARACTERS, Syntax

_MAX_TAGS = 64
_TAG_NAMES = ("pre", "code", "python", "tool_code")
_TAG = re.compile(rf"<((?i:{'|'.join(_TAG_NAMES)}))\b([^<>\n]{{0,200}})>")
_CODE_TAG_INSIDE = re.compile(
    r"\s*<code\b([^<>\n]{0,200})>(.*)</code\s*>\s*", re.IGNORECASE | re.DOTALL
)
_LANGUAGE_IN_ATTRIBUTES = re.compile(r"(?:language-|lang(?:uage)?=[\"']?)([\w.+-]+)", re.IGNORECASE)
_INLINE_SPAN = re.compile(r"(`{1,2})([^`]+)\1")
_CDATA = re.compile(r"\s*<!\[CDATA\[(.*)\]\]>\s*", re.DOTALL)
_JSON_OBJECT = re.compile(r"\{\s*\"")
_MAX_OBJECTS = 8
# A reply with more of these is no prose with tags in it, and only its beginning is worth the time.
_MAX_ANGLES = 20_000


def json_block(text: str, language: Language) -> Block | None:
    """The program of a reply that is one JSON object: `{"code": …}`, or that inside `executableCode`."""
    if not text.lstrip().startswith("{") or '"code"' not in text:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return _block_of(found, language)


def json_in_prose(text: str, language: Language) -> Block | None:
    """The same of an object, or a list of one, that stands among prose; the last one, as the one that was meant."""
    if '"code"' not in text or len(text) > LOOKED_AT_CHARACTERS:
        return None
    found, resume_at = None, 0
    for opener in islice(_JSON_OBJECT.finditer(text), _MAX_OBJECTS):
        if opener.start() < resume_at:
            continue
        try:
            value, resume_at = json.JSONDecoder().raw_decode(text, opener.start())
        except (ValueError, RecursionError):
            continue
        found = _block_of(value, language) or found
    return found


def _block_of(found: object, language: Language) -> Block | None:
    for name in ("executableCode", "executable_code", "arguments", "args"):
        found = found.get(name, found) if isinstance(found, dict) else found
    if not isinstance(found, dict) or not isinstance(found.get("code"), str):
        return None
    said = found.get("language")
    label = label_of(said if isinstance(said, str) else language.value)
    return Block(label, found["code"].rstrip("\n") + "\n")


def tagged_blocks(text: str) -> Iterator[Block]:
    """The blocks between `<pre>`, `<code>` and the like, in order."""
    lowered, resume_at = text.lower() if "</" in text else "", 0
    if not any(f"</{name}" in lowered for name in _TAG_NAMES):
        return
    tags = _TAG.finditer(text, 0, scanned_characters(text))
    for tag in islice(tags, _MAX_TAGS):
        if tag.start() < resume_at:
            continue
        closing = re.compile(rf"</{tag[1]}\s*>", re.IGNORECASE).search(text, tag.end())
        if closing is None:
            return
        resume_at = closing.end()
        yield _tagged(tag[1].lower(), tag[2], text[tag.end() : closing.start()])


def scanned_characters(text: str) -> int:
    """How much of a text is searched for tags: all of it, unless it is made of little else."""
    return len(text) if text.count("<") <= _MAX_ANGLES else _MAX_ANGLES


def _tagged(name: str, attributes: str, inner: str) -> Block:
    if name == "pre" and (found := _CODE_TAG_INSIDE.fullmatch(inner)):
        attributes, inner = attributes + found[1], found[2]
    if found := _CDATA.fullmatch(inner):
        inner = found[1]
    # Markup proper is always escaped; a bare tag is a model's own way to mark a block and seldom is.
    if name == "pre" or "class" in attributes.lower():
        inner = html.unescape(inner)
    said = _LANGUAGE_IN_ATTRIBUTES.search(attributes)
    label = label_of(said[1] if said else name if name in ("python", "tool_code") else "")
    return Block(label, inner.removeprefix("\n").rstrip() + "\n")


def plain_program(text: str, syntax: Syntax) -> tuple[str, str] | None:
    """The program of a reply that marks none, and the rule that found it: the whole reply, or its longest part."""
    if len(text) > LOOKED_AT_CHARACTERS:
        return None
    span = _INLINE_SPAN.fullmatch(text.strip())
    marked = _without_label(span[2]) if span else text
    code, repairs = mended(marked.strip("\n") + "\n", syntax)
    if syntax.is_whole_program(code):
        return code, f"whole reply, {repairs}" if repairs else "whole reply"
    typed = typed_into_session(text)
    if syntax.is_whole_program(typed):
        return typed, "session"
    part = longest_program(text, syntax)
    if part is not None:
        return part, "longest part that could run"
    return None


def _without_label(inner: str) -> str:
    """What stands between backticks, which two of do not make a fence, but were meant as one."""
    first, _, rest = inner.partition("\n")
    return rest if rest.strip() and label_of(first).languages else inner


def longest_program(text: str, syntax: Syntax) -> str | None:
    """The longest run of paragraphs that is a program, lines of prose around it left out; None without one."""
    programs = (code for code in _runs(text, syntax) if syntax.is_whole_program(code))
    return max(programs, key=len, default=None)


def _runs(text: str, syntax: Syntax) -> Iterator[str]:
    run: list[str] = []
    for paragraph in _paragraphs(text):
        code, starts_with_prose, ends_with_prose = _without_prose(paragraph, syntax)
        code, _ = mended(code, syntax)
        is_code = bool(code) and syntax.could_run(code)
        if run and (starts_with_prose or not is_code):
            yield "\n\n".join(run) + "\n"
            run = []
        if is_code:
            run.append(code)
            if ends_with_prose:
                yield "\n\n".join(run) + "\n"
                run = []
    yield "\n\n".join(run) + "\n"


def _paragraphs(text: str) -> Iterator[list[str]]:
    """Lines up to a blank line that is followed by an unindented one."""
    paragraph: list[str] = []
    for line in text.split("\n"):
        if paragraph and not paragraph[-1].strip() and line[:1].strip():
            yield paragraph
            paragraph = []
        paragraph.append(line)
    yield paragraph


def _without_prose(lines: Sequence[str], syntax: Syntax) -> tuple[str, bool, bool]:
    first, last = 0, len(lines)
    while first < last and not syntax.looks_like_code(lines[first]):
        first += 1
    while first < last and not (
        syntax.looks_like_code(lines[last - 1]) or lines[last - 1][:1].isspace()
    ):
        last -= 1
    cut = "".join(lines[:first]).strip(), "".join(lines[last:]).strip()
    return "\n".join(lines[first:last]).rstrip(), bool(cut[0]), bool(cut[1])
