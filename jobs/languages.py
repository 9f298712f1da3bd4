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
    """Why a program in this language cannot be checked by calls."""
    if language in {Language.SH, Language.BASH}:
        return f"a function of {language} returns no value, so calls cannot check it"
    callable_ones = ", ".join(sorted(CALLABLE))
    return f"functions of {language} cannot be called from outside, those of {callable_ones} can"
