"""What the page needs of all records together, beside the report itself: spreads, and what the numbers rest on."""

import math
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from jobs.conversations import Conversation
from jobs.limits import Limits
from jobs.models import Attempt, Record
from jobs.usage import Usage

BINS_PER_DECADE = 6
KINDS = {
    "prompt": "prompt_token_count",
    "thoughts": "thoughts_token_count",
    "output": "candidates_token_count",
}
"""What tokens are used for, by the fields of `Usage`."""
OTHER = "other"
"""Tokens of which only the sum is known."""


@dataclass
class Spread:
    """How often which order of magnitude came."""

    bins: Counter[int] = field(default_factory=Counter)
    """By the logarithm of a second, in steps of a sixth of a decade."""

    def add(self, seconds: float) -> None:
        """Count a time; one below a millisecond counts as that."""
        self.bins[math.floor(math.log10(max(seconds, 0.001)) * BINS_PER_DECADE)] += 1


@dataclass
class Gathered:
    """Counted record by record; none is kept."""

    answers: Spread = field(default_factory=Spread)
    programs: Spread = field(default_factory=Spread)
    tokens: list[Counter[str]] = field(default_factory=list)
    """By attempt, for each kind."""
    conversations: set[Conversation] = field(default_factory=set)
    limits: set[Limits] = field(default_factory=set)
    """In force here; whoever judged an imported record had others."""
    versions: set[str] = field(default_factory=set)
    max_attempts: set[int] = field(default_factory=set)
    n_answers: int = 0
    n_recordings: int = 0
    """Answers that no model gave to this run."""
    n_same_process: int = 0
    """Attempts whose tests ran in the program's own process."""
    first: datetime | None = None
    last: datetime | None = None

    def add(self, record: Record) -> None:
        """Count a record."""
        self.conversations.add(record.job.conversation)
        if record.imported_from is None:
            self.limits.add(record.limits)
        self.versions |= {f"{name} {version}" for name, version in record.versions.items()}
        self.max_attempts.add(record.job.max_attempts)
        self.first = min(self.first or record.started_at, record.started_at)
        self.last = max(self.last or record.finished_at, record.finished_at)
        for place, attempt in enumerate(record.attempts):
            self._measure(record, attempt)
            self._count_tokens(place, attempt.reply.usage)

    def _measure(self, record: Record, attempt: Attempt) -> None:
        reply = attempt.reply
        self.n_answers += 1
        self.n_recordings += reply.simulated
        # As the report counts them: neither recordings nor what came out of a cache or with a batch.
        is_live = not (reply.simulated or reply.cached or reply.batch)
        if is_live and record.imported_from is None:
            self.answers.add(reply.latency_seconds)
        if attempt.execution is not None:
            self.programs.add(attempt.execution.wall_seconds)
        self.n_same_process += attempt.trust == "same_process"

    def _count_tokens(self, place: int, usage: Usage) -> None:
        if place == len(self.tokens):
            self.tokens.append(Counter())
        known: dict[str, int] = {kind: getattr(usage, name) or 0 for kind, name in KINDS.items()}
        rest = (usage.total_token_count or 0) - sum(known.values())
        self.tokens[place].update({**known, OTHER: max(rest, 0)})
