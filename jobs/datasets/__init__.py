"""Files of tasks: what a row is, and how it becomes a job."""

from typing import Annotated

from pydantic import (
    Field,
    StrictBool,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from jobs.bounds import MAX_ATTEMPTS, MAX_SOURCE, MAX_TEXT
from jobs.checkers import (
    Case,
    Cases,
    Checker,
    EntryPoint,
    ExitsCleanly,
    ExpectedCalls,
    MatchesCalls,
    MatchesOutput,
    PassesTests,
)
from jobs.clock import derived_id
from jobs.comparisons import Compare, Tolerance
from jobs.languages import CALLABLE, Language, no_calls
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
from jobs.models import Prompt, PromptJob, Stdin, TaskId
from jobs.python_tests import fault_of
from jobs.wire import OpaqueJson, Wire

_BOTH_OR_ALL = {2: "both", 3: "all three", 4: "all four"}
# Of what `WallSeconds` allows, the most.
_LONGEST_WALL_SECONDS = 7200.0
_SWITCHES = ("public", "run_all")


class _Written(Wire):
    """What a person wrote into a row."""

    @field_validator("*", mode="before")
    @classmethod
    def _is_no_switch(cls, value: object, info: ValidationInfo) -> object:
        # Read as a number, true would be 1.
        if isinstance(value, bool) and info.field_name not in _SWITCHES:
            raise ValueError("this field is no yes or no")
        return value


class PartialLimits(_Written):
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


class Task(_Written):
    """One row of a dataset, in camelCase or snake_case."""

    id: TaskId | None = None
    """The dataset's own name for the row; left out, it is `line-N`."""
    prompt: Prompt
    language: Language = Language.PYTHON
    stdin: Stdin = ""
    max_attempts: Annotated[int, Field(ge=1, le=MAX_ATTEMPTS)] | None = None
    """None takes the run's default."""
    expect: Annotated[str, Field(max_length=MAX_TEXT)] | None = None
    """Right is what prints this, given `stdin`."""
    cases: Cases | None = None
    """Right is what prints what is expected of each of these inputs."""
    compare: Compare | None = None
    """How `expect` or `cases` are compared; None is `lines`."""
    absolute_tolerance: Tolerance | None = None
    relative_tolerance: Tolerance | None = None
    run_all: StrictBool | None = None
    """Whether the cases after the first one that failed are run, too."""
    tests: Annotated[str, Field(min_length=1, max_length=MAX_SOURCE)] | None = None
    """Right is what passes these tests, written in the row's language."""
    entry_point: EntryPoint | None = None
    """The function of the program that is called."""
    calls: ExpectedCalls | None = None
    """Right is a function that returns what is expected of each of these calls."""
    public: StrictBool = False
    """Whether the model may be shown what of the check failed."""
    limits: PartialLimits = PartialLimits()
    tags: tuple[str, ...] = ()
    metadata: OpaqueJson = Field(default_factory=dict)
    """Whatever else is known of the row; carried into the record."""

    @model_validator(mode="after")
    def _has_one_check(self) -> "Task":
        checks = {
            "expect": self.expect,
            "cases": self.cases,
            "tests": self.tests,
            "calls": self.calls,
        }
        given = [f'"{name}"' for name, value in checks.items() if value is not None]
        if len(given) > 1:
            raise ValueError(f"give either {' or '.join(given)}, not {_BOTH_OR_ALL[len(given)]}")
        if self.public and not given:
            raise ValueError('"public" is said of a check, and this row has none')
        if (self.calls is None) != (self.entry_point is None):
            raise ValueError(
                '"entryPoint" and "calls" go together: a function, and what it is called with'
            )
        if self.calls is not None and self.language not in CALLABLE:
            raise ValueError(f'"calls" {no_calls(self.language)}')
        return self

    @model_validator(mode="after")
    def _has_tests_that_say_something(self) -> "Task":
        if self.tests is not None and self.language is Language.PYTHON:
            fault = fault_of(self.tests)
            if fault:
                raise ValueError(f'"tests" cannot be used: {fault}')
        return self

    @model_validator(mode="after")
    def _compares_an_output(self) -> "Task":
        if self.cases is not None and self.stdin:
            raise ValueError('"stdin" goes into each of the "cases"')
        if self.cases is None and self.run_all is not None:
            raise ValueError('"runAll" goes with "cases"')
        if self._how and self._expected is None:
            raise ValueError(f'"{next(iter(self._how))}" goes with "expect" or "cases"')
        tolerance = next((name for name in self._how if name.endswith("Tolerance")), None)
        if tolerance and not any(each is Compare.FLOAT for each in self._ways):
            raise ValueError(f'"{tolerance}" goes with "compare": "float"')
        try:
            _ = self.checker
        except ValidationError as error:
            raise ValueError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
        return self

    @property
    def _expected(self) -> Cases | None:
        if self.expect is not None:
            return (Case(stdin=self.stdin, expect=self.expect),)
        return self.cases

    @property
    def _ways(self) -> list[Compare | None]:
        """How each output is compared."""
        return [case.compare or self.compare for case in self._expected or ()]

    @property
    def _how(self) -> dict[str, object]:
        """What the row says about the comparison, by the names of a row."""
        return self.model_dump(
            by_alias=True,
            exclude_none=True,
            include={"compare", "absolute_tolerance", "relative_tolerance", "run_all"},
        )

    @property
    def checker(self) -> Checker:
        """What counts as right for this row."""
        if self.calls is not None and self.entry_point is not None:
            return MatchesCalls(entry_point=self.entry_point, calls=self.calls, public=self.public)
        if self.tests is not None:
            return PassesTests(tests=self.tests, public=self.public)
        if self._expected is None:
            return ExitsCleanly()
        return MatchesOutput.model_validate(
            {"cases": self._expected, "public": self.public, **self._how}
        )

    def to_job(
        self,
        run_id: str,
        *,
        sample: int = 0,
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
            sample=sample,
            language=self.language,
            checker=self.checker,
            stdin="" if self._expected else self.stdin,
            max_attempts=self.max_attempts or max_attempts,
            limits=self.limits.over(limits),
            metadata={**({"tags": list(self.tags)} if self.tags else {}), **self.metadata},
        )
