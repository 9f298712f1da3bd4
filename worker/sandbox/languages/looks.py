"""How programs look in the languages whose own parser is not at hand."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Looks:
    """How a language is told by its lines."""

    line: re.Pattern[str]
    """A line of code, matched at its start."""
    proof: re.Pattern[str]
    """Something prose does not have."""
    comment: re.Pattern[str]
    effect: re.Pattern[str]
    """What is left without comments does something if it holds this."""
    definition: re.Pattern[str]
    load: re.Pattern[str]
    here_document: re.Pattern[str] | None = None
    """Opens a text that has to be closed by a line of the same word."""


_SLASHES = r"/\*.*?\*/|^\s*//[^\n]*"


def with_braces(keywords: str, proof: str, definition: str) -> Looks:
    """The looks of a language with braces, semicolons or not, and comments behind slashes."""
    return Looks(
        line=re.compile(
            rf"\s*(?://|/?\*|#|@\w|[)\]}}]|.*[;{{}}(\[,]\s*$|.*\)\s*$|(?:{keywords})\b)"
        ),
        proof=re.compile(proof, re.MULTILINE),
        comment=re.compile(_SLASHES, re.DOTALL | re.MULTILINE),
        effect=re.compile(r"[({=]"),
        definition=re.compile(definition, re.MULTILINE),
        load=re.compile(r"^\s*(?:#include\s*\"|import\s+\"\./|mod\s+)([\w-]+)", re.MULTILINE),
    )


def with_words(comment: str, keywords: str, proof: str, definition: str) -> Looks:
    """The looks of a language of lines, whose blocks end with a word or a brace."""
    return Looks(
        line=re.compile(
            rf"\s*(?:{comment}|[)\]}}]|[\w.$@:\[\]'\"]+\s*(?:<-|[-+*/.|&]?=)[^=]|.*[;{{}}(,|]\s*$|.*\)\s*$|(?:{keywords})\b)"
        ),
        proof=re.compile(proof, re.MULTILINE),
        comment=re.compile(rf"^\s*{comment}.*$", re.MULTILINE),
        effect=re.compile(r"\S"),
        definition=re.compile(definition, re.MULTILINE),
        load=re.compile(
            r"^\s*(?:require_relative|require|source|dofile)\b\s*\(?\s*['\"](?:\./)?([\w-]+)",
            re.MULTILINE,
        ),
    )
