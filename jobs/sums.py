"""What may be said of several attempts together."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import get_args

from .models import Attempt, Isolation, ModelReply


def weakest_of(isolations: Sequence[Isolation]) -> Isolation:
    """What may be said of runs under all of these, at least one: what each of them had, and what any of them missed."""
    # The type names the profiles from the strongest to the weakest.
    profiles = get_args(Isolation.model_fields["profile"].annotation)
    in_each = set.intersection(*(set(isolation.layers) for isolation in isolations))
    missing = chain.from_iterable(isolation.missing for isolation in isolations)
    return Isolation(
        profile=max((isolation.profile for isolation in isolations), key=profiles.index),
        layers=tuple(layer for layer in isolations[0].layers if layer in in_each),
        missing=tuple(dict.fromkeys(missing)),
    )


def seconds_at_work(attempts: Iterable[Attempt]) -> float:
    """What a job itself took: the answers that a model was asked for live, and the run of each attempt that decided.

    Neither waits are in it nor runs before the deciding ones, of which nothing is kept.
    """
    seconds = 0.0
    for each in attempts:
        reply = each.reply
        if not (reply.simulated or reply.cached or reply.batch):
            seconds += reply.latency_seconds
        if each.execution is not None:
            seconds += each.execution.wall_seconds
    return seconds


def total_usd(replies: Iterable[ModelReply]) -> float | None:
    """What these cost together: recordings and hits nothing, and None where the price of one is unknown."""
    paid = [reply.cost for reply in replies if not (reply.simulated or reply.cached)]
    known = [cost.usd for cost in paid if cost is not None]
    return sum(known) if len(known) == len(paid) else None
