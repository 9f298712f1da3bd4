"""What a row says of what is right: one check, or one of several."""

from functools import cache
from typing import Annotated, Literal, get_args

from pydantic import (
    Field,
    StrictBool,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

from jobs.bounds import MAX_SOURCE, MAX_TEXT
from jobs.checkers import (
    CHECK_FUNCTION,
    Case,
    Cases,
    Check,
    EntryPoint,
    ExitsCleanly,
    ExpectedCalls,
    MatchesCalls,
    MatchesOutput,
    PassesTests,
)
from jobs.comparisons import Compare, Tolerance
from jobs.languages import CALLABLE, Language, no_calls
from jobs.models import Stdin
from jobs.python_tests import fault_of, fault_of_checker
from jobs.wire import Wire

_BOTH_OR_ALL = {2: "both", 3: "all three", 4: "all four", 5: "all five"}
_SWITCHES = ("public", "run_all")
_RUNNERS = {
    "unittest": (Language.PYTHON,),
    "pytest": (Language.PYTHON,),
    "node:test": (Language.JAVASCRIPT, Language.TYPESCRIPT),
}

Source = Annotated[str, Field(min_length=1, max_length=MAX_SOURCE)]


class Written(Wire):
    """What a person wrote into a row."""

    @field_validator("*", mode="before")
    @classmethod
    def _is_no_switch(cls, value: object, info: ValidationInfo) -> object:
        # Read as a number, true would be 1.
        if isinstance(value, bool) and info.field_name not in _SWITCHES:
            raise ValueError("this field is no yes or no")
        if isinstance(value, str) and info.field_name in _numbers_of(cls):
            raise ValueError("a number is expected, and this is a text")
        return value


@cache
def _numbers_of(model: type[Written]) -> frozenset[str]:
    """The fields that hold a number, or nothing."""
    return frozenset(name for name, field in model.model_fields.items() if _is_number(field))


def _is_number(field: FieldInfo) -> bool:
    kinds = (getattr(each, "__origin__", each) for each in get_args(field.annotation))
    return any(kind in (int, float) for kind in kinds)


class UnitFile(Written):
    """A file of tests as a runner of tests takes it.

    One in Python imports the program as `solution` or `program`; one for Node.js has its functions by name.
    """

    code: Source
    runner: Literal["unittest", "pytest", "node:test"]


class RowCheck(Written):
    """A check of a row, in camelCase or snake_case; which kind it is, its fields say."""

    stdin: Stdin = ""
    """Fed to the program; `cases` have their own."""
    expect: Annotated[str, Field(max_length=MAX_TEXT)] | None = None
    """Right is what prints this, given `stdin`."""
    cases: Cases | None = None
    """Right is what prints what is expected of each of these inputs."""
    compare: Compare | None = None
    """How `expect` or `cases` are compared; None is `lines`."""
    absolute_tolerance: Tolerance | None = None
    relative_tolerance: Tolerance | None = None
    checker: Source | None = None
    """A Python program whose `check(stdin, stdout, expected)` says whether an output is right; None compares."""
    run_all: StrictBool | None = None
    """Whether the cases after the first one that failed are run, too."""
    tests: Source | None = None
    """Right is what passes these tests, written in the row's language."""
    unit_file: UnitFile | None = None
    """Right is what passes the tests of this file."""
    entry_point: EntryPoint | None = None
    """The function of the program that is called."""
    calls: ExpectedCalls | None = None
    """Right is a function that returns what is expected of each of these calls."""
    public: StrictBool = False
    """Whether the model may be shown what of the check failed."""

    @model_validator(mode="after")
    def _has_one_check(self) -> "RowCheck":
        given = [f'"{name}"' for name in self._given]
        if len(given) > 1:
            raise ValueError(f"give either {' or '.join(given)}, not {_BOTH_OR_ALL[len(given)]}")
        if self.public and not given:
            raise ValueError('"public" is said of a check, and this row has none')
        if (self.calls is None) != (self.entry_point is None):
            raise ValueError(
                '"entryPoint" and "calls" go together: a function, and what it is called with'
            )
        return self

    @model_validator(mode="after")
    def _compares_an_output(self) -> "RowCheck":
        if self.cases is not None and self.stdin:
            raise ValueError('"stdin" goes into each of the "cases"')
        if self.cases is None and self.run_all is not None:
            raise ValueError('"runAll" goes with "cases"')
        if self._how and self.expected is None:
            raise ValueError(f'"{next(iter(self._how))}" goes with "expect" or "cases"')
        tolerance = next((name for name in self._how if name.endswith("Tolerance")), None)
        if tolerance and not any(each is Compare.FLOAT for each in self._ways):
            raise ValueError(f'"{tolerance}" goes with "compare": "float"')
        if self.checker is not None:
            fault = fault_of_checker(self.checker, CHECK_FUNCTION)
            if fault:
                raise ValueError(f'"checker" cannot be used: {fault}')
        try:
            _ = self.check
        except ValidationError as error:
            raise ValueError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
        return self

    @property
    def has_check(self) -> bool:
        """Whether it says what is right."""
        return bool(self._given)

    @property
    def expected(self) -> Cases | None:
        """The inputs and outputs that are compared."""
        if self.expect is not None:
            return (Case(stdin=self.stdin, expect=self.expect),)
        return self.cases

    def why_not_in(self, language: Language) -> str | None:
        """Why programs in this language cannot be checked by it; None where they can."""
        if self.calls is not None and language not in CALLABLE:
            return f'"calls" {no_calls(language)}'
        if self.unit_file is not None and language not in _RUNNERS[self.unit_file.runner]:
            return f'"unitFile" has the runner {self.unit_file.runner!r}, which runs no tests of {language.value}'
        return None

    def why_useless_in(self, language: Language) -> str | None:
        """Why no program in this language could be judged by its tests, whatever it is; None where nobody knows."""
        name, tests = (
            ("tests", self.tests) if self.unit_file is None else ("unitFile", self.unit_file.code)
        )
        fault = fault_of(tests) if tests is not None and language is Language.PYTHON else None
        return f'"{name}" cannot be used: {fault}' if fault else None

    @property
    def check(self) -> Check:
        """What counts as right by it."""
        if self.calls is not None and self.entry_point is not None:
            return MatchesCalls(entry_point=self.entry_point, calls=self.calls, public=self.public)
        tests = self.tests if self.unit_file is None else self.unit_file.code
        if tests is not None:
            return PassesTests(tests=tests, public=self.public)
        if self.expected is None:
            return ExitsCleanly()
        return MatchesOutput.model_validate(
            {"cases": self.expected, "public": self.public, **self._how}
        )

    @property
    def _given(self) -> list[str]:
        """The fields that say what is right, by the names of a row."""
        kinds = {
            "expect": self.expect,
            "cases": self.cases,
            "tests": self.tests,
            "unitFile": self.unit_file,
            "calls": self.calls,
        }
        return [name for name, value in kinds.items() if value is not None]

    @property
    def _ways(self) -> list[Compare | None]:
        """How each output is compared."""
        return [case.compare or self.compare for case in self.expected or ()]

    @property
    def _how(self) -> dict[str, object]:
        """What the row says about the comparison, by the names of a row."""
        return self.model_dump(
            by_alias=True,
            exclude_none=True,
            include={"compare", "absolute_tolerance", "relative_tolerance", "checker", "run_all"},
        )
