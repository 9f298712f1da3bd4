"""Runs as Redis knows them: how many jobs, how many have ended and how, and whether they are paused or cancelled."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from enum import StrEnum

from pydantic import AwareDatetime, Field

from .begun import Begun
from .budgets import BUDGET, UNPRICED, Budget, Spent
from .clock import milliseconds_of, utcnow
from .connection import Connected, expecting_answer
from .errors import RunNotFoundError
from .parts import Part
from .verdicts import Verdict
from .ways import Way
from .wire import Wire

_VERDICT = "verdict:"
_LOOKED_AT = 1000


class RunState(StrEnum):
    """Whether the jobs of a run are worked on."""

    ACTIVE = "active"
    PAUSED = "paused"
    CANCELLED = "cancelled"


class HandingOver(StrEnum):
    """How it stands with the command that writes the jobs of a run down for the workers."""

    UNDER_WAY = "handing over"
    BROKEN_OFF = "broken off"
    """It was killed before it had written all of them, and none is queued."""


class Run(Wire):
    """A run in numbers. Each job is counted in the step that queues, ends or cancels it."""

    run_id: str
    state: RunState = RunState.ACTIVE
    reason: str = ""
    """Why it is paused or cancelled."""
    cause: str = ""
    """The kind of the error that paused it, such as `model-key-invalid`; empty where somebody did."""
    asked: Way = Way.LIVE
    """How the model is asked for its jobs."""
    part: Part | None = None
    """What of its dataset it is of; None is all of it."""
    begun: Begun | None = None
    """What else was chosen for it; None where it is no run of a dataset."""
    created_at: AwareDatetime | None = None
    submitted: int = 0
    """Jobs that were queued, those that were queued again among them."""
    cancelled: int = 0
    verdicts: dict[Verdict, int] = Field(default_factory=dict)
    """How jobs ended."""
    held: int = 0
    """Jobs that were put aside while it is paused."""
    to_feed: int = 0
    """Jobs that wait in the record store for workers to queue them."""
    handing_over: HandingOver | None = None
    """None where nobody does that; jobs that are being written are not counted yet."""

    budget: Budget = Budget()
    """What it may use."""
    spent: Spent = Spent()
    """What it has used."""

    @property
    def state_in_words(self) -> str:
        """Its state, or that it is finished: until jobs are submitted to it again, nothing more will happen."""
        if self.state is not RunState.ACTIVE:
            return self.state
        if self.handing_over is not None:
            return self.handing_over
        return "finished" if self.open == 0 else self.state

    @property
    def is_stopped_by_budget(self) -> bool:
        """Whether that is why it stands still, or that nobody can say how much of it is used."""
        return self.cause in {BUDGET, UNPRICED}

    @property
    def is_stopped_by_price(self) -> bool:
        """Whether it may cost only so much, and asks a model of which nobody knows what it costs."""
        return self.cause == UNPRICED and self.budget.usd is not None

    @property
    def is_over_budget(self) -> bool:
        """Whether nothing more is sent to the model for it."""
        return any(self.spent.reaches(self.budget))

    @property
    def ended(self) -> int:
        """Jobs that have their record."""
        return sum(self.verdicts.values())

    @property
    def open(self) -> int:
        """Jobs that are still to end."""
        return max(0, self.submitted - self.ended - self.cancelled) + self.to_feed


async def find_run(queue: Connected, run_id: str) -> Run | None:
    """What Redis knows of a run: None if nothing, or nothing any more.

    Raises:
        RedisUnreachableError: Redis did not answer.
    """
    with expecting_answer(f"it cannot be told how run {run_id!r} is"):
        [run] = await _runs_named(queue, [run_id])
    return run


async def get_run(queue: Connected, run_id: str) -> Run:
    """What Redis knows of a run.

    Raises:
        RunNotFoundError: nothing.
        RedisUnreachableError: Redis did not answer.
    """
    run = await find_run(queue, run_id)
    if run is None:
        raise await unknown_run_in(queue, run_id)
    return run


async def unknown_run_in(queue: Connected, run_id: str) -> RunNotFoundError:
    """The error that says so, with the latest runs that are nearly called so.

    Raises:
        RedisUnreachableError: Redis did not answer.
    """
    with expecting_answer("the runs cannot be listed"):
        return unknown_run(run_id, await run_ids(queue, _LOOKED_AT))


def unknown_run(run_id: str, known: Iterable[str] = ()) -> RunNotFoundError:
    """The error that says so, and which of those that are known may be meant."""
    near = get_close_matches(run_id, known, 3)
    return RunNotFoundError(
        f"there is no run {run_id!r}",
        facts={"did you mean": ", ".join(near)} if near else {},
        fixes=["see which there are: promptmill run list"],
    )


async def list_runs(queue: Connected, limit: int) -> list[Run]:
    """The runs of the last weeks, the newest first, so many at most.

    Raises:
        RedisUnreachableError: Redis did not answer.
    """
    with expecting_answer("the runs cannot be listed"):
        found = await _runs_named(queue, await run_ids(queue, limit))
    return [run for run in found if run is not None]


async def run_ids(queue: Connected, limit: int | None = None) -> list[str]:
    """The runs that Redis knows of, the newest first, so many at most."""
    found: list[bytes] = await queue.redis.zrevrange(queue.keys.runs, 0, (limit or 0) - 1)
    return [name.decode() for name in found]


async def _runs_named(queue: Connected, names: list[str]) -> list[Run | None]:
    async with queue.redis.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.hgetall(queue.keys.run(name))
            pipe.zcard(queue.keys.held(name))
        pipe.time()
        *answers, (seconds, _) = await pipe.execute()
    pairs = zip(names, answers[::2], answers[1::2], strict=True)
    return [
        _read(name, fields, held, seconds * 1000) if fields or held else None
        for name, fields, held in pairs
    ]


def _handing_over(fields: Mapping[str, str], server_ms: int) -> HandingOver | None:
    if "handingTill" not in fields:
        return None
    is_over = float(fields["handingTill"]) < server_ms
    return HandingOver.BROKEN_OFF if is_over else HandingOver.UNDER_WAY


def _read(run_id: str, raw: Mapping[bytes, bytes], held: int, server_ms: int) -> Run:
    fields = {name.decode(): value.decode() for name, value in raw.items()}
    return Run(
        run_id=run_id,
        state=RunState(fields.get("state", RunState.ACTIVE)),
        reason=fields.get("reason", ""),
        cause=fields.get("cause", ""),
        asked=Way(fields.get("asked", Way.LIVE)),
        part=Part.model_validate_json(fields["part"]) if fields.get("part") else None,
        begun=Begun.model_validate_json(fields["begun"]) if fields.get("begun") else None,
        created_at=fields.get("createdAt"),  # type: ignore[arg-type]  # read from its text
        submitted=int(fields.get("submitted", 0)),
        cancelled=int(fields.get("cancelled", 0)),
        verdicts={
            Verdict(name.removeprefix(_VERDICT)): int(n)
            for name, n in fields.items()
            if name.startswith(_VERDICT) and int(n)
        },
        held=held,
        to_feed=int(fields.get("toFeed", 0)),
        handing_over=_handing_over(fields, server_ms),
        budget=Budget.of(fields),
        spent=Spent.of(fields, milliseconds_of(utcnow())),
    )
