"""What the cases of a check came to, for a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from jobs.verdicts import Verdict

if TYPE_CHECKING:
    from jobs.models import Attempt, PromptJob

_SHOWN_CHARACTERS = 2_000


def cases_lines(job: PromptJob, attempt: Attempt) -> Iterator[str]:
    """How many of the cases were right; nothing where there is only one, whose verdict is that of the attempt."""
    n_cases = _n_cases(job, attempt)
    if n_cases < 2:
        return
    n_right = sum(case.verdict is Verdict.ACCEPTED for case in attempt.cases)
    n_untried = n_cases - len(attempt.cases)
    yield f"{n_right} of {n_cases} right" + (f", {n_untried} not tried" if n_untried else "")


def failed_case(job: PromptJob, attempt: Attempt) -> Iterator[tuple[str, str]]:
    """The first case that failed, as titles and texts: its input, what was expected, what came instead."""
    number, case = next(
        ((n, one) for n, one in enumerate(attempt.cases) if one.verdict is not Verdict.ACCEPTED),
        (0, None),
    )
    if case is None:
        return
    if job.checker.kind == "matches_output" and job.checker.cases[number].stdin:
        yield f"input of {case.name}", _cut(job.checker.cases[number].stdin)
    if case.expected is not None:
        yield f"expected of {case.name}", case.expected
        if case.actual is not None:
            yield "came instead", case.actual


def _n_cases(job: PromptJob, attempt: Attempt) -> int:
    match job.checker.kind:
        case "matches_output":
            return len(job.checker.cases)
        case "matches_calls":
            return len(job.checker.calls)
        case _:
            return len(attempt.cases)


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
