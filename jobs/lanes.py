"""Where a job waits: in the lane of its queue, of who is to answer it, and of its priority."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

from .keys import Keys
from .models import PromptJob
from .presence import is_replayed
from .priorities import Priority

ANYBODY = "any"
"""Who answers a job that names no model."""
GEMINI = "gemini"
"""Who answers a job that names a model of Gemini's: whoever asks Gemini asks any of them."""


@dataclass(frozen=True)
class Lane:
    """One line of jobs that wait, first in first out. A worker that may take one of them may take all."""

    queue: str
    answerer: str
    priority: Priority

    def waiting(self, keys: Keys) -> str:
        """Arq's sorted set: the ids of jobs that wait, by the time they are due (milliseconds)."""
        return keys.waiting(self.queue, self.answerer, self.priority)

    def leased(self, keys: Keys) -> str:
        """The sorted set of ids that workers have taken from here, by the time their lease ends (milliseconds)."""
        return keys.leased(self.queue, self.answerer, self.priority)

    @property
    def name(self) -> str:
        """What the set of all lanes calls it."""
        return f"{self.queue}:{self.answerer}:{self.priority}"

    @classmethod
    def named(cls, name: str) -> "Lane":
        """The lane of this name. Recordings are named by a path, which may hold colons; queues may not."""
        queue, _, rest = name.partition(":")
        answerer, _, priority = rest.rpartition(":")
        return cls(queue, answerer, Priority(priority))


def lane_of(job: PromptJob) -> Lane:
    """Where this job waits."""
    return Lane(job.queue, _answerer_of(job.model), job.priority)


def lanes_served(queues: Iterable[str], model: str) -> list[list[Lane]]:
    """The lanes of a worker that takes from these queues and asks `model`, by falling priority.

    Those of one priority are served together, by the time their jobs are due.
    """
    able = (ANYBODY, _answerer_of(model))
    places = list(product(queues, able))
    return [[Lane(*place, priority) for place in places] for priority in Priority]


def _answerer_of(model: str | None) -> str:
    if model is None:
        return ANYBODY
    return model if is_replayed(model) else GEMINI
