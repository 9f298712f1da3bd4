"""What a run of a dataset is to be: as it is typed, or as it was begun, whatever is set by now."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.errors import UsageError

from .asking import with_queue
from .errors import MixedRunError
from .flags import NO_LANE_FLAGS, LaneFlags, SettingFlags, read_settings
from .part_flags import ALL_OF_IT, PartFlags, part_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config.settings import Settings
    from jobs.begun import Begun
    from jobs.parts import Part

    from .batch import Batch
    from .evaluate import RunFlags

_NOTHING = "nothing was queued"


@dataclass(frozen=True)
class Meant:
    """A run of a dataset before its rows are read."""

    settings: Settings
    run: RunFlags
    lane: LaneFlags
    part: Part | None
    n_jobs: int | None = None
    """How many jobs it was begun with; None where nobody knows, or it is to be begun."""

    def refuse_other_dataset(self, batch: Batch) -> None:
        """Make sure that the dataset has as many rows as when the run was begun.

        Raises:
            MixedRunError: it has not.
        """
        if self.n_jobs is not None and batch.n_jobs != self.n_jobs:
            raise MixedRunError(
                f"run {batch.run_id!r} was begun with {self.n_jobs} jobs, and this dataset makes {batch.n_jobs}",
                fixes=["name the dataset as it was", "or begin another run, with --run NAME"],
                note=_NOTHING,
            )


def meant_by(run: RunFlags, part: PartFlags, lane: LaneFlags, flags: SettingFlags) -> Meant:
    """What was typed, and of a run that is gone on with all that was chosen for it when it was begun.

    Raises:
        UsageError: what was typed does not go together, or means nothing.
        MixedRunError: something else was typed than the run was begun with.
        RunNotFoundError: there is no such run.
    """
    if run.resume is None:
        return Meant(read_settings(flags, quiet=True), run, lane, part_in(part))
    if run.run is not None or part != ALL_OF_IT:
        raise UsageError(
            "--resume goes on with a run as it was begun, and goes with no "
            + ("--run" if run.run is not None else "--limit, --item, --where and --shard"),
            fixes=["leave out one or the other"],
            note=_NOTHING,
        )
    return _as_begun(run.resume, run, lane, flags)


def _as_begun(run_id: str, run: RunFlags, lane: LaneFlags, flags: SettingFlags) -> Meant:
    from jobs.run_parts import how_begun

    of, begun = with_queue(flags, lambda queue: how_begun(queue, run_id))
    if begun is None:
        return Meant(read_settings(flags, quiet=True), run, lane, of)
    differing = [
        f"{flag} ({_shown(was)}, now {_shown(now)})"
        for flag, was, now in _typed(begun, run, lane, flags)
        if was != now
    ]
    if differing:
        raise MixedRunError(
            f"run {run_id!r} was begun otherwise, and is gone on with as it was begun",
            facts={"differs in": ", ".join(differing)},
            fixes=["leave these flags out", "or begin another run, with --run NAME"],
            note=_NOTHING,
        )
    lane = NO_LANE_FLAGS if begun.in_batches else LaneFlags(begun.queue, begun.priority)
    return Meant(_settings_of(begun, flags), _run_of(begun, run), lane, of, begun.jobs)


def _typed(
    begun: Begun, run: RunFlags, lane: LaneFlags, flags: SettingFlags
) -> Iterator[tuple[str, object, object]]:
    """What was typed: the flag, what the run was begun with, and what it says now."""
    pairs = {
        "--model": (begun.model, None if flags.model == "auto" else flags.model),
        "--samples": (begun.samples, run.samples),
        "--max-attempts": (begun.max_attempts, run.max_attempts),
        "--feedback": (begun.conversation.feedback, run.feedback),
        "--format": (begun.form, run.form),
        "--cache": (begun.cache, run.cache),
        "--code-execution": (begun.code_execution, run.code_execution or None),
        "--as-recorded": (begun.as_recorded, run.as_recorded or None),
        "--batch": (begun.in_batches, run.batch or None),
        "--queue": (begun.queue, lane.queue),
        "--priority": (
            begun.priority,
            lane.priority if lane.priority != NO_LANE_FLAGS.priority else None,
        ),
    }
    for flag, (was, now) in pairs.items():
        # Of a run that Redis has forgotten some of it is known of each job alone, to which the job is held.
        if now is not None and was is not None:
            yield flag, was, now


def _shown(value: object) -> str:
    return ("off", "on")[value] if isinstance(value, bool) else str(value)


def _settings_of(begun: Begun, flags: SettingFlags) -> Settings:
    named = {} if begun.model is None else {"model.name": begun.model}
    settings = read_settings(flags, quiet=True, overrides=named)
    changes: dict[str, object] = {"conversation": begun.conversation}
    if begun.limits is not None:
        changes["limits"] = begun.limits
    return settings.model_copy(update=changes)


def _run_of(begun: Begun, run: RunFlags) -> RunFlags:
    left_out = None if begun.left_out is None else Path(begun.left_out.path)
    return replace(
        run,
        samples=begun.samples,
        max_attempts=run.max_attempts or begun.max_attempts,
        form=run.form or begun.form,
        exclude=run.exclude or left_out,
        cache=begun.cache,
        code_execution=begun.code_execution,
        as_recorded=begun.as_recorded,
        batch=begun.in_batches,
    )
