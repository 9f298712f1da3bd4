"""Gemini's own code execution: what it can be asked of, and what cannot be left to it."""

from typing import Literal, assert_never

from .checkers import AllOf, Checker, ExitsCleanly, MatchesCalls, MatchesOutput, PassesTests
from .languages import Language

ExecutedBy = Literal["sandbox", "gemini"]


def why_not_by_gemini(
    language: Language, checker: Checker, stdin: str, *, is_alone: bool
) -> str | None:
    """Why Gemini cannot run the programs of such a job itself; None where it can.

    `is_alone` says that there is no preamble and no file beside them.
    """
    if not is_alone:
        return "Gemini runs a program alone, with no preamble and no files"
    if language is not Language.PYTHON:
        return f"Gemini runs Python and no {language.value}"
    match checker:
        case ExitsCleanly():
            has_input = bool(stdin)
        case MatchesOutput(cases=(case,)):
            has_input = bool(case.stdin)
        case MatchesOutput() | AllOf():
            return "each of its cases is a run of its own, and Gemini runs a program when it likes"
        case PassesTests():
            return "its tests have to run with the program, and Gemini runs the program alone"
        case MatchesCalls():
            return "its calls have to be made where the program runs, and Gemini runs it alone"
        case _:
            assert_never(checker)
    return "Gemini gives a program no standard input" if has_input else None
