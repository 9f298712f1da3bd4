"""The languages a program can be written in, by name only: how they run is the sandbox's business."""

from enum import StrEnum


class Language(StrEnum):
    """A superset of Gemini's own `Language`, which knows only `PYTHON`."""

    PYTHON = "python"
    JAVASCRIPT = "javascript"
    TYPESCRIPT = "typescript"
    SH = "sh"
    BASH = "bash"
    C = "c"
    CPP = "cpp"
    GO = "go"
    RUST = "rust"
    JAVA = "java"
    RUBY = "ruby"
    PERL = "perl"
    PHP = "php"
    LUA = "lua"
    R = "r"


CALLABLE = frozenset({Language.PYTHON, Language.JAVASCRIPT, Language.TYPESCRIPT})
"""Those whose functions can be called with JSON values and return some."""


def no_calls(language: Language) -> str:
    """That calls cannot check a program in this language, why, and what can; the words after "calls"."""
    if language in {Language.SH, Language.BASH}:
        why = "its functions return no value"
    else:
        why = f"only functions of {', '.join(sorted(CALLABLE))} can be called from outside"
    return f"cannot check {language.value}: {why}; use expected output or tests"
