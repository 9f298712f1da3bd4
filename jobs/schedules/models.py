"""A schedule as data, how it stands, and what is kept of each of its instants."""

from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from jobs.begun import Begun
from jobs.budgets import Budget
from jobs.parts import Part
from jobs.wire import Wire

from .policies import CatchUp, Overlap

ScheduleName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
LONGEST_JITTER_SECONDS = 86_400


class Fate(StrEnum):
    """What became of an instant."""

    FIRED = "fired"
    CAUGHT_UP = "caught-up"
    """Its run was started late, because no worker was there."""
    WAITING = "waiting"
    """Its run is started when an earlier one is over."""
    SKIPPED = "skipped"
    """An earlier run was not over."""
    MISSED = "missed"
    """No worker was there."""
    PAUSED = "paused"
    """Somebody had paused the schedule, or a run that failed had."""
    FAILED = "failed"
    """Its run was started, and something went wrong with it because of us."""


class Template(Wire):
    """The jobs of every run of a schedule, as they lie in the record store."""

    name: str
    """Where they lie: made of the schedule and a digest of the jobs."""
    n_batches: Annotated[int, Field(ge=1)]
    n_jobs: Annotated[int, Field(ge=1)]
    lane: str


class Schedule(Wire):
    """What is run, and when."""

    name: ScheduleName
    cron: str
    zone: str
    runs: str
    """What it runs, in words."""
    template: Template
    part: Part | None = None
    """What of its dataset each run is of; None is all of it."""
    begun: Begun | None = None
    """What else was chosen for each run; None where it is of no dataset."""
    budget: Budget = Budget()
    """What each run may use."""
    overlap: Overlap = Overlap.SKIP
    catch_up: CatchUp = CatchUp.ONCE
    catch_up_seconds: Annotated[float, Field(ge=0)] = 86_400.0
    """For how long after an instant its run may be started late."""
    jitter_seconds: Annotated[int, Field(ge=0, le=LONGEST_JITTER_SECONDS)] = 0
    """A run begins up to so much later than its instant: always as much later for one instant."""
    pause_on_failure: bool = False
    declared_in: Literal["command", "file"] = "command"


class ScheduleState(Wire):
    """A schedule and how it stands."""

    schedule: Schedule
    decided_to: AwareDatetime
    """What has become of the instants up to this time stands in the history."""
    paused: str | None = None
    """Why it is paused; None if it is not."""
    running: tuple[str, ...] = ()
    """Its runs that are not over."""
    waiting: AwareDatetime | None = None
    """The instant that waits for them."""


class Instant(Wire):
    """What became of an instant."""

    at: AwareDatetime
    fate: Fate
    reason: str
    run_id: str | None
    decided_at: AwareDatetime


def run_id_of(name: str, instant: datetime) -> str:
    """What the run of a schedule is called: whoever starts it twice starts it once."""
    return f"{name}@{instant.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def changes_between(before: Schedule, after: Schedule) -> tuple[str, ...]:
    """What is not the same of two schedules of one name, each in a few words."""
    return tuple(_changes(before, after))


def _changes(before: Schedule, after: Schedule) -> Iterator[str]:
    if before.template != after.template:
        yield "jobs" if before.runs == after.runs else f"jobs (were {before.runs})"
    elif (before.part, before.begun) != (after.part, after.begun):
        yield "what its runs are said to be begun with"
    for words, old, new in (
        ("cron", before.cron, after.cron),
        ("tz", before.zone, after.zone),
        ("overlap", before.overlap, after.overlap),
        ("catch-up", before.catch_up, after.catch_up),
        ("catch-up-window", f"{before.catch_up_seconds:g}s", f"{after.catch_up_seconds:g}s"),
        ("jitter", f"{before.jitter_seconds}s", f"{after.jitter_seconds}s"),
        ("pause-on-failure", _yes(before.pause_on_failure), _yes(after.pause_on_failure)),
        ("budget", _shown(before.budget), _shown(after.budget)),
        ("declared in", before.declared_in, after.declared_in),
    ):
        if old != new:
            yield f"{words} (was {old})"


def _yes(value: bool) -> str:
    return "on" if value else "off"


def _shown(budget: Budget) -> str:
    limits = budget.model_dump(exclude_none=True, by_alias=True)
    return ", ".join(f"{value:g} {name}" for name, value in limits.items()) or "none"
