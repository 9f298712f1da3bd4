"""A schedule as it is written, typed or in `promptmill.toml`, and what it comes to."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from config.settings import Settings
from config.sources import ScheduleTable
from jobs.budgets import Budget
from jobs.clock import derived_id
from jobs.errors import PromptmillError, UsageError
from jobs.feedback import Feedback
from jobs.identifiers import DEFAULT_QUEUE
from jobs.languages import Language
from jobs.models import PromptJob
from jobs.parts import Part
from jobs.presence import WorkerPresence
from jobs.priorities import Priority
from jobs.queue import JobQueue
from jobs.schedules.models import LONGEST_JITTER_SECONDS, Schedule, ScheduleName
from jobs.schedules.policies import CatchUp, Overlap
from jobs.schedules.state import Kept, put_schedule
from jobs.schedules.templates import TEMPLATE_RUN, keep_template
from jobs.schedules.times import Timetable

from .batch import Batch, batch_of
from .budget_flags import BudgetFlags, budget_in
from .checking import model_meant
from .flags import JobFlags, LaneFlags
from .part_flags import PartFlags, part_in
from .placing import place_of, span_of
from .rows import left_out_by, rows_of
from .wanted import wanted

_TASK = "prompt"
_NOTHING = "no schedule was changed"


class Declared(BaseModel):
    """The words of a schedule. In the file they are keys, on the command line flags."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: ScheduleName
    cron: str
    tz: str = "UTC"
    prompt: str | None = None
    jsonl: Path | None = None
    eval: Path | None = None
    language: Language | None = None
    expect: str | None = None
    tests: Path | None = None
    model: str | None = None
    max_attempts: Annotated[int, Field(ge=1, le=20)] | None = None
    samples: Annotated[int, Field(ge=1, le=1000)] = 1
    format: str | None = None
    exclude: Path | None = None
    limit: Annotated[int, Field(ge=1)] | None = None
    item: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    shard: str | None = None
    cache: bool | None = None
    code_execution: bool = False
    feedback: Feedback | None = None
    queue: str = DEFAULT_QUEUE
    priority: Priority = Priority.NORMAL
    overlap: Overlap = Overlap.SKIP
    catch_up: CatchUp = CatchUp.ONCE
    catch_up_window: str = "24h"
    jitter: str = "0s"
    pause_on_failure: bool = False
    max_requests: Annotated[int, Field(ge=1, le=10**9)] | None = None
    max_tokens_total: Annotated[int, Field(ge=1, le=10**12)] | None = None
    max_usd: Annotated[float, Field(gt=0, le=1_000_000)] | None = None
    max_duration: str | None = None

    @property
    def part(self) -> PartFlags:
        """Which part of its dataset is meant."""
        return PartFlags(self.limit, self.item, self.where, self.shard)


_OF_ROWS = ("samples", "cache", "exclude", "limit", "item", "where", "shard")


@dataclass(frozen=True)
class Planned:
    """A schedule that can be kept: all of it was read and checked."""

    declared: Declared
    batch: Batch
    budget: Budget
    runs: str
    declared_in: Literal["command", "file"]

    def jobs(self) -> Iterator[PromptJob]:
        """The jobs of each of its runs, under the name of a run that nobody has."""
        for job in self.batch.jobs():
            task_id = job.task_id or _TASK
            job_id = derived_id("job", TEMPLATE_RUN, task_id, job.sample)
            changes = {"run_id": TEMPLATE_RUN, "task_id": task_id, "job_id": job_id}
            yield job.model_copy(update=changes)

    async def keep(self, queue: JobQueue) -> Kept:
        """Keep the schedule, and say what has changed by it.

        Raises:
            RedisUnreachableError: Redis did not answer.
            StoreError: its jobs cannot be kept.
        """
        said = self.declared
        schedule = Schedule(
            name=said.name,
            cron=said.cron,
            zone=said.tz,
            runs=self.runs,
            template=await keep_template(queue.records, said.name, self.jobs),
            part=self.batch.part,
            begun=self.batch.begun,
            budget=self.budget,
            overlap=said.overlap,
            catch_up=said.catch_up,
            catch_up_seconds=span_of("--catch-up-window", said.catch_up_window).total_seconds(),
            jitter_seconds=int(span_of("--jitter", said.jitter).total_seconds()),
            pause_on_failure=said.pause_on_failure,
            declared_in=self.declared_in,
        )
        return await put_schedule(queue, schedule)


def planned(
    said: Declared,
    settings: Settings,
    workers: Sequence[WorkerPresence],
    declared_in: Literal["command", "file"],
) -> Planned:
    """What a schedule comes to.

    Raises:
        UsageError: it cannot be kept like that.
    """
    Timetable(said.cron, said.tz)
    given = [name for name in ("prompt", "jsonl", "eval") if getattr(said, name) is not None]
    if len(given) != 1:
        raise UsageError(
            "a schedule runs either a prompt, a file of prompts, or an eval",
            fixes=["--prompt TEXT, --jsonl FILE or --eval FILE"],
            note=_NOTHING,
        )
    span_of("--catch-up-window", said.catch_up_window, note=_NOTHING)
    if span_of("--jitter", said.jitter, note=_NOTHING) > timedelta(seconds=LONGEST_JITTER_SECONDS):
        raise UsageError(
            f"--jitter {said.jitter!r} is more than {LONGEST_JITTER_SECONDS // 3600}h",
            fixes=["give a shorter time, such as --jitter 5m"],
            note=_NOTHING,
        )
    batch, runs = _made(said, settings)
    batch = batch.told(said.feedback)
    if said.code_execution:
        batch = batch.run_by_gemini(settings)
    budget = budget_in(
        BudgetFlags(said.max_requests, said.max_tokens_total, said.max_usd, said.max_duration)
    )
    return Planned(said, batch.for_model(model_meant(settings, workers)), budget, runs, declared_in)


def _made(said: Declared, settings: Settings) -> tuple[Batch, str]:
    place = place_of(LaneFlags(said.queue, said.priority))
    if said.eval is not None:
        _refuse_second_words(said)
        cache = settings.model.cache != "never" if said.cache is None else said.cache
        part = part_in(said.part)
        tasks = rows_of(said.eval, said.format, said.exclude, part)
        batch = batch_of(
            tasks,
            TEMPLATE_RUN,
            settings,
            place=place,
            samples=said.samples,
            max_attempts=said.max_attempts,
            cache=cache,
        )
        batch = batch.of_rows(said.format, left_out_by(said.exclude, tasks))
        return replace(batch, part=part), ", ".join(_runs_of_eval(said, part, batch.n_jobs))
    if words := [name for name in _OF_ROWS if _is_given(said, name)]:
        goes = "goes" if len(words) == 1 else "go"
        told = f"{' and '.join(words)} {goes} with an eval"
        raise UsageError(told, fixes=["--eval FILE", "or leave it out"], note=_NOTHING)
    flags = JobFlags(
        jsonl=said.jsonl,
        language=said.language,
        max_attempts=said.max_attempts,
        tests=said.tests,
        expect=said.expect,
        form=said.format,
        run=None if said.jsonl is None else TEMPLATE_RUN,
    )
    batch = wanted(said.prompt, flags, place, settings)
    if said.jsonl is not None:
        return batch, f"prompts of {said.jsonl}, {batch.n_jobs} jobs"
    return replace(batch, run_id=TEMPLATE_RUN), "one prompt"


def _is_given(said: Declared, name: str) -> bool:
    return bool(getattr(said, name) != Declared.model_fields[name].default)


def _runs_of_eval(said: Declared, part: Part | None, n_jobs: int) -> Iterator[str]:
    yield f"eval {said.eval}"
    if part is not None:
        yield part.in_words
    if said.exclude is not None:
        yield f"rows of {said.exclude} left out of the score"
    yield f"{n_jobs} jobs"


def _refuse_second_words(said: Declared) -> None:
    given = [name for name in ("language", "expect", "tests") if getattr(said, name) is not None]
    if given:
        raise UsageError(
            f"{' and '.join(given)} cannot be used with an eval: each row of its dataset says so for itself",
            fixes=["leave it out, or write it into the rows"],
            note=_NOTHING,
        )


def declared_in(table: ScheduleTable) -> Declared:
    """One `[[schedules]]` of the file.

    Raises:
        UsageError: something in it cannot be used.
    """
    try:
        return Declared.model_validate(dict(table.values))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        told = [
            _told(".".join(map(str, fault["loc"])), fault["type"], fault["msg"]) for fault in faults
        ]
        raise UsageError(
            f"[[schedules]] at {table.place} cannot be used",
            fixes=[f"mend it: {'; '.join(told)}", f"keys: {', '.join(Declared.model_fields)}"],
            note=_NOTHING,
        ) from None


def _told(name: str, kind: str, message: str) -> str:
    if kind != "extra_forbidden":
        return f"{name}: {message}"
    near = get_close_matches(name, Declared.model_fields, n=1)
    return f"{name} is no key of a schedule" + (f", did you mean {near[0]}?" if near else "")


def planned_in(
    tables: Sequence[ScheduleTable], settings_for: Callable[[str | None], Settings]
) -> list[Planned]:
    """The schedules of the file.

    Raises:
        UsageError: one of them cannot be kept like that, or two have one name.
    """
    plans: dict[str, Planned] = {}
    places: dict[str, str] = {}
    for table in tables:
        said = declared_in(table)
        if said.name in plans:
            raise UsageError(
                f"schedule {said.name!r} is declared twice: {places[said.name]} and {table.place}",
                fixes=["give one of them another name, or take it out"],
                note=_NOTHING,
            )
        try:
            plans[said.name] = planned(said, settings_for(said.model), [], "file")
        except PromptmillError as error:
            error.facts |= {"schedule": said.name, "written in": table.place}
            raise
        places[said.name] = table.place
    return list(plans.values())
