"""The shells."""

import re
from dataclasses import replace

from jobs.languages import Language

from .errors import CompileError, ErrorForm
from .looks import Looks
from .row import (
    ANSWER_DESCRIPTOR,
    QUESTION_DESCRIPTOR,
    Appended,
    LanguageRow,
    Tool,
    lines_that_begin,
)

_LOOKS = Looks(
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

SH = LanguageRow(
    language=Language.SH,
    title="sh",
    description="POSIX sh, with nothing but the standard utilities",
    labels=("sh", "bash", "shell", "zsh", "dash", "ksh", "posix"),
    suffixes=(".sh",),
    tool=Tool(("sh",), "dash"),
    source=Appended(
        name="program.sh",
        # Without it a failing test would be followed by the epilogue.
        tests_prologue="set -e",
        tests_epilogue=(
            f'IFS= read -r _nonce <&{QUESTION_DESCRIPTOR}; command printf "%s" "$_nonce" >&{ANSWER_DESCRIPTOR}'
        ),
    ),
    run=("{tool}", "{source}"),
    hello="echo $((6 * 7))",
    tests="after the program, in its file, under `set -e`",
    errors=ErrorForm(
        run=re.compile(r"\S*program\.sh: (?:line )?(?P<line>\d+): (?P<words>(?!`).+)$")
    ),
    compile_error=CompileError(
        first_line=None,
        error_line=re.compile(r".*/work/program\.sh: (?:line )?\d+: [Ss]yntax error"),
        never_after="",
    ),
    looks=_LOOKS,
    # Where dash is refused memory, it mostly crashes without a word.
    private_memory_room_mib=512,
    memory_words=lines_that_begin(
        r"(?:\S*program\.sh: (?:(?:line )?\d+: )?)?Out of space",
        "Cannot allocate memory",
        "memory exhausted",
        r"\S*program\.sh: (?:line \d+: )?x(?:re|m)alloc: .*cannot allocate",
    ),
    denied_words=lines_that_begin(r".*: Operation not permitted$(?!\n.)"),
    # Of a command; the shell itself is ended by the signal. Bash writes the command right behind.
    file_size_words=lines_that_begin(r"(?:.*\d )?File size limit exceeded"),
    tests_fail_by="exit code",
)
BASH = replace(
    SH,
    language=Language.BASH,
    title="bash",
    description="Bash, with nothing but the standard utilities",
    labels=("bash", "sh", "shell", "posix"),
    suffixes=(".bash",),
    tool=Tool(("bash",), "bash"),
)
