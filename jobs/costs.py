"""What something cost, and by whose prices."""

import math
from collections.abc import Sequence
from datetime import date
from typing import Annotated

from pydantic import Field

from .wire import Wire


class Cost(Wire):
    """What a reply cost, by a list of prices."""

    usd: Annotated[float, Field(ge=0)]
    prices_of: date
    """The day, in UTC, whose prices these are: prices change."""
    price_list: str
    """Which list, and its version."""


def sum_of(costs: Sequence[Cost | None]) -> Cost | None:
    """What all of it cost, by the list of the last; None where one of the prices is unknown, or there is none."""
    known = [cost for cost in costs if cost is not None]
    if not known or len(known) < len(costs):
        return None
    return known[-1].model_copy(update={"usd": math.fsum(cost.usd for cost in known)})
