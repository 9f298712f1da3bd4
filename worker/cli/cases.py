"""What the cases of a check came to, for a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from jobs.verdicts import Verdict

if TYPE_CHECKING:
    from jobs.checkers import Check
    from jobs.models import Attempt, CaseResult, PromptJob

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
    from jobs.checkers import checks_of

    number, case = next(
        ((n, one) for n, one in enumerate(attempt.cases) if one.verdict is not Verdict.ACCEPTED),
        (0, None),
    )
    if case is None:
        return
    check = checks_of(job.checker)[(case.check or 1) - 1]
    within = [n for n, one in enumerate(attempt.cases) if one.check == case.check].index(number)
    if check.kind == "matches_output" and check.cases[within].stdin:
        yield f"input of {case.name}", _cut(check.cases[within].stdin)
    if case.expected is not None:
        yield f"expected of {case.name}", case.expected
        if case.actual is not None:
            yield "came instead", case.actual


def _n_cases(job: PromptJob, attempt: Attempt) -> int:
    from jobs.checkers import checks_of

    checks = checks_of(job.checker)
    return sum(
        _n_cases_of(check, [case for case in attempt.cases if case.check in (None, number)])
        for number, check in enumerate(checks, 1)
    )


def _n_cases_of(check: Check, tried: Sequence[CaseResult]) -> int:
    match check.kind:
        case "matches_output":
            return len(check.cases)
        case "matches_calls":
            return len(check.calls)
        case _:
            return len(tried)


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
