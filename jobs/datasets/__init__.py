"""Files of tasks: what a row is, and how it becomes a job."""

from datetime import date
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, model_validator

from jobs.bounds import MAX_ATTEMPTS
from jobs.checkers import MAX_CHECKS, AllOf, Checker, ExitsCleanly, MatchesOutput, checks_of
from jobs.clock import derived_id
from jobs.given_files import GivenFiles, room_for
from jobs.languages import Language
from jobs.limits import (
    CpuSeconds,
    FileSizeMib,
    Limits,
    MemoryMib,
    OpenFiles,
    OutputKib,
    Processes,
    ScratchMib,
    WallSeconds,
)
from jobs.models import Preamble, Prompt, PromptJob, TaskId
from jobs.wire import OpaqueJson

from .checks import RowCheck, Source, Written

# Of what `WallSeconds` allows, the most.
_LONGEST_WALL_SECONDS = 7200.0
KNOWN_TO_FIT = "known to fit"
"""The context in which a row is read of which it is known that its language fits its checks."""
MAY_BE_USELESS = "may be useless"
"""That of a row which somebody else asks whether its tests could judge any program."""
PackageName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*$", max_length=256)]


class PartialLimits(Written):
    """The limits a row changes; what it leaves out stays as the job's defaults have it."""

    cpu_seconds: CpuSeconds | None = None
    wall_seconds: WallSeconds | None = None
    memory_mib: MemoryMib | None = None
    output_kib: OutputKib | None = None
    file_size_mib: FileSizeMib | None = None
    scratch_mib: ScratchMib | None = None
    processes: Processes | None = None
    open_files: OpenFiles | None = None

    def over(self, defaults: Limits) -> Limits:
        """The defaults with these changes. More CPU time brings as much more time on the clock, unless that is set."""
        changes = self.model_dump(exclude_none=True)
        if self.cpu_seconds is not None:
            share = self.cpu_seconds / defaults.cpu_seconds
            longer = min(defaults.wall_seconds * share, _LONGEST_WALL_SECONDS)
            changes.setdefault("wall_seconds", max(defaults.wall_seconds, longer))
        return Limits.model_validate({**defaults.model_dump(), **changes})


class Task(RowCheck):
    """One row of a dataset, in camelCase or snake_case."""

    id: TaskId | None = None
    """The dataset's own name for the row; left out, it is `line-N`."""
    prompt: Prompt
    language: Language = Language.PYTHON
    checks: Annotated[tuple[RowCheck, ...], Field(max_length=MAX_CHECKS)] = ()
    """Right is what each of these accepts, and the row's own check with them."""
    max_attempts: Annotated[int, Field(ge=1, le=MAX_ATTEMPTS)] | None = None
    """None takes the run's default."""
    preamble: Preamble = ""
    """Source code that is put before each program, such as imports."""
    files: GivenFiles = Field(default_factory=dict)
    """What lies in the directory that programs run in, by path."""
    requires: tuple[PackageName, ...] = ()
    """Modules beyond the standard library that have to be there for a right answer."""
    reference: Source | None = None
    """A program that is right, whole: what stands before every program (`preamble`) is put before it as well."""
    broken_reference: Source | None = None
    """A program that looks right and is not."""
    limits: PartialLimits = PartialLimits()
    cluster: TaskId | None = None
    """What it has in common with other rows, which statistics then do not take for independent."""
    released: date | None = None
    """When the task became public: a model that was trained later may have seen it."""
    tags: tuple[str, ...] = ()
    metadata: OpaqueJson = Field(default_factory=dict)
    """Whatever else is known of the row; carried into the record."""

    @model_validator(mode="after")
    def _fits_its_language(self, info: ValidationInfo) -> "Task":
        for number, each in enumerate(self.checks, 1):
            if not each.has_check:
                raise ValueError(f"check {number} says nothing of what is right")
            if each.stdin and each.expected is None:
                raise ValueError(
                    f'"stdin" of check {number} goes with its "expect"; for tests and calls give it to the row'
                )
        # Tests are read at length, which is done once.
        if info.context is not KNOWN_TO_FIT:
            self._refuse_what_does_not_fit(may_be_useless=info.context is MAY_BE_USELESS)
        if self.checks and self.stdin and self.expect is None and self._are_compared:
            raise ValueError('"stdin" goes into each of the "checks" that compare an output')
        return self

    def _refuse_what_does_not_fit(self, *, may_be_useless: bool) -> None:
        for each in self._own:
            if why := each.why_not_in(self.language):
                raise ValueError(why)
        if not may_be_useless and (why := self.why_useless):
            raise ValueError(why)

    @property
    def why_useless(self) -> str | None:
        """Why no program could be judged by its tests, whatever it is; None where nobody knows."""
        return next(filter(None, (each.why_useless_in(self.language) for each in self._own)), None)

    @model_validator(mode="after")
    def _has_room_for_its_files(self) -> "Task":
        most = self.limits.scratch_mib
        if most is not None and self.room_for_files > most << 20:
            raise ValueError(
                f'the "files" take {self.room_for_files:,} bytes of disk, and "scratchMib" of its limits is {most}: '
                "give them more"
            )
        return self

    @property
    def room_for_files(self) -> int:
        """Bytes of disk that its files take."""
        if not self.files:
            return 0
        return room_for(text.encode(errors="replace") for text in self.files.values())

    @property
    def judged_by(self) -> Checker:
        """What counts as right for this row."""
        checks = [each.check for each in self._own]
        match checks:
            case []:
                return ExitsCleanly()
            case [one]:
                return one
            case _:
                return AllOf(checks=tuple(checks))

    def to_job(
        self,
        run_id: str,
        *,
        sample: int = 0,
        excluded: str | None = None,
        max_attempts: int,
        limits: Limits,
    ) -> PromptJob:
        """The job for one sample of this row; its id follows from run, task and sample."""
        if self.id is None:
            raise ValueError("a row gets its id when its file is read")
        return PromptJob(
            prompt=self.prompt,
            job_id=derived_id("job", run_id, self.id, sample),
            run_id=run_id,
            task_id=self.id,
            cluster=self.cluster,
            excluded=excluded,
            sample=sample,
            language=self.language,
            checker=self.judged_by,
            stdin="" if self._are_compared else self.stdin,
            preamble=self.preamble,
            files=self.files,
            max_attempts=self.max_attempts or max_attempts,
            limits=self.limits.over(limits),
            metadata={**self._told_of, **self.metadata},
        )

    @property
    def is_unchecked(self) -> bool:
        """Whether nothing says what is right, so that whatever ends well passes."""
        return not self._own

    @property
    def _own(self) -> tuple[RowCheck, ...]:
        """Each of its checks: the one that is written into the row itself, and those of `checks`."""
        return (*((self,) if self.has_check else ()), *self.checks)

    @property
    def _are_compared(self) -> bool:
        return any(isinstance(one, MatchesOutput) for one in checks_of(self.judged_by))

    @property
    def _told_of(self) -> dict[str, Any]:
        """What of the row is nothing to its programs, and is kept for whoever reads the record."""
        return {
            **({"tags": list(self.tags)} if self.tags else {}),
            **({"released": self.released.isoformat()} if self.released else {}),
        }


def the_larger(one: Task | None, other: Task) -> Task | None:
    """Which of them needs more room for its files, of those that leave it to the run how much there is."""
    if not other.files or other.limits.scratch_mib is not None:
        return one
    return other if one is None or other.room_for_files > one.room_for_files else one
