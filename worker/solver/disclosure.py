"""What a model may be told of an attempt: the one place that decides what of a check is hidden from it.

A check is hidden unless it says otherwise. Then nothing of its content is told: no input, no argument, no source,
nothing that was expected. A program that was given such content can say it again, in any disguise, in whatever it
prints and in each error it raises, so of its words only those are told that stand in the prompt or in the program.
"""

import builtins
import re
from enum import Enum
from typing import assert_never

from jobs.checkers import ExitsCleanly, MatchesCalls, MatchesOutput, PassesTests
from jobs.models import PromptJob
from jobs.verdicts import Verdict

from .judge import Judgement
from .tracebacks import Failure

_WORD = re.compile(r"\w+")
_NAME = re.compile(r"(?:\w+|<\w+>)(?:\.(?:\w+|<\w+>)){0,3}")
# What languages call their own errors and places, beside the names that Python has built in.
_NAMES = (
    *("EvalError", "RangeError", "ReferenceError", "URIError", "JSONDecodeError", "decoder"),
    *("NoneType", "function", "method", "module", "lambda", "listcomp", "genexpr"),
    *("Object", "Module", "anonymous"),
)
_PUBLIC_WORDS = frozenset((*dir(builtins), *_NAMES))
# What an interpreter says of every program alike; each group has to be a word that the model knows already. No number
# is among them: a program could put one there that it was given.
_MESSAGES = re.compile(
    r"(?:list|string|tuple|deque) (?:assignment )?index out of range"
    r"|(?:float )?division by zero|integer (?:division or )?modulo by zero"
    r"|maximum recursion depth exceeded(?: in comparison| while calling a Python object)?"
    r"|Maximum call stack size exceeded|EOF when reading a line|math domain error"
    r"|pop from (?:an )?empty (?:list|deque|set)"
    r"|(?:max|min)\(\) (?:arg|iterable argument) is (?:an )?empty(?: sequence)?"
    r"|invalid syntax|unexpected indent|expected ':'|'[(\[{]' was never closed|unmatched '[)\]}]'"
    r"|name '(\w+)' is not defined|(\w+) is not (?:defined|a function)"
    r"|'(\w+)' object is not (?:iterable|subscriptable|callable)"
    r"|'(\w+)' object has no attribute '(\w+)'"
)


class Told(Enum):
    """How much of an attempt is told."""

    ALL = "all"
    """The check that failed, and all that the program said."""
    PROGRAM = "program"
    """All that the program said, which was given nothing hidden; nothing of its check."""
    PLACE = "place"
    """How and where in the program it failed: what it said may be what is hidden."""


def told_of(job: PromptJob, judgement: Judgement) -> Told:
    """What may be told of an attempt at this job."""
    checker = job.checker
    if judgement.verdict is Verdict.NO_CODE:
        return Told.ALL
    match checker:
        case ExitsCleanly():
            return Told.ALL
        case PassesTests():
            return Told.ALL if checker.public else Told.PLACE
        case MatchesCalls():
            is_given = bool(job.stdin) or any(call.arguments for call in checker.calls)
            return _told(is_public=checker.public, is_given_something=is_given)
        case MatchesOutput():
            case = checker.cases[deciding_case(judgement)]
            return _told(is_public=checker.is_public(case), is_given_something=bool(case.stdin))
        case _:
            assert_never(checker)


def deciding_case(judgement: Judgement) -> int:
    """The place of the first case that failed, else of the last one."""
    failed = (n for n, case in enumerate(judgement.cases) if case.verdict is not Verdict.ACCEPTED)
    return next(failed, len(judgement.cases) - 1)


def which_failed(job: PromptJob, judgement: Judgement) -> str:
    """Which part of a hidden check failed, in words."""
    match job.checker:
        case MatchesOutput(cases=parts) | MatchesCalls(calls=parts):
            n = len(parts)
        case _:
            n = len(judgement.cases)
    number = deciding_case(judgement)
    if number >= 0 and judgement.cases[number].verdict is Verdict.ACCEPTED:
        return "after its hidden tests the program"
    if n > 1 and number >= 0:
        return f"hidden test {number + 1} of {n}"
    return "the hidden tests" if isinstance(job.checker, PassesTests) else "the hidden test"


def known_words(*texts: str) -> frozenset[str]:
    """The words that a model knows already, which was told these texts or said them itself."""
    return _PUBLIC_WORDS.union(*map(_WORD.findall, texts))


def known_part(failure: Failure, known: frozenset[str]) -> str:
    """What of an error says nothing new: its type and its message, the type alone, or nothing."""
    if not is_known(failure.name, known):
        return ""
    message = failure.summary.removeprefix(failure.name).removeprefix(":").strip()
    message = message.partition(". Did you mean")[0]
    found = _MESSAGES.fullmatch(message)
    if found is None or not known.issuperset(filter(None, found.groups())):
        return failure.name
    return f"{failure.name}: {message}"


def is_known(name: str, known: frozenset[str]) -> bool:
    """Whether a name is made of a few known words."""
    return _NAME.fullmatch(name) is not None and known.issuperset(_WORD.findall(name))


def _told(*, is_public: bool, is_given_something: bool) -> Told:
    if is_public:
        return Told.ALL
    return Told.PLACE if is_given_something else Told.PROGRAM
