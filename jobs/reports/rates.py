"""The figures that reports are made of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from jobs.stats import (
    clustered_error,
    clustered_interval,
    pass_all_k,
    pass_at_k,
    percentile,
)
from jobs.wire import Wire

_USUAL_KS = (1, 2, 5, 10, 20, 50, 100)


class Rate(Wire):
    """A count of successes in n, with the interval that n allows."""

    successes: int
    n: int
    low: float
    """Lower end of the 95 % Wilson interval, a fraction of 1; samples of one task are not taken for independent."""
    high: float

    @classmethod
    def of(cls, successes: int, n: int) -> Self:
        """The rate of so many successes in n that are independent."""
        return cls.over([(1, 1)] * successes + [(1, 0)] * (n - successes))

    @classmethod
    def over(cls, tasks: Sequence[tuple[int, int]]) -> Self:
        """The rate, given for each cluster how many samples there are and how many are successes."""
        low, high = clustered_interval(tasks)
        n, successes = sum(n for n, _ in tasks), sum(good for _, good in tasks)
        return cls(successes=successes, n=n, low=low, high=high)

    @property
    def value(self) -> float | None:
        """Successes per n; None where n is 0."""
        return self.successes / self.n if self.n else None


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of the judged samples of a task."""

    cluster: str
    """The task itself, or what it has in common with others."""
    n: int
    n_solved: int


def grouped(values: Iterable[tuple[str, float]]) -> list[list[float]]:
    """The values of each cluster."""
    groups: dict[str, list[float]] = {}
    for cluster, value in values:
        groups.setdefault(cluster, []).append(value)
    return list(groups.values())


class SampleRate(Wire):
    """What k independent samples of a task come to, over the tasks that have at least so many that were judged."""

    k: int
    n_tasks: int
    n_left_out: int
    """Tasks of which fewer than k samples were judged."""
    pass_at_k: float
    """At least one of k is solved, estimated without bias."""
    pass_at_k_error: float | None
    """Its standard error, clustered by task or the cluster that it names; None for fewer than two."""
    pass_all_k: float
    """All of k are solved (pass^k)."""

    @classmethod
    def of(cls, k: int, tasks: Sequence[Tried]) -> Self | None:
        """The rates at k; None without tasks of so many samples."""
        enough = [(each.n, each.n_solved) for each in tasks if each.n >= k]
        clusters = [each.cluster for each in tasks if each.n >= k]
        if not enough:
            return None
        at_k = [pass_at_k(n, solved, k) or 0.0 for n, solved in enough]
        all_k = [pass_all_k(n, solved, k) or 0.0 for n, solved in enough]
        return cls(
            k=k,
            n_tasks=len(enough),
            n_left_out=len(tasks) - len(enough),
            pass_at_k=sum(at_k) / len(enough),
            pass_at_k_error=clustered_error(grouped(zip(clusters, at_k, strict=True))),
            pass_all_k=sum(all_k) / len(enough),
        )


def sample_rates(tasks: Sequence[Tried]) -> tuple[SampleRate, ...]:
    """The rates at the usual k, and at the most samples that any task has; none for a run of single samples."""
    most = max((each.n for each in tasks), default=0)
    if most < 2:
        return ()
    ks = [k for k in (*_USUAL_KS, most) if k <= most]
    rates = (SampleRate.of(k, tasks) for k in sorted(set(ks)))
    return tuple(rate for rate in rates if rate is not None)


class RepairRound(Wire):
    """How the judged jobs stand after so many attempts. Of a job that has ended, its last attempt stands."""

    attempt: int
    solved: int
    """Those whose latest attempt was accepted."""
    solved_once: int
    """Those of which any attempt was: what the best attempt of each would come to."""
    gained: int
    kept: int
    lost: int
    """Accepted after the round before, and no longer."""
    n_attempts: int
    """Attempts that the round took."""
    tokens: int | None
    """None where nothing is known of any."""
    cost_usd: float
    """Of the attempts whose cost is known."""
    extra_passes: int
    """How many more jobs stand solved than after the round before; less than 0 where it lost more than it gained."""
    tokens_per_pass: float | None
    """Of each of these; None where there is none, or nothing is known of tokens."""
    cost_usd_per_pass: float | None
    """None where there is none, or nothing was paid."""


class Enough(Wire):
    """With how many attempts as many jobs would stand solved as ever did, and what the others took."""

    attempts: int
    n_saved: int
    """Attempts that came later."""
    share_saved: float
    """Of all attempts."""
    tokens_saved: int | None
    """None where nothing is known of any."""
    cost_usd_saved: float
    """Of those whose cost is known."""

    @classmethod
    def of(cls, rounds: Sequence[RepairRound]) -> Self | None:
        """What can be said after these rounds; None of fewer than two, after which there is nothing to choose."""
        if len(rounds) < 2:
            return None
        # The first of the best: later ones cost more.
        best = max(rounds, key=lambda each: each.solved)
        later = rounds[best.attempt :]
        tokens = [each.tokens for each in later if each.tokens is not None]
        n_saved = sum(each.n_attempts for each in later)
        return cls(
            attempts=best.attempt,
            n_saved=n_saved,
            share_saved=n_saved / sum(each.n_attempts for each in rounds),
            tokens_saved=sum(tokens) if tokens else None,
            cost_usd_saved=sum(each.cost_usd for each in later),
        )


class FirstAgainstLast(Wire):
    """What all repairs together did."""

    gained: int
    """Jobs that the last attempt solved, and the first did not."""
    lost: int
    p: float
    method: str
    """What test that is of."""


class Percentiles(Wire):
    """How many there were, and what half, nine tenths and 99 of 100 stay below."""

    n: int
    p50: float
    p90: float
    p99: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self | None:
        """Of these values, in any order; None where there are none."""
        ordered = sorted(values)
        if not ordered:
            return None
        p50, p90, p99 = (percentile(ordered, fraction) for fraction in (0.5, 0.9, 0.99))
        return cls(n=len(ordered), p50=p50, p90=p90, p99=p99, most=ordered[-1])
