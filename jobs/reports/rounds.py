"""What each round of attempts did to the judged jobs of a run."""

from collections import Counter
from collections.abc import Sequence

from jobs.models import Attempt
from jobs.outlines import OutlinedAttempt
from jobs.stats import CurveBuilder, Round, mcnemar_p, sign_flip_p
from jobs.verdicts import Verdict

from .rates import FirstAgainstLast, RepairRound


class RoundsBuilder:
    """Counts the attempts of judged jobs, and keeps none of them."""

    def __init__(self) -> None:
        self._curve = CurveBuilder()
        self._n_attempts: list[int] = []
        self._tokens: list[int | None] = []
        self._cost_usd: list[float] = []
        self._gained = 0
        self._lost = 0
        self._n_jobs: Counter[str] = Counter()
        self._turned: Counter[str] = Counter()

    def add(self, attempts: Sequence[Attempt | OutlinedAttempt], cluster: str) -> None:
        """Count those of a job, which is not taken for independent of others of its cluster."""
        course = [attempt.verdict is Verdict.ACCEPTED for attempt in attempts]
        self._curve.add(course)
        self._n_jobs[cluster] += 1
        if course and course[0] != course[-1]:
            self._gained += course[-1]
            self._lost += course[0]
            self._turned[cluster] += course[-1] - course[0]
        for place, attempt in enumerate(attempts):
            if place == len(self._n_attempts):
                self._n_attempts.append(0)
                self._tokens.append(None)
                self._cost_usd.append(0.0)
            self._n_attempts[place] += 1
            tokens = attempt.reply.usage.total_token_count
            if tokens is not None:
                self._tokens[place] = (self._tokens[place] or 0) + tokens
            cost = attempt.reply.cost
            is_paid = not (attempt.reply.simulated or attempt.reply.cached)
            self._cost_usd[place] += cost.usd if cost is not None and is_paid else 0.0

    def rounds(self) -> tuple[RepairRound, ...]:
        """One for each attempt that any job had."""
        curve = self._curve.rounds()
        before = (0, *(counted.solved for counted in curve))
        return tuple(
            self._round(place, counted, counted.solved - before[place])
            for place, counted in enumerate(curve)
        )

    def _round(self, place: int, counted: Round, extra_passes: int) -> RepairRound:
        tokens, cost = self._tokens[place], self._cost_usd[place]
        is_worth_something = extra_passes > 0
        return RepairRound(
            attempt=place + 1,
            n_attempts=self._n_attempts[place],
            tokens=tokens,
            cost_usd=cost,
            extra_passes=extra_passes,
            tokens_per_pass=tokens / extra_passes if tokens and is_worth_something else None,
            cost_usd_per_pass=cost / extra_passes if cost and is_worth_something else None,
            **vars(counted),
        )

    def first_against_last(self) -> FirstAgainstLast:
        """What all repairs together did."""
        gained, lost = self._gained, self._lost
        if all(n == 1 for n in self._n_jobs.values()):
            p, method = mcnemar_p(gained, lost), "exact McNemar"
        else:
            # In one order, whatever that of the records was.
            turned = sorted(self._turned.values())
            p, method = sign_flip_p(turned), "sign flips of tasks or their clusters"
        return FirstAgainstLast(gained=gained, lost=lost, p=p, method=method)
