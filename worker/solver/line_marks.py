"""How programs look in the languages whose own parser is not at hand."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class LineMarks:
    """How a language is told by its lines, where its own parser is not at hand."""

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


JAVASCRIPT = LineMarks(
    line=re.compile(
        r"\s*(?://|/?\*|[)\]}]|#!|.*[;{}(\[]\s*$|.*\)\s*$|(?:const|let|var|function|class|import|export)\b)"
    ),
    proof=re.compile(
        r"\b(?:const|let|var)\s+[\w${\[]+.*=|\bfunction\b[ *]*\w*\s*\(|=>|\bconsole\.\w+\("
        r"|\brequire\(|^\s*(?:import|export)\s.*['\"{]|\bprocess\.\w+",
        re.MULTILINE,
    ),
    comment=re.compile(r"/\*.*?\*/|^\s*//.*$", re.DOTALL | re.MULTILINE),
    effect=re.compile(r"[(=]"),
    definition=re.compile(
        r"^(?:export\s+)?(?:async\s+)?(?:function\s*\*?|class|const|let|var)\s+([\w$]+)",
        re.MULTILINE,
    ),
    load=re.compile(r"(?:\bfrom|\bimport|\brequire\()\s*['\"]\./([\w-]+)"),
)
SH = LineMarks(
    line=re.compile(
        r"\s*(?:#|\w+=|[\w-]+\s*\(\)|[{}\[|&\"$]|\. |;;|\S+\)\s|(?:for|case)\s+\S+\s+in\b|(?:if|while|until|elif)\s"
        r"|(?:then|else|do|done|fi|esac|break|continue)\b|(?:echo|printf|read|cd|set|export|local|exit|return"
        r"|shift|test|cat|sort|uniq|awk|sed|grep|cut|tr|wc|head|tail|seq|expr|trap|unset|find|xargs|date|ls|bc)"
        r"(?=[\s;|&<>]|$))"
    ),
    proof=re.compile(
        r"\$[\w({#?@*!]|^#!|\s\|\s|^\s*(?:echo|printf)\s+[\"'$\w-]|^\w+=\S|^\s*(?:done|fi|esac)\b|;\s*(?:do|then)\b",
        re.MULTILINE,
    ),
    comment=re.compile(r"^\s*#.*$", re.MULTILINE),
    effect=re.compile(r"\S"),
    definition=re.compile(r"^(\w+)(?:\s*\(\)|=)", re.MULTILINE),
    load=re.compile(r"^\s*(?:\.|source)\s+(?:\./)?([\w-]+)\.sh", re.MULTILINE),
    here_document=re.compile(r"^(?!.*\(\().*<<-?[ \t]*['\"]?([A-Za-z_]\w*)", re.MULTILINE),
)
