"""Why tests stop that neither passed nor failed. None is an `Exception`: tests catch those."""

TESTS_FILE = "tests.py"
"""What the tests' code is called in tracebacks: an error that names no line of it is none of theirs."""


class StoppedError(BaseException):
    """The tests cannot go on."""

    end = ""
    """The word for it in the report."""


class ProgramEndedError(StoppedError):
    """The program went away, or said something that is no answer."""

    end = "program_ended"


class OutOfTimeError(StoppedError):
    """The program was waited for as long as it may take."""

    end = "out_of_time"


class OverLimitError(StoppedError):
    """The program said more than the tests' process can hold."""

    end = "tests_over_limit"


class BrokenTestsError(StoppedError):
    """These are no tests, whatever the program is."""

    end = "broken_tests"


class CannotCrossError(StoppedError):
    """The tests need something of the program that no message can carry. Only what the tests do raises it."""

    end = "cannot_cross"
