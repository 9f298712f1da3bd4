"""What was measured, as medians, ratios and budgets: to be read by a person, or as JSON."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from typing_extensions import override


@dataclass(frozen=True)
class Series:
    """Seconds of one contender, one a round."""

    name: str
    seconds: tuple[float, ...]

    @property
    def median_ms(self) -> float:
        """The middle one."""
        return statistics.median(self.seconds) * 1000

    @property
    def p95_ms(self) -> float:
        """What one in twenty exceeds."""
        return sorted(self.seconds)[int(len(self.seconds) * 0.95)] * 1000

    def per_second(self) -> float:
        """How many there are in a second, at the median."""
        return 1000 / self.median_ms


@dataclass(frozen=True)
class Ratio:
    """One contender against another that was measured in the same rounds."""

    value: float
    """Of the medians."""
    low: float
    """A quarter of the rounds had less: with `high` it says how noisy the machine was."""
    high: float

    @override
    def __str__(self) -> str:
        return f"{self.value:.3g} ({self.low:.3g}–{self.high:.3g})"


@dataclass(frozen=True)
class Budget:
    """What a ratio must reach."""

    what: str
    ratio: Ratio
    bound: float
    is_upper: bool
    """Whether the ratio may be at most the bound, and not at least."""

    @property
    def is_kept(self) -> bool:
        """Whether it was reached this time."""
        return self.ratio.value <= self.bound if self.is_upper else self.ratio.value >= self.bound


def ratio(one: Series, other: Series) -> Ratio:
    """How much longer `one` takes than `other`. The spread is that of rounds, whose two halves ran side by side."""
    pairs = [a / b for a, b in zip(one.seconds, other.seconds, strict=True)]
    low, _, high = statistics.quantiles(pairs, n=4) if len(pairs) > 1 else pairs * 3
    return Ratio(one.median_ms / other.median_ms, low, high)


def times_table(title: str, series: Iterable[Series], against: tuple[Series, ...]) -> str:
    """Times of several contenders, and what multiple each is of those in `against`."""
    heads = "".join(f"{f'x {each.name}':>28.27}" for each in against)
    lines = [f"{title}\n{'':34}{'median ms':>12}{'p95 ms':>10}{heads}"]
    for each in series:
        ratios = "".join(f"{ratio(each, other).value:>28.3g}" for other in against)
        lines.append(f"  {each.name:32}{each.median_ms:>12.2f}{each.p95_ms:>10.2f}{ratios}")
    return "\n".join(lines)


def rates_table(title: str, series: Iterable[Series]) -> str:
    """How many a second."""
    lines = [f"{title}\n{'':34}{'a second':>12}"]
    lines += [f"  {each.name:32}{each.per_second():>12.1f}" for each in series]
    return "\n".join(lines)


def budgets_table(budgets: Iterable[Budget]) -> str:
    """Each budget, what was reached, and by how much the rounds differ."""
    lines = [f"budgets\n{'':50}{'ratio (middle half of rounds)':>32}{'budget':>10}"]
    for budget in budgets:
        bound = f"{'<=' if budget.is_upper else '>='} {budget.bound:g}"
        verdict = "kept" if budget.is_kept else "NOT KEPT"
        lines.append(f"  {budget.what:48}{budget.ratio!s:>32}{bound:>10}  {verdict}")
    return "\n".join(lines)


def as_json(series: Iterable[Series], budgets: Iterable[Budget]) -> dict[str, object]:
    """All of it, each single round included."""
    return {
        "series": [
            {"name": each.name, "medianMs": each.median_ms, "seconds": each.seconds}
            for each in series
        ],
        "budgets": [
            {
                "what": budget.what,
                "ratio": budget.ratio.value,
                "middleHalf": [budget.ratio.low, budget.ratio.high],
                "bound": budget.bound,
                "isUpper": budget.is_upper,
                "isKept": budget.is_kept,
            }
            for budget in budgets
        ],
    }
