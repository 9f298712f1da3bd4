"""How busy a machine was while a program ran: beside a time, what it can be put down to."""

from typing import Annotated

from pydantic import Field

from .wire import Wire


class Load(Wire):
    """What else there was to do."""

    load_average: float | None
    """Processes that wanted to run, on average over the last minute; None where the system does not say."""
    cores: Annotated[int, Field(ge=1)]
    steal: float | None
    """The share of the machine's time that its host gave to others meanwhile; None where the system does not say."""
