"""What is queued by one command: jobs that are made when they are needed, however many there are."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from jobs.begun import Begun, LeftOut
from jobs.budgets import Budget
from jobs.clock import new_id
from jobs.code_execution import why_not_by_gemini
from jobs.conversations import Conversation
from jobs.errors import UsageError
from jobs.feedback import Feedback
from jobs.identifiers import is_identifier
from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import PromptJob
from jobs.parts import Part
from jobs.presence import WorkerPresence, is_replayed

from .placing import Place

if TYPE_CHECKING:
    from config.settings import Settings
    from jobs.datasets.choosing import Tasks

NAMES = (
    "use up to 128 letters, digits, dots, hyphens and underscores, beginning with a letter or digit"
)
"""What a run may be called, and the id of a job."""


@dataclass(frozen=True)
class Chosen:
    """What was chosen for the rows of a dataset that do not say for themselves, and of them."""

    samples: int
    max_attempts: int
    limits: Limits
    n_rows: int
    """How many rows the dataset has, whatever is chosen of them."""
    form: str | None = None
    left_out: LeftOut | None = None


@dataclass(frozen=True)
class Batch:
    """One prompt, or the tasks of a dataset under one configuration."""

    run_id: str | None
    """None of one prompt, which belongs to no run."""
    n_jobs: int
    languages: Mapping[Language, int]
    """How many of the jobs are to be solved in each."""
    requires: Mapping[str, int]
    """How many of the jobs need each module beyond Python's own."""
    n_unchecked: int
    """For how many of the jobs nothing says what is right."""
    make: Callable[[], Iterator[PromptJob]]
    """The jobs, but for what stands here."""
    place: Place
    conversation: Conversation | None
    """None leaves to each job its own, and the rest of how it goes on."""
    cache: bool = False
    code_execution: bool = False
    """Whether Gemini runs the programs itself."""
    as_recorded: bool = False
    """Whether all attempts that were recorded are gone through."""
    model: str | None = None
    part: Part | None = None
    """What of the dataset it is of; None is all of it."""
    budget: Budget = field(default_factory=Budget)
    """What the run may use."""
    in_batches: bool = False
    """Whether Gemini is asked by its Batch API."""
    chosen: Chosen | None = None
    """None of jobs that are not made of the rows of a dataset."""

    @property
    def begun(self) -> Begun | None:
        """What its run is begun with, for whoever goes on with it; None of one that is of no dataset."""
        if self.chosen is None or self.conversation is None:
            return None
        return Begun(
            jobs=self.n_jobs,
            samples=self.chosen.samples,
            form=self.chosen.form,
            left_out=self.chosen.left_out,
            model=self.model,
            max_attempts=self.chosen.max_attempts,
            limits=self.chosen.limits,
            conversation=self.conversation,
            cache=self.cache,
            code_execution=self.code_execution,
            as_recorded=self.as_recorded,
            in_batches=self.in_batches,
            queue=self.place.queue,
            priority=self.place.priority,
        )

    def jobs(self) -> Iterator[PromptJob]:
        """The jobs, made anew each time, and the same ones each time."""
        changes: dict[str, object] = {
            "model": self.model,
            "queue": self.place.queue,
            "priority": self.place.priority,
            "cache": self.cache,
        }
        if self.conversation is not None:
            changes |= {
                "conversation": self.conversation,
                "code_execution": self.code_execution,
                "as_recorded": self.as_recorded,
                "part": self.part,
            }
        for job in self.make():
            yield job.model_copy(update=changes)

    def first(self) -> PromptJob:
        """The first of the jobs."""
        return next(self.jobs())

    def for_model(self, model: str) -> "Batch":
        """The same jobs, to be answered by this model and by no worker that asks another."""
        return replace(self, model=model)

    def told(self, feedback: Feedback | None) -> "Batch":
        """The same jobs, of which the model is told so much; None leaves it as it is."""
        if feedback is None:
            return self
        talk = (self.conversation or Conversation()).model_copy(update={"feedback": feedback})
        return replace(self, conversation=talk)

    def of_rows(self, form: str | None, left_out: LeftOut | None) -> "Batch":
        """The same jobs, of rows that were said to be this, and of which these are left out of the score."""
        if self.chosen is None:
            return self
        return replace(self, chosen=replace(self.chosen, form=form, left_out=left_out))

    def within(self, budget: Budget) -> "Batch":
        """The same jobs, in a run that may use so much.

        Raises:
            UsageError: they belong to no run.
        """
        if budget.is_set and self.run_id is None:
            raise UsageError(
                "a budget is that of a run, and one prompt belongs to none",
                fixes=["submit a file of prompts with it:  --jsonl FILE"],
                note="nothing was queued",
            )
        return replace(self, budget=budget)

    def gone_through(self, settings: "Settings") -> "Batch":
        """The same jobs, each with all attempts that were recorded of it, past one that is accepted.

        Raises:
            UsageError: it is no recording that answers.
        """
        if not is_replayed(settings.meant_model):
            raise UsageError(
                f"--as-recorded goes through recorded attempts, and {settings.meant_model} is a model",
                fixes=["name recordings:  --model replay:FILE", "or leave out --as-recorded"],
                note="nothing was queued",
            )
        return replace(self, as_recorded=True)

    def run_by_gemini(self, settings: "Settings") -> "Batch":
        """The same jobs, whose programs Gemini runs itself.

        Raises:
            UsageError: it cannot run one of them, or nobody would ask it.
        """
        if is_replayed(settings.meant_model):
            raise UsageError(
                f"--code-execution has Gemini run programs, and {settings.meant_model} is no model of Gemini's",
                fixes=["set a key:  export GEMINI_API_KEY=...", "or leave out --code-execution"],
                note="nothing was queued",
            )
        for job in self.make():
            is_alone = not job.preamble and not job.files
            why = why_not_by_gemini(job.language, job.checker, job.stdin, is_alone=is_alone)
            if why:
                raise UsageError(
                    f"--code-execution does not go with {job.task_id or 'this prompt'!r}: {why}",
                    fixes=["leave out --code-execution, and it is run in the sandbox"],
                    note="nothing was queued",
                )
        return replace(self, code_execution=True)

    def is_for(self, worker: WorkerPresence) -> bool:
        """Whether this worker will take the jobs."""
        return worker.answers(self.model) and self.place.queue in worker.queues


def name_of_run(typed: str | None, *, note: str = "nothing was queued") -> str:
    """What a run that is to be begun is called, or gone on with by that name; made up where nothing was typed.

    Raises:
        UsageError: it cannot be the name of one.
    """
    if typed is not None and not is_identifier(typed):
        raise UsageError(
            f"{typed!r} cannot name a run",
            fixes=[NAMES],
            note=note,
        )
    return new_id("run") if typed is None else typed


def batch_of(  # noqa: PLR0913  (each is a word of the command line)
    tasks: "Tasks",
    run_id: str,
    settings: "Settings",
    *,
    place: Place,
    samples: int = 1,
    max_attempts: int | None = None,
    cache: bool = False,
) -> Batch:
    """The jobs of a run: every task, so many times.

    Raises:
        UsageError: the files of a task do not fit where programs run.
    """
    _refuse_without_room(tasks, settings.limits.capped_by(settings.ceiling))
    attempts = max_attempts or settings.attempts.max
    chosen = Chosen(samples, attempts, settings.limits, tasks.n_rows)

    def make() -> Iterator[PromptJob]:
        for task in tasks:
            for sample in range(samples):
                yield task.to_job(
                    run_id,
                    sample=sample,
                    excluded=tasks.excluded.get(task.id or ""),
                    max_attempts=chosen.max_attempts,
                    limits=chosen.limits,
                )

    languages = {language: n * samples for language, n in tasks.languages.items()}
    requires = {name: n * samples for name, n in tasks.requires.items()}
    return Batch(
        run_id,
        len(tasks) * samples,
        languages,
        requires,
        tasks.n_unchecked * samples,
        make,
        place,
        settings.conversation,
        cache,
        chosen=chosen,
    )


def _refuse_without_room(tasks: "Tasks", limits: Limits) -> None:
    task, most = tasks.largest, limits.scratch_mib
    if task is not None and task.room_for_files > most << 20:
        raise UsageError(
            f"the files of {task.id!r} take {task.room_for_files:,} bytes of disk, and programs have {most} MiB",
            fixes=[
                "give all more:  limits.scratch_mib, up to ceiling.scratch_mib",
                "or that row:  scratchMib in its limits",
                "or give it smaller files",
            ],
            note="nothing was queued",
        )
