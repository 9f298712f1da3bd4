"""What something cost, and by whose prices."""

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
