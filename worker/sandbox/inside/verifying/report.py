"""What each case of the tests came to, written for the worker as it becomes known."""

import json
import os
import reprlib

from .endings import TESTS_FILE, BrokenTestsError, CannotCrossError, StoppedError
from .link import words_of
from .needs import PROGRAM_MODULES
from .suites import THEIR_OWN_END

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from .link import Link

REPORT = 5
"""The tests' descriptor for it."""
_MOST_CASES = 500
_MOST_WORDS = 2_000
_MOST_OF_A_LINE = 200
_MOST_ITEMS = 100
# Of these `repr` is as short, and costs a tenth.
_NUMBERS, _LISTS = frozenset((type(None), bool, int, float)), frozenset((list, tuple))
_SHORT = reprlib.Repr()
_SHORT.maxlevel = 8
for _name in ("maxtuple", "maxlist", "maxset", "maxfrozenset", "maxdeque", "maxdict"):
    setattr(_SHORT, _name, _MOST_ITEMS)
_SHORT.maxstring = _SHORT.maxlong = _SHORT.maxother = 1_000


class Mismatch:
    """What a failed assertion compared."""

    def __init__(self, line: int, expected: str | None, actual: str | None) -> None:
        self.line = line
        self.expected = expected
        self.actual = actual


class Cases:
    """The cases of one run of tests, in order."""

    def __init__(self, link: "Link", missing: "set[str]", source: "list[str]") -> None:
        """`missing` are names that the tests ask of the program and it may not have, `source` the tests' lines."""
        self._link = link
        self._missing = missing
        self._source = source
        self._n = 0
        self._has_written_a_failure = False
        self._times: dict[str, int] = {}
        self._stopped_in: str | None = None
        self.first_failure: tuple[str, str] | None = None
        """Verdict and explanation of the first that was not right."""

    def at(self, line: int) -> str:
        """What a case is called that has no name but its place."""
        source = self._source[line - 1].strip() if 0 < line <= len(self._source) else ""
        return f"line {line}: {source[:_MOST_OF_A_LINE]}" if source else f"line {line}"

    def passed(self, name: str, expected: "str | None" = None, actual: "str | None" = None) -> None:
        """One that was right."""
        self._write(self._again(name), "accepted", expected, actual)

    def failed(self, error: BaseException, name: "str | None" = None) -> None:
        """One that ended with this error; without a name it is called by its line."""
        if isinstance(error, StoppedError):
            # The end of the tests, and told as such.
            line = line_of(error.__traceback__)
            self._stopped_in = self._stopped_in or name or (self.at(line) if line else None)
            return
        if isinstance(error, ImportError) and not self._link.has_raised(error):
            missing = _missing_of(error)
            if missing:
                self._link.stopped = self._link.stopped or BrokenTestsError(missing)
                return
        line = line_of(error.__traceback__)
        mismatch = vars(error).get("_promptmill_mismatch")
        name = name or self.at(mismatch.line if mismatch else line)
        verdict, words = self._verdict_of(error), _words_of(error)
        expected, actual = (mismatch.expected, mismatch.actual) if mismatch else (None, words)
        if self.first_failure is None:
            if self._link.has_raised(error):
                self._show()
            shown = f"expected {expected}, got {actual}" if mismatch and expected else words
            self.first_failure = (verdict, f"{name}: {shown}"[:_MOST_WORDS])
        self._write(self._again(name), verdict, expected, actual)

    def end(self) -> None:
        """Say how it all ended; nothing is written after it. What failed before it could not cross has failed."""
        stopped = self._link.stopped
        if stopped is not None and not (
            isinstance(stopped, CannotCrossError) and self.first_failure is not None
        ):
            say_stopped(stopped, self._stopped_in)
        elif self.first_failure is not None:
            verdict, why = self.first_failure
            _send({"end": "failed", "verdict": verdict, "why": why})
        else:
            _send({"end": "finished" if self._link.has_asked else "untried"})

    def _verdict_of(self, error: BaseException) -> str:
        if self._link.has_raised(error):
            return "runtime_error"
        is_missing = isinstance(error, NameError) and error.name in self._missing
        return "runtime_error" if is_missing or isinstance(error, ImportError) else "wrong_answer"

    def _show(self) -> None:
        try:
            self._link.show_last_error()
        except (Exception, StoppedError):  # noqa: BLE001, S110  a program may answer this by another error, and gains nothing
            pass

    def _again(self, name: str) -> str:
        """A name for one of several at the same place."""
        times = self._times[name] = self._times.get(name, 0) + 1
        return name if times == 1 else f"{name}, time {times}"

    def _write(self, name: str, verdict: str, expected: "str | None", actual: "str | None") -> None:
        self._n += 1
        is_first_failure = verdict != "accepted" and not self._has_written_a_failure
        if self._n <= _MOST_CASES or is_first_failure:
            self._has_written_a_failure = self._has_written_a_failure or is_first_failure
            _send(
                {
                    "name": name[:_MOST_WORDS],
                    "verdict": verdict,
                    "expected": expected,
                    "actual": actual,
                }
            )


class Unheard(Cases):
    """Cases that are told to nobody."""

    def _write(self, name: str, verdict: str, expected: "str | None", actual: "str | None") -> None:
        json.dumps({"name": name, "verdict": verdict, "expected": expected, "actual": actual})


def say_stopped(error: StoppedError, case: "str | None" = None) -> None:
    """Say why there is no more to be said, and during which case that was."""
    running = None if case is None else case[:_MOST_WORDS]
    _send({"end": error.end, "why": str(error)[:_MOST_WORDS], "case": running})


def shown(value: object) -> str:
    """A value in the language's own spelling, bounded."""
    kind = type(value)
    try:
        is_short = kind in _NUMBERS or (
            kind in _LISTS and len(value) <= _MOST_ITEMS and _NUMBERS.issuperset(map(type, value))  # type: ignore[arg-type,call-overload]
        )
        return (repr(value) if is_short else _SHORT.repr(value))[:_MOST_WORDS]
    except StoppedError:
        return "…"
    except Exception as error:  # noqa: BLE001  a value that cannot be shown is a value all the same
        return f"<{type(value).__name__} that cannot be shown: {type(error).__name__}>"


def _words_of(error: BaseException) -> str:
    words = words_of(error)
    if isinstance(error, SystemExit):
        return f"{THEIR_OWN_END}: SystemExit: {words}"[:_MOST_WORDS]
    return f"{type(error).__name__}: {words}"[:_MOST_WORDS] if words else type(error).__name__


def _missing_of(error: ImportError) -> str:
    """What tests import that is not there, empty where it is the program's to have it."""
    if isinstance(error, ModuleNotFoundError):
        return words_for_missing(error.name) if error.name else ""
    if error.name is None or error.name in PROGRAM_MODULES:
        return ""
    # Behind it stands where the module lies.
    return f"they do not run: {words_of(error).partition(' (')[0]}"


def words_for_missing(package: str) -> str:
    """What is said of a package that tests import and this machine's programs do not have."""
    return f"they need {package}: install it into what `sandbox.python.environment` names"


def line_of(trace: "TracebackType | None") -> int:
    """The line of the tests that an error passed through last; 0 where it passed through none."""
    line = 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == TESTS_FILE:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _send(words: "dict[str, str | None]") -> None:
    left = memoryview((json.dumps(words) + "\n").encode())
    while left:
        left = left[os.write(REPORT, left) :]
