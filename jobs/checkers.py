"""What counts as right: the checkers a job can name."""

from typing import Annotated, Literal, assert_never

from pydantic import Field, StrictBool, model_validator

from .bounds import MAX_CASES, MAX_CASES_TEXT, MAX_SOURCE, MAX_TEXT
from .comparisons import DEFAULT_TOLERANCE, Compare, Tolerance, unusable_because
from .languages import CALLABLE, Language, no_calls
from .wire import PlainJson, Wire

MAX_CHECKS = 100
"""Checks of one job; each is a run of its own, or several."""
MAX_CALLS = 10_000
"""Calls of one program's function."""
CHECK_FUNCTION = "check"
"""What a checker's own function is called."""

EntryPoint = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=256)]

Public = Annotated[
    StrictBool,
    Field(
        description="Whether the model may be shown what of it failed: its input, its source, what it expects. "
        "Of a hidden check a model is never told a word."
    ),
]


class ExitsCleanly(Wire):
    """Right is a program that ends by itself with exit code 0: it says that it ran, not that it is correct."""

    kind: Literal["exits_cleanly"] = "exits_cleanly"


class Case(Wire):
    """An input, and the standard output that has to follow from it."""

    name: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """None calls it by its number."""
    stdin: Annotated[str, Field(max_length=MAX_TEXT)] = ""
    expect: Annotated[str, Field(max_length=MAX_TEXT)]
    """The output; a pattern where it is compared by `regex`."""
    compare: Compare | None = None
    """None takes that of its check."""
    public: StrictBool | None = None
    """None takes that of its check."""


Cases = Annotated[tuple[Case, ...], Field(min_length=1, max_length=MAX_CASES)]


class MatchesOutput(Wire):
    """Right is a program that ends with exit code 0 and prints what is expected, for each of these inputs.

    Each case is a run of its own, under the job's whole limits. What is expected never enters the sandbox.
    """

    kind: Literal["matches_output"] = "matches_output"
    cases: Cases
    compare: Compare = Compare.LINES
    absolute_tolerance: Tolerance = DEFAULT_TOLERANCE
    relative_tolerance: Tolerance = DEFAULT_TOLERANCE
    """Of `float`: two numbers are the same if they are within either of the two."""
    checker: Annotated[str, Field(min_length=1, max_length=MAX_SOURCE)] | None = None
    """A Python program whose function `check(stdin, stdout, expected)` says whether an output is right, by returning
    true, false, or a text that says what is wrong. It is trusted, and runs in the sandbox by itself. None compares."""
    run_all: StrictBool = False
    """Whether the cases after the first one that failed are run, too. They change no verdict."""
    public: Public = False

    @model_validator(mode="after")
    def _can_be_compared(self) -> "MatchesOutput":
        for number, case in enumerate(self.cases, 1):
            if self.checker is not None and self.compare_of(case) is not Compare.LINES:
                raise ValueError(f"what case {number} prints is for the checker to compare")
            why = unusable_because(case.expect, self.compare_of(case))
            if why:
                raise ValueError(f"what case {number} expects is {why}")
        seen: dict[str, int] = {}
        for number in range(len(self.cases)):
            first = seen.setdefault(self.name_of(number), number)
            if first != number:
                raise ValueError(
                    f"cases {first + 1} and {number + 1} are both called {self.name_of(number)!r}"
                )
        n_characters = sum(len(case.stdin) + len(case.expect) for case in self.cases)
        if n_characters > MAX_CASES_TEXT:
            raise ValueError(
                f"the cases hold {n_characters:,} characters in all, of at most {MAX_CASES_TEXT:,}"
            )
        return self

    def name_of(self, number: int) -> str:
        """What the case at this place is called: by its place, counted from 1, where it has no name."""
        return self.cases[number].name or f"case {number + 1}"

    def compare_of(self, case: Case) -> Compare:
        """How the output of this case is compared."""
        return self.compare if case.compare is None else case.compare

    def is_public(self, case: Case) -> bool:
        """Whether the model may be shown this case."""
        return self.public if case.public is None else case.public


class PassesTests(Wire):
    """Right is a program whose tests run to their end without an error.

    The tests are source code in the job's language, written as if they stood after the program in its file. Exit code 0
    alone never passes: the end of the tests has to be reached. Python tests run in a process of their own, which says
    that they did. In other languages, and where Python tests need the program's own process, they run in that, and a
    nonce unknown to the program proves it.
    """

    kind: Literal["passes_tests"] = "passes_tests"
    tests: Annotated[str, Field(min_length=1, max_length=MAX_SOURCE)]
    public: Public = False


class Call(Wire):
    """What a function of the program is called with."""

    arguments: tuple[PlainJson, ...]
    """By position."""


class CallInputs(Wire):
    """What goes into the sandbox of a `MatchesCalls`: no expected value is among it."""

    entry_point: EntryPoint
    calls: Annotated[tuple[Call, ...], Field(min_length=1, max_length=MAX_CALLS)]


class ExpectedCall(Call):
    """A call, and what it has to return."""

    expected: PlainJson


ExpectedCalls = Annotated[tuple[ExpectedCall, ...], Field(min_length=1, max_length=MAX_CALLS)]


class MatchesCalls(Wire):
    """Right is a program whose function returns these values.

    The program is given the arguments and hands plain JSON values back; they are compared outside the sandbox, by exact
    type, with values that never enter it. `1`, `1.0` and `true` are three different values in Python; a tuple counts as
    a list, because JSON has no other. In JavaScript all numbers are one type.
    """

    kind: Literal["matches_calls"] = "matches_calls"
    entry_point: EntryPoint
    """The function's name: it has to be there at the program's top level when the program has run."""
    calls: ExpectedCalls
    public: Public = False

    @property
    def inputs(self) -> CallInputs:
        """What the program may know of it."""
        calls = tuple(Call(arguments=call.arguments) for call in self.calls)
        return CallInputs(entry_point=self.entry_point, calls=calls)


Check = Annotated[
    ExitsCleanly | MatchesOutput | PassesTests | MatchesCalls, Field(discriminator="kind")
]
"""What says by itself whether a program is right."""


class AllOf(Wire):
    """Right is what every one of these checks accepts.

    Public ones are tried first, in their order, then the hidden ones; the first that fails decides, and the others are
    not tried any more.
    """

    kind: Literal["all_of"] = "all_of"
    checks: Annotated[tuple[Check, ...], Field(min_length=2, max_length=MAX_CHECKS)]

    @property
    def in_order(self) -> tuple[tuple[int, Check], ...]:
        """The checks in the order in which they are tried, each with its number, counted from 1 as they are given."""
        return tuple(sorted(enumerate(self.checks, 1), key=lambda pair: not is_public(pair[1])))


Checker = Annotated[
    ExitsCleanly | MatchesOutput | PassesTests | MatchesCalls | AllOf, Field(discriminator="kind")
]


def checks_of(checker: Checker) -> tuple[Check, ...]:
    """The check, or each of several."""
    return checker.checks if isinstance(checker, AllOf) else (checker,)


def why_unfit(checker: Checker, language: Language, stdin: str) -> str | None:
    """Why programs of this language, given this input, cannot be checked so; None where they can."""
    checks = checks_of(checker)
    if language not in CALLABLE and any(isinstance(check, MatchesCalls) for check in checks):
        return f"calls {no_calls(language)}"
    if stdin and any(isinstance(check, MatchesOutput) for check in checks):
        return "standard input goes into the cases of the check, each of which is a run"
    return None


def is_public(check: Check) -> bool:
    """Whether the model may be shown some of it. Of a program's mere end there is nothing to hide."""
    match check:
        case ExitsCleanly():
            return True
        case MatchesOutput():
            return any(map(check.is_public, check.cases))
        case PassesTests() | MatchesCalls():
            return check.public
        case _:
            assert_never(check)


def checker_of(*, expect: str | None, tests: str | None) -> Checker:
    """A public check of at most one of the two: with neither, right is a program that ends cleanly."""
    if tests is not None:
        return PassesTests(tests=tests, public=True)
    if expect is None:
        return ExitsCleanly()
    return MatchesOutput(cases=(Case(expect=expect),), public=True)
