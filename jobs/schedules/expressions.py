"""What can be written as a cron expression, and what is wrong with one that cannot be used."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

from jobs.errors import UsageError

ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_FORM = "minute (0-59) hour (0-23) day of month (1-31) month (1-12) day of week (0-7 or SUN-SAT)"
_FIELDS = {
    "second": range(60),
    "minute": range(60),
    "hour": range(24),
    "day-of-month": range(1, 32),
    "month": range(1, 13),
    "day-of-week": range(8),
}
_FEWEST = len(_FIELDS) - 1
_MONTH = -2
_LONGEST = 500
_ANY_TIME = datetime(2024, 1, 1, tzinfo=UTC)


def expression_in(cron: str) -> str:
    """The fields that were written, or those that a short name stands for.

    Raises:
        UsageError: it is no cron expression, or comes never.
    """
    text = cron.strip()
    if len(text) > _LONGEST:
        raise UsageError(
            f"a cron expression has {_LONGEST} characters at most, and this one {len(text)}",
            fixes=['write ranges and steps in the place of lists, such as "*/5" or "8-17"'],
        )
    if text.startswith("@"):
        if text.lower() not in ALIASES:
            raise UsageError(
                f"{cron!r} is no cron expression",
                fixes=[f"write one of {', '.join(ALIASES)}", f"or five fields: {_FORM}"],
            )
        return ALIASES[text.lower()]
    if not _can_be_read(text.split()):
        if _is_possible_in_some_month(text.split()):
            raise never(cron)
        why, fixes = _fault_of(text.split())
        raise UsageError(
            f"{cron!r} is no cron expression: {why}",
            fixes=[*fixes, f"write {_FORM}", 'for example "30 2 * * *", every day at 02:30'],
        )
    return text


def never(cron: str) -> UsageError:
    """What is said of an expression that comes on no day."""
    return UsageError(
        f"{cron!r} never comes: no such day is in any of its months",
        fixes=[
            'write a day that the month has, such as "0 0 28 2 *"',
            'or L for the last day of the month: "0 0 L 2 *"',
        ],
    )


def _can_be_read(fields: Sequence[str]) -> bool:
    try:
        CronSim(" ".join(fields), _ANY_TIME)
    except (CronSimError, ValueError):
        return False
    return True


def _is_possible_in_some_month(fields: list[str]) -> bool:
    return (
        len(fields) >= _FEWEST
        and _can_be_read([*fields[:_MONTH], "*", fields[-1]])
        and _can_be_read(["0", "0", "1", fields[_MONTH], "*"])
    )


def _fault_of(fields: list[str]) -> tuple[str, list[str]]:
    """What is wrong, and what to do about it beside what is always said."""
    if len(fields) not in (_FEWEST, len(_FIELDS)):
        return f"it has {len(fields)}, and it needs five fields, or six with seconds in front", []
    names = list(_FIELDS)[-len(fields) :]
    for name, field in zip(names, fields, strict=True):
        place = list(_FIELDS).index(name)
        for term in field.split(","):
            alone = ["*"] * len(_FIELDS)
            alone[place] = term
            if not _can_be_read(alone):
                fixes = ["write * where ? is to stand for any"] if "?" in term else []
                return f"its {name} cannot be used: {_fault_of_term(term, _FIELDS[name])}", fixes
    return "its fields do not go together", []


def _fault_of_term(term: str, allowed: range) -> str:
    base, slash, step = term.partition("/")
    if slash and (not step.isdecimal() or int(step) == 0):
        return f"the step of {term!r} has to be a whole number above 0"
    numbers = [int(number) for number in re.findall(r"[0-9]+", base.partition("#")[0])]
    for number in numbers:
        if number not in allowed:
            return f"{number} is not within {allowed[0]}-{allowed[-1]}"
    if re.fullmatch(r"[0-9]+-[0-9]+", base) and numbers[0] > numbers[1]:
        return f"{base!r} goes backwards"
    return f"{term!r} is not known there"
