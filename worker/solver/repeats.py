"""Tells whether a model is stuck: the same program again, or the same error after another program."""

from collections.abc import Sequence

from jobs.conversations import End
from jobs.models import Attempt, ExecutableCode
from jobs.verdicts import Verdict

from .tracebacks import Failure, failure_of

# Whoever is over a limit twice may be so for two reasons, and of no program nothing can be the same.
_WITH_ERROR = (Verdict.RUNTIME_ERROR, Verdict.COMPILE_ERROR, Verdict.FORBIDDEN_CALL)


def repetition_in(attempts: Sequence[Attempt]) -> End | None:
    """What the last of these attempts, all of one conversation and failed, repeats; None where it is something new."""
    *earlier, last = attempts
    # A recording that is over says nothing of the model.
    if last.executable_code is None or not earlier or last.reply.replay_exhausted:
        return None
    if any(attempt.executable_code == last.executable_code for attempt in earlier):
        return "same_program_again"
    signature = _signature(last)
    if signature is not None and signature == _signature(earlier[-1]):
        return "same_error_again"
    return None


def _signature(attempt: Attempt) -> tuple[str, ...] | None:
    """What makes an error the same one: its words with the line of the program, or the wrong answer to one case."""
    code, execution = attempt.executable_code, attempt.execution
    if code is None or execution is None:
        return None
    if attempt.verdict in _WITH_ERROR:
        failure = failure_of(execution.stderr, code.language)
        return (attempt.verdict, failure.summary, _line_of(failure, code)) if failure else None
    if attempt.verdict is Verdict.WRONG_ANSWER:
        return _wrong_answer(attempt)
    return None


def _line_of(failure: Failure, code: ExecutableCode) -> str:
    lines = code.code.split("\n")
    inside = [frame.line for frame in failure.frames if 1 <= frame.line <= len(lines)]
    return lines[inside[-1] - 1].strip() if inside else ""


def _wrong_answer(attempt: Attempt) -> tuple[str, ...] | None:
    wrong = (case for case in attempt.cases if case.verdict is Verdict.WRONG_ANSWER)
    first = next(wrong, None)
    # What an assert was given is not known, so two that fail may be far apart.
    if first is None or first.expected is None or first.actual is None:
        return None
    return (attempt.verdict, first.name, first.actual)
