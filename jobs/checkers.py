"""What counts as right: the checkers a job can name."""

from typing import Annotated, Literal

from pydantic import Field

from .bounds import MAX_SOURCE, MAX_TEXT
from .wire import PlainJson, Wire

MAX_CALLS = 10_000
"""Calls of one program's function."""

EntryPoint = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=256)]


class ExitsCleanly(Wire):
    """Right is a program that ends by itself with exit code 0: it says that it ran, not that it is correct."""

    kind: Literal["exits_cleanly"] = "exits_cleanly"


class PrintsOutput(Wire):
    """Right is exit code 0 and this standard output.

    Compared by trimmed lines: white space at line ends, and empty lines at the end, do not count.
    """

    kind: Literal["prints_output"] = "prints_output"
    expected: Annotated[str, Field(max_length=MAX_TEXT)]


class PassesTests(Wire):
    """Right is a program whose tests run to their end without an error.

    The tests are source code in the job's language and run after the program, in its process and scope. Exit
    code 0 alone never passes: the end of the tests has to be reached, which a nonce unknown to the program proves.
    """

    kind: Literal["passes_tests"] = "passes_tests"
    tests: Annotated[str, Field(min_length=1, max_length=MAX_SOURCE)]


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

    @property
    def inputs(self) -> CallInputs:
        """What the program may know of it."""
        calls = tuple(Call(arguments=call.arguments) for call in self.calls)
        return CallInputs(entry_point=self.entry_point, calls=calls)


Checker = Annotated[
    ExitsCleanly | PrintsOutput | PassesTests | MatchesCalls, Field(discriminator="kind")
]


def checker_of(*, expect: str | None, tests: str | None) -> Checker:
    """What counts as right where at most one of the two is given: with neither, a program that ends cleanly."""
    if tests is not None:
        return PassesTests(tests=tests)
    return ExitsCleanly() if expect is None else PrintsOutput(expected=expect)
