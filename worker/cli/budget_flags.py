"""What a run may use, as it is typed and as it is told."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from jobs.errors import UsageError

from .flags import WholeNumber

if TYPE_CHECKING:
    from jobs.budgets import Budget
    from jobs.runs import Run


@Parameter(name="*")
@dataclass(frozen=True)
class BudgetFlags:
    """What a run may use before it is paused; it is kept with the run."""

    max_requests: Annotated[
        WholeNumber | None,
        Parameter(
            validator=validators.Number(gte=1, lte=10**9),
            help="requests that the run may send to the model, repeated ones among them; then it is paused",
        ),
    ] = None
    max_tokens_total: Annotated[
        WholeNumber | None,
        Parameter(
            validator=validators.Number(gte=1, lte=10**12),
            help="tokens that it may use, of prompts, thoughts and answers together",
        ),
    ] = None
    max_usd: Annotated[
        float | None,
        Parameter(
            validator=validators.Number(gt=0, lte=1_000_000),
            help="dollars that it may cost, by list prices",
        ),
    ] = None
    max_duration: Annotated[
        str | None,
        Parameter(
            help="time after its first request, such as 90s, 10m, 2h or 1d; while it is paused none passes"
        ),
    ] = None


NO_BUDGET = BudgetFlags()


def budget_in(flags: BudgetFlags) -> "Budget":
    """What was typed.

    Raises:
        UsageError: it is no length of time.
    """
    from jobs.budgets import Budget

    from .placing import span_of

    lasting = flags.max_duration
    seconds = None if lasting is None else span_of("--max-duration", lasting).total_seconds()
    if seconds == 0:
        raise UsageError("--max-duration of no time lets nothing be done")
    return Budget(
        requests=flags.max_requests,
        tokens=flags.max_tokens_total,
        usd=flags.max_usd,
        seconds=seconds,
    )


def used_of(run: "Run") -> Iterator[str]:
    """What a run has used, and what it may use, of each kind a few words."""
    spent, budget = run.spent, run.budget
    yield f"{_of(f'{spent.requests:,}', _counted(budget.requests))} requests"
    yield f"{_of(f'{spent.tokens:,}', _counted(budget.tokens))} tokens"
    unpriced = f" and {spent.unpriced:,} replies of unknown price" if spent.unpriced else ""
    most_usd = None if budget.usd is None else f"${budget.usd:g}"
    yield f"{_of(f'${spent.usd:.4f}', most_usd)}{unpriced}"
    if budget.seconds is not None:
        yield _of(f"{spent.seconds:.0f} s", f"{budget.seconds:.0f} s")


def more_of(run: "Run") -> str:
    """What to type for a run that was stopped by its budget to go on."""
    if run.is_stopped_by_price:
        return f"promptmill run resume {run.run_id} --lift-max-usd"
    more = (f"{flag} MORE" for flag in run.spent.reaches(run.budget))
    return " ".join(["promptmill run resume", run.run_id, *more])


def stopped_of(run: "Run") -> tuple[str, tuple[str, ...]]:
    """What is said of a run that was stopped by its budget, and what can be done."""
    if run.is_stopped_by_price:
        return (
            f"run {run.run_id!r} cannot be held to its budget: {run.reason}",
            (
                f"lift the limit:  {more_of(run)}",
                "or name a model with a price, for a run of another name:  --model gemini-3.8-flash",
            ),
        )
    return (
        f"run {run.run_id!r} has used up what it may use: {run.reason}",
        (f"give it more:  {more_of(run)}",),
    )


def _counted(most: int | None) -> str | None:
    return None if most is None else f"{most:,}"


def _of(used: str, most: str | None) -> str:
    return used if most is None else f"{used} of {most}"
