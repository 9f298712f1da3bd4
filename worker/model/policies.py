"""What is done about each way in which a call of the model can end: all of it, in one table."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from jobs.calls import CallClass


class Then(Enum):
    """What a call comes to whose requests are not repeated, or not any more."""

    USE = auto()
    """The reply is the attempt's, which reads what there is to read."""
    LATER = auto()
    """The job is delivered again after a while; no attempt is used."""
    PAUSE = auto()
    """The run stands still, and its jobs stay queued: every other one would fare the same."""
    FAIL = auto()
    """The job ends as `internal_error`: every other try would fare the same."""


class CountedAs(Enum):
    """What a repeated request is counted as; none of it is an attempt."""

    NOTHING = auto()
    RETRY = auto()
    RESAMPLE = auto()


@dataclass(frozen=True)
class Policy:
    """What one class of endings is worth."""

    then: Then
    n_repeats: int | None = 0
    """Requests of one call that may follow on such an ending; None is as many as its time allows."""
    counted_as: CountedAs = CountedAs.NOTHING


POLICIES: Mapping[CallClass, Policy] = {
    CallClass.OK: Policy(Then.USE),
    CallClass.UNKNOWN_FINISH: Policy(Then.USE),
    CallClass.TRUNCATED: Policy(Then.USE),
    CallClass.EMPTY: Policy(Then.USE, 2, CountedAs.RESAMPLE),
    CallClass.RESAMPLE: Policy(Then.USE, 2, CountedAs.RESAMPLE),
    # A recitation often passes the next time, and hardly anything does that was blocked twice.
    CallClass.BLOCKED_OUTPUT: Policy(Then.USE, 1, CountedAs.RESAMPLE),
    CallClass.BLOCKED_PROMPT: Policy(Then.USE),
    CallClass.BUG: Policy(Then.FAIL),
    CallClass.RATE_LIMIT: Policy(Then.LATER, None),
    CallClass.QUOTA_DAY: Policy(Then.PAUSE),
    CallClass.AUTH: Policy(Then.PAUSE),
    CallClass.PERMANENT: Policy(Then.FAIL),
    CallClass.TRANSIENT: Policy(Then.LATER, 8, CountedAs.RETRY),
    # Each may be billed, whatever we heard of it.
    CallClass.TIMEOUT: Policy(Then.LATER, 1, CountedAs.RETRY),
    CallClass.LOCAL_OVERLOAD: Policy(Then.LATER, 8, CountedAs.RETRY),
}
