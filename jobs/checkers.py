"""What counts as right: the checkers a job can name."""

from typing import Annotated, Literal

from pydantic import Field

from .bounds import MAX_SOURCE, MAX_TEXT
from .wire import Wire


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


Checker = Annotated[ExitsCleanly | PrintsOutput | PassesTests, Field(discriminator="kind")]


def checker_of(*, expect: str | None, tests: str | None) -> Checker:
    """What counts as right where at most one of the two is given: with neither, a program that ends cleanly."""
    if tests is not None:
        return PassesTests(tests=tests)
    return ExitsCleanly() if expect is None else PrintsOutput(expected=expect)
