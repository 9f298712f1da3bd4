"""What the end of a program says by itself: a limit, a compiler's refusal, an error."""

from dataclasses import dataclass
from signal import Signals
from typing import assert_never

from jobs.checkers import Check, MatchesOutput, PassesTests
from jobs.limits import Limits
from jobs.models import ExecutableCode, Execution, LimitHit
from jobs.verdicts import Verdict
from worker.sandbox.languages import ROWS

from .tracebacks import Failure, one_line

_USUAL_EXIT_CODES = (1, 2, 126, 127)
_USUAL_SIGNALS = (
    *(Signals.SIGABRT, Signals.SIGBUS, Signals.SIGFPE, Signals.SIGILL),
    *(Signals.SIGKILL, Signals.SIGPIPE, Signals.SIGSEGV),
)


@dataclass(frozen=True)
class Finding:
    """What was found out about a program."""

    verdict: Verdict
    explanation: str
    hint: str
    """The explanation without a word of the check, and without one that the program said."""


def finding_of_end(
    code: ExecutableCode,
    execution: Execution,
    failure: Failure | None,
    checker: Check,
    limits: Limits,
) -> Finding | None:
    """Why it did not end well; None where it did, and its check decides."""
    if execution.limit_hit is not None:
        verdict, hint = _of_limit(execution.limit_hit, limits)
        if verdict is Verdict.FORBIDDEN_CALL and failure is not None:
            return Finding(verdict, f"{hint}: {failure.summary}", hint)
        return Finding(verdict, hint, hint)
    if execution.compile_failed:
        return _of_compiler(code, execution, failure, checker)
    if execution.exit_code != 0:
        return _of_failure(code, execution, failure, checker)
    if isinstance(checker, MatchesOutput) and execution.stdout_truncated:
        verdict, hint = _of_limit("output", limits)
        return Finding(verdict, hint, hint)
    return None


def _of_compiler(
    code: ExecutableCode, execution: Execution, failure: Failure | None, checker: Check
) -> Finding:
    """What was refused; of a line of the tests, what a program can do about it."""
    cause, hint = _cause(execution, failure), "it does not compile"
    if isinstance(checker, PassesTests) and failure is not None and _is_below(code, failure):
        hint = f"{hint} together with its tests: define each name that they ask for, and none of theirs"
        cause = one_line(f"{cause} ({hint})")
    return Finding(Verdict.COMPILE_ERROR, cause, hint)


def words_of_limit(limit_hit: LimitHit, limits: Limits) -> str:
    """What a limit did to whoever went over it."""
    return _of_limit(limit_hit, limits)[1]


def _of_limit(limit_hit: LimitHit, limits: Limits) -> tuple[Verdict, str]:
    match limit_hit:
        case "cpu":
            return Verdict.TIME_LIMIT_EXCEEDED, f"killed after {limits.cpu_seconds:g} s of CPU time"
        case "wall":
            return (
                Verdict.TIME_LIMIT_EXCEEDED,
                f"killed after {limits.wall_seconds:g} s on the clock",
            )
        case "memory":
            return (
                Verdict.MEMORY_LIMIT_EXCEEDED,
                f"needed more than {limits.memory_mib} MiB of memory",
            )
        case "output":
            return Verdict.OUTPUT_LIMIT_EXCEEDED, f"printed more than {limits.output_kib} KiB"
        case "file_size":
            return Verdict.RUNTIME_ERROR, f"wrote a file larger than {limits.file_size_mib} MiB"
        case "processes":
            return (
                Verdict.RUNTIME_ERROR,
                f"started more than {limits.processes} processes and threads",
            )
        case "denied":
            return (
                Verdict.FORBIDDEN_CALL,
                "asked the system for something that no program may do here",
            )
        case _:
            assert_never(limit_hit)


def _of_failure(
    code: ExecutableCode, execution: Execution, failure: Failure | None, checker: Check
) -> Finding:
    cause = _cause(execution, failure)
    if isinstance(checker, PassesTests) and _is_failed_test(code, execution, failure):
        return Finding(Verdict.WRONG_ANSWER, cause, "a test failed")
    return Finding(Verdict.RUNTIME_ERROR, cause, _hint_of_failure(execution, failure))


def _hint_of_failure(execution: Execution, failure: Failure | None) -> str:
    # A program chooses these numbers, and could choose one that it was given.
    if execution.signal is not None:
        is_usual = execution.signal in _USUAL_SIGNALS
        return f"ended by signal {execution.signal_in_words}" if is_usual else "ended by a signal"
    if failure is not None and failure.name:
        return "ended with an error"
    is_usual = execution.exit_code in _USUAL_EXIT_CODES
    return f"exit code {execution.exit_code}" if is_usual else "an exit code other than 0"


def _is_failed_test(code: ExecutableCode, execution: Execution, failure: Failure | None) -> bool:
    if failure is not None and (failure.is_assertion or _is_of_tests(code, failure)):
        return True
    match ROWS[code.language].tests_fail_by:
        case "assertion":
            return False
        case "exit code":
            # A shell has no assertions.
            return execution.exit_code is not None
        case "either":
            return execution.exit_code is not None and failure is None
        case never:
            assert_never(never)


def _is_of_tests(code: ExecutableCode, failure: Failure) -> bool:
    """Whether the tests raised it, below the program's last line, over a value that they were given."""
    form = ROWS[code.language].errors
    if form.missing is None or form.missing.search(failure.summary):
        return False
    if form.misplaced is not None and form.misplaced.search(code.code):
        return False
    return _is_below(code, failure)


def _is_below(code: ExecutableCode, failure: Failure) -> bool:
    """Whether every place that it names is below the program's last line, where its tests are."""
    n_lines = code.code.count("\n") + 1
    return bool(failure.frames) and all(frame.line > n_lines for frame in failure.frames)


def _cause(execution: Execution, failure: Failure | None) -> str:
    if execution.signal is not None:
        ended = f"ended by signal {execution.signal_in_words}"
        # Whoever aborts has said why, and whom an interruption ends where.
        has_said = execution.signal in (Signals.SIGABRT, Signals.SIGINT)
        return one_line(f"{failure.summary}: {ended}") if failure and has_said else ended
    if failure is not None and failure.name:
        return failure.summary if ":" in failure.summary else _with_source(failure)
    last_words = failure.summary if failure else _last_line(execution.stderr)
    return f"exit code {execution.exit_code}" + (f": {last_words}" if last_words else "")


def _with_source(failure: Failure) -> str:
    # `AssertionError` alone says nothing: the line that raised it does.
    source = failure.frames[-1].source if failure.is_assertion and failure.frames else ""
    return one_line(f"{failure.summary}: {source}") if source else failure.summary


def _last_line(text: str) -> str:
    return one_line(text.rstrip().rpartition("\n")[2])
