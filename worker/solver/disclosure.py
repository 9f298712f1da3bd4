"""What a model may be told of an attempt: the one place that decides what of a check is hidden from it.

A check is hidden unless it says otherwise, or its job has all of it told (`oracle`). Then nothing of its content is
told: no input, no argument, no source, nothing that was expected. A program that was given such content can say it
again, in any disguise, in whatever it prints, in each error it raises and in every place it says that it failed in. So
of all that it says one line of the program is told, and what an interpreter could have said of that line in words that
are the same for every input.

Of several checks the one that failed decides what is told.
"""

import re
from collections.abc import Sequence
from enum import Enum
from typing import assert_never

from jobs.checkers import Case, Check, ExitsCleanly, MatchesCalls, MatchesOutput, PassesTests
from jobs.models import ExecutableCode, PromptJob
from jobs.verdicts import Verdict
from worker.sandbox.languages import ROWS

from .judge import Judgement
from .phrases import MESSAGES, WORDS
from .tracebacks import Failure, Frame

_WORD = re.compile(r"\w+")
_CLASS = re.compile(r"\bclass[ \t]+([^\W\d]\w*)")
_NOTHING: frozenset[str] = frozenset()


class Told(Enum):
    """How much of an attempt is told."""

    ALL = "all"
    """The check that failed, and all that the program said."""
    PROGRAM = "program"
    """All that the program said, which was given nothing hidden; nothing of its check."""
    NOTHING = "nothing"
    """That it failed."""
    PLACE = "place"
    """How and where in the program it failed: what it said may be what is hidden."""


def told_of(job: PromptJob, judgement: Judgement) -> Told:
    """What may be told of an attempt at this job."""
    match job.conversation.feedback:
        case "none":
            return Told.NOTHING
        case "oracle":
            return Told.ALL
        case "public":
            return Told.ALL if judgement.verdict is Verdict.NO_CODE else _public_of(job, judgement)
        case never:
            assert_never(never)


def is_shown(job: PromptJob, check: MatchesOutput, case: Case) -> bool:
    """Whether the model may be shown this case of a check of the job."""
    match job.conversation.feedback:
        case "oracle":
            return True
        case "public":
            return check.is_public(case)
        case "none":
            return False
        case never:
            assert_never(never)


def is_counted(job: PromptJob, check: Check) -> bool:
    """Whether the model may be told how many cases of a check of the job were right."""
    match check:
        case MatchesOutput(cases=cases):
            return all(is_shown(job, check, case) for case in cases)
        case MatchesCalls(public=is_public):
            return is_public or job.conversation.feedback == "oracle"
        case _:
            # How many tests there are, only those know that ran to their end.
            return False


def _public_of(job: PromptJob, judgement: Judgement) -> Told:
    checker = judgement.check
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
            # A compiler ends before there is any input.
            is_given = bool(case.stdin) and not _is_of_compiler(job, judgement)
            return _told(is_public=checker.is_public(case), is_given_something=is_given)
        case _:
            assert_never(checker)


def _is_of_compiler(job: PromptJob, judgement: Judgement) -> bool:
    """Whether it was refused in a run of the compiler's own: elsewhere a running program can say the same."""
    is_refused = judgement.verdict is Verdict.COMPILE_ERROR
    return is_refused and ROWS[job.language].compiling is not None


def deciding_case(judgement: Judgement) -> int:
    """The place of the case that a judgement is of."""
    if judgement.decided_by is not None:
        return judgement.decided_by
    failed = (n for n, case in enumerate(judgement.cases) if case.verdict is not Verdict.ACCEPTED)
    return next(failed, len(judgement.cases) - 1)


def which_failed(judgement: Judgement) -> str:
    """Which part of a hidden check failed, in words."""
    match judgement.check:
        case MatchesOutput(cases=parts) | MatchesCalls(calls=parts):
            n = len(parts)
        case _:
            n = len(judgement.cases)
    number = deciding_case(judgement)
    if number >= 0 and judgement.cases[number].verdict is Verdict.ACCEPTED:
        return "after its hidden tests the program"
    if n > 1 and number >= 0:
        return f"hidden test {number + 1} of {n}"
    return "the hidden tests" if isinstance(judgement.check, PassesTests) else "the hidden test"


def told_error(failure: Failure, program: ExecutableCode, place: Sequence[Frame]) -> str:
    """What of an error may be told beside the `place` that is shown: its type and message, its type, or nothing.

    The type is built in, or a class of the program's own; a message is told of the former alone, and where a language
    has no types of errors.
    """
    words, messages = WORDS.get(program.language, _NOTHING), MESSAGES.get(program.language)
    if failure.name and failure.name not in words:
        return failure.name if failure.name in _CLASS.findall(program.code) else ""
    message = failure.summary.removeprefix(failure.name).removeprefix(":").strip()
    message = message.partition(". Did you mean")[0]
    found = None if messages is None else messages.fullmatch(message)
    lines = program.code.split("\n")
    shown = words.union(*(_WORD.findall(lines[frame.line - 1]) for frame in place))
    if found is None or not shown.issuperset(filter(None, found.groups())):
        return failure.name
    return f"{failure.name}: {message}" if failure.name else message


def _told(*, is_public: bool, is_given_something: bool) -> Told:
    if is_public:
        return Told.ALL
    return Told.PLACE if is_given_something else Told.PROGRAM
