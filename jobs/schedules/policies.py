"""What happens to instants that something is in the way of: words that a command line can name without loading more."""

from enum import StrEnum


class Overlap(StrEnum):
    """What happens when an instant comes and an earlier run of the schedule is not over."""

    SKIP = "skip"
    """Nothing is started."""
    QUEUE_ONE = "queue-one"
    """The instant waits for the end of that run; one does, later ones are skipped."""
    ALLOW = "allow"
    """A run is started beside it."""
    CANCEL_OLD = "cancel-old"
    """That run is cancelled, and a new one is started."""


class CatchUp(StrEnum):
    """What becomes of instants at which no worker was there."""

    ONCE = "once"
    """One run stands for all of them."""
    NONE = "none"
    """Nothing."""
    ALL = "all"
    """A run for each."""
