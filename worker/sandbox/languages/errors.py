"""How a language speaks of what went wrong."""

import re
from dataclasses import dataclass

# A compiler quotes a line or two. What a program has printed before may be longer, and is not searched for its words.
_COMPILERS_CHARACTERS = 65_536


@dataclass(frozen=True)
class CompileError:
    """How a compiler speaks, line by line: a pattern over many lines could be made to search for hours."""

    first_line: re.Pattern[str] | None
    """How its first line begins; None where it may come after output of the program."""
    error_line: re.Pattern[str]
    """How the line begins that names the error."""
    never_after: str
    """What stands after that only where the error was raised by a running program; empty where nothing tells."""

    def is_said_in(self, stderr: str) -> bool:
        """Whether this is the compiler's word."""
        lines = stderr[:_COMPILERS_CHARACTERS].splitlines()
        if self.first_line is not None and not (lines and self.first_line.match(lines[0])):
            return False
        said = next((n for n, line in enumerate(lines) if self.error_line.match(line)), None)
        if said is None:
            return False
        return not self.never_after or self.never_after not in "\n".join(lines[said + 1 :])


@dataclass(frozen=True)
class ErrorForm:
    """How to read the error that ended a program, line by line. Patterns are matched at the start of a line.

    Groups say what is what: `name` is the error's type, `line` and `function` are the place. All may be missing.
    """

    run: re.Pattern[str] | None = None
    """The line that names an error of a running program; the last one counts."""
    compile: re.Pattern[str] | None = None
    """The line that names an error of the compiler; the first one counts, as others follow from it."""
    continued: re.Pattern[str] | None = None
    """The line below it, where that says more."""
    place: re.Pattern[str] | None = None
    """The line below a compiler's error, or two below, where it says where."""
    frame: re.Pattern[str] | None = None
    """A line of a stack trace, the innermost first, that is in the program's own file."""
    frame_name: re.Pattern[str] | None = None
    """The line above such a line, where that has the function."""
    assertion: re.Pattern[str] | None = None
    """What is found in the error where a stated expectation failed."""
    missing: re.Pattern[str] | None = None
    """What is found in an error of tests that ask for what the program does not have.

    Any other that was raised in their part of the file is a test that failed. None where no place tells that.
    """
    misplaced: re.Pattern[str] | None = None
    """What is found in a program that may have its errors reported where it was called."""
