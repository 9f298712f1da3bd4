"""Whether a run is asked live or in batches: its jobs wait in one place, and only those who serve it work on them."""

from enum import StrEnum


class Way(StrEnum):
    """How the model is asked for the jobs of a run."""

    LIVE = "live"
    """Job by job, by whichever worker."""
    BATCH = "batch"
    """By the Batch API, by the command that waits for it."""
