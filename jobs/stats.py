"""The statistics of reports: pure functions without I/O. Rates, errors and differences are fractions of 1."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from statistics import NormalDist, fmean

_CONFIDENCE = 0.95
_Z = NormalDist().inv_cdf((1 + _CONFIDENCE) / 2)
# The same numbers come out of the same records on every machine and on every day.
_SEED = 20_111_214
_MOST_DRAWS = 10_000
_FEWEST_DRAWS = 500
_MOST_PICKS = 4_000_000


def wilson_interval(successes: float, n: float) -> tuple[float, float]:
    """The 95 % score interval for a proportion, as fractions of 1. For n = 0 it is (0, 1): nothing is known.

    Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference.
    Journal of the American Statistical Association 22, 209-212.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n} cannot be")
    if n == 0:
        return 0.0, 1.0
    rate = successes / n
    centre = (rate + _Z * _Z / (2 * n)) / (1 + _Z * _Z / n)
    half = _Z / (1 + _Z * _Z / n) * ((rate * (1 - rate) + _Z * _Z / (4 * n)) / n) ** 0.5
    # At the ends the formula gives the bound itself, give or take a rounding error.
    return (0.0 if successes == 0 else centre - half), (1.0 if successes == n else centre + half)


def pass_at_k(n: int, n_correct: int, k: int) -> float | None:
    """The chance that at least one of k samples of a task is right, estimated without bias from n of them.

    None where n < k: fewer samples than k say nothing about k of them.

    Chen, M. et al. (2021). Evaluating large language models trained on code. arXiv 2107.03374, equation 1.
    """
    _check_counts(n, n_correct, k)
    return None if n < k else 1 - math.comb(n - n_correct, k) / math.comb(n, k)


def pass_all_k(n: int, n_correct: int, k: int) -> float | None:
    """The chance that all of k samples of a task are right (pass^k), estimated without bias; None where n < k.

    Yao, S. et al. (2024). tau-bench: a benchmark for tool-agent-user interaction. arXiv 2406.12045, section 3.
    """
    _check_counts(n, n_correct, k)
    return None if n < k else math.comb(n_correct, k) / math.comb(n, k)


def clustered_error(clusters: Iterable[Sequence[float]]) -> float | None:
    """The standard error of the mean over all values, where values of one cluster may depend on each other.

    None for fewer than two clusters. With the correction C / (C - 1) for C clusters.

    Miller, E. (2024). Adding error bars to evals. arXiv 2411.00640, section 2.2; the correction is that of
    Cameron, A. C. & Miller, D. L. (2015). A practitioner's guide to cluster-robust inference. Journal of Human
    Resources 50, 317-372.
    """
    groups = [values for values in clusters if values]
    if len(groups) < 2:
        return None
    n = sum(map(len, groups))
    mean = math.fsum(value for values in groups for value in values) / n
    squares = math.fsum((math.fsum(values) - mean * len(values)) ** 2 for values in groups)
    return math.sqrt(squares * len(groups) / (len(groups) - 1)) / n


def clustered_interval(tasks: Sequence[tuple[int, int]]) -> tuple[float, float]:
    """The 95 % interval of a proportion, given for each cluster how many values it has and how many are successes.

    Wilson's, with as many values as would have the same standard error if they were independent; as many as there are
    clusters, where that cannot be told. Where each cluster is one value, it is Wilson's own.

    Franco, C. et al. (2019). Comparative study of confidence intervals for proportions in complex sample surveys.
    Journal of Survey Statistics and Methodology 7, 334-364.
    """
    n, successes = sum(n for n, _ in tasks), sum(good for _, good in tasks)
    if n == len(tasks):
        return wilson_interval(successes, n)
    rate = successes / n
    error = clustered_error([1.0] * good + [0.0] * (n - good) for n, good in tasks)
    n_effective = min(n, rate * (1 - rate) / error**2) if error else len(tasks)
    return wilson_interval(rate * n_effective, n_effective)


def bootstrap_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % percentile interval of the mean, from samples drawn with replacement; None for fewer than two values.

    Efron, B. & Tibshirani, R. J. (1993). An introduction to the bootstrap. Chapman & Hall, chapter 13.
    """
    if len(values) < 2:
        return None
    random = Random(_SEED)  # noqa: S311  (no secret)
    means = sorted(fmean(random.choices(values, k=len(values))) for _ in range(_draws(len(values))))
    tail = (1 - _CONFIDENCE) / 2
    return percentile(means, tail), percentile(means, 1 - tail)


def difference_interval(differences: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of the mean of paired differences, which lie between -1 and 1; (-1, 1) for fewer than two.

    A bootstrap to which one pair is added that differs as much as can be in either way. Without them, pairs that have
    not differed so far would be known never to differ, however few they are.

    The two pairs are those of Bonett, D. G. & Price, R. M. (2012). Adjusted Wald confidence interval for a difference
    of binomial proportions based on paired data. Journal of Educational and Behavioral Statistics 37, 479-488.
    """
    if len(differences) < 2:
        return -1.0, 1.0
    low, high = bootstrap_interval([*differences, -1.0, 1.0]) or (-1.0, 1.0)
    return max(-1.0, low), min(1.0, high)


def paired_interval(
    both: int, only_first: int, only_second: int, neither: int
) -> tuple[float, float]:
    """The 95 % interval of the second proportion less the first, of pairs; (-1, 1) where there are none.

    It has a width even where no pair differs, which a bootstrap has not.

    Newcombe, R. G. (1998). Improved confidence intervals for the difference between binomial proportions based on
    paired data. Statistics in Medicine 17, 2635-2650, method 10.
    """
    n = both + only_first + only_second + neither
    if n == 0:
        return -1.0, 1.0
    first, second = both + only_first, both + only_second
    (low_1, high_1), (low_2, high_2) = wilson_interval(first, n), wilson_interval(second, n)
    rate_1, rate_2 = first / n, second / n
    product = first * (n - first) * second * (n - second)
    cross = both * neither - only_first * only_second
    # The correction is for continuity.
    phi = (max(cross - n / 2, 0) if cross > 0 else cross) / math.sqrt(product) if product else 0.0

    def reach(one: float, other: float) -> float:
        return math.sqrt(max(0.0, one * one - 2 * phi * one * other + other * other))

    difference = rate_2 - rate_1
    return (
        max(-1.0, difference - reach(rate_2 - low_2, high_1 - rate_1)),
        min(1.0, difference + reach(high_2 - rate_2, rate_1 - low_1)),
    )


def mcnemar_p(only_first: int, only_second: int) -> float:
    """The exact two-sided p of so many pairs that differ, if each were as likely to differ in either way.

    McNemar, Q. (1947). Note on the sampling error of the difference between correlated proportions or percentages.
    Psychometrika 12, 153-157; exact by the binomial distribution.
    """
    n = only_first + only_second
    tail = ways = 1
    for i in range(min(only_first, only_second)):
        ways = ways * (n - i) // (i + 1)
        tail += ways
    return min(1.0, 2 * tail / (1 << n))


def sign_flip_p(differences: Iterable[float]) -> float:
    """The two-sided p of these paired differences, if signs were by chance: McNemar's test of more than 1 and 0.

    Edgington, E. S. & Onghena, P. (2007). Randomization tests, 4th edition. Chapman & Hall, chapter 6; that the
    observed one is counted is from Phipson, B. & Smyth, G. K. (2010). Permutation p-values should never be zero.
    """
    kept = [difference for difference in differences if difference]
    # Sums of the same fractions in another order differ in their last digits.
    seen = abs(math.fsum(kept)) - 1e-9
    random = Random(_SEED)  # noqa: S311  (no secret)
    n_draws = _draws(len(kept))
    hits = sum(abs(_with_signs(kept, random)) >= seen for _ in range(n_draws))
    return (hits + 1) / (n_draws + 1)


def holm(ps: Sequence[float]) -> list[float]:
    """These p-values, in their order, adjusted for how many they are.

    Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian Journal of Statistics 6,
    65-70.
    """
    adjusted = [0.0] * len(ps)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[place]))
        adjusted[place] = largest
    return adjusted


def percentile(ordered: Sequence[float], fraction: float) -> float:
    """The value below which this fraction of the ordered values lies, in a straight line between its neighbours.

    Hyndman, R. J. & Fan, Y. (1996). Sample quantiles in statistical packages. The American Statistician 50, 361-365,
    definition 7.
    """
    place = fraction * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


@dataclass(frozen=True)
class Round:
    """How all jobs stand after so many attempts. Of a job that has ended, its last attempt stands."""

    solved: int
    """Those whose latest attempt was accepted."""
    solved_once: int
    """Those of which any attempt was."""
    gained: int
    """Not accepted after the round before, and accepted now."""
    kept: int
    lost: int
    """Accepted after the round before, and no longer."""


class CurveBuilder:
    """Counts jobs by the attempt that solved them, and by those that lost it again; it keeps none of them."""

    def __init__(self) -> None:
        self._gained: list[int] = []
        self._lost: list[int] = []
        self._first: list[int] = []

    def add(self, course: Sequence[bool]) -> None:
        """Count a job, of which this says which of its attempts were accepted, in order."""
        while len(self._gained) < len(course):
            for counts in (self._gained, self._lost, self._first):
                counts.append(0)
        was_accepted = was_once = False
        for number, is_accepted in enumerate(course):
            self._gained[number] += is_accepted and not was_accepted
            self._lost[number] += was_accepted and not is_accepted
            self._first[number] += is_accepted and not was_once
            was_accepted, was_once = is_accepted, was_once or is_accepted

    def rounds(self) -> tuple[Round, ...]:
        """One for each attempt that any job had."""
        found: list[Round] = []
        solved = solved_once = 0
        for gained, lost, first in zip(self._gained, self._lost, self._first, strict=True):
            kept = solved - lost
            solved, solved_once = kept + gained, solved_once + first
            found.append(Round(solved, solved_once, gained, kept, lost))
        return tuple(found)


def _check_counts(n: int, n_correct: int, k: int) -> None:
    if not 0 <= n_correct <= n:
        raise ValueError(f"{n_correct} right ones of {n} cannot be")
    if k < 1:
        raise ValueError(f"k is {k}, and is at least 1")


def _draws(n: int) -> int:
    return max(_FEWEST_DRAWS, min(_MOST_DRAWS, _MOST_PICKS // max(n, 1)))


def _with_signs(values: Sequence[float], random: Random) -> float:
    signs = random.getrandbits(len(values)) if values else 0
    return sum(value if signs >> place & 1 else -value for place, value in enumerate(values))
