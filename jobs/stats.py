"""The statistics of reports: pure functions without I/O."""

from statistics import NormalDist

_CONFIDENCE = 0.95


def wilson_interval(successes: int, n: int) -> tuple[float, float]:
    """The 95 % score interval for a proportion, as fractions of 1. For n = 0 it is (0, 1): nothing is known.

    Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference.
    Journal of the American Statistical Association 22, 209-212.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n} cannot be")
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + _CONFIDENCE) / 2)
    rate = successes / n
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * ((rate * (1 - rate) + z * z / (4 * n)) / n) ** 0.5
    # At the ends the formula gives the bound itself, give or take a rounding error.
    return (0.0 if successes == 0 else centre - half), (1.0 if successes == n else centre + half)
