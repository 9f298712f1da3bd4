"""Which jobs of a queue go first."""

from enum import StrEnum


class Priority(StrEnum):
    """No job of a lower priority is started while one of a higher is due."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"
