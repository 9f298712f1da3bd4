"""Tests of a program in a slot of their own: the two started together, tied by two pipes, and read apart."""

import asyncio
import json
import os
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice

from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import CaseResult, ExecutableCode, Execution
from jobs.verdicts import Verdict

from .carrying import end_of, plumbing_of, send, start
from .contract import NO_HARNESS, Files, Verification
from .errors import SandboxError, UnusableTestsError
from .inside.protocol import Report, Request
from .inside.python_program import ANSWERS, TESTS
from .pipes import CappedReader, Plumbing
from .plan import Plan, plan_of
from .reading import execution_of
from .slot import Ended, SlotLostError
from .slots import Loan

TESTS_SCRATCH_MIB = 16
"""The size of the scratch directory of tests."""
# What tests may use themselves. They are not the program's judge by their speed: this only ends those that never end.
_TESTS_CPU_SECONDS = 60.0
_TESTS_LIMITS = Limits(
    cpu_seconds=_TESTS_CPU_SECONDS, memory_mib=1024, scratch_mib=TESTS_SCRATCH_MIB
)
_REPORT_BYTES = 32 << 20
# Of a report that was not read to its end: what a program made its tests say is not to fill a record.
_MOST_CASES_OF_A_PART = 500
# What a program may take to end when its tests have.
_END_SECONDS = 10.0
# It was waited for in vain, or how it ends is of interest to nobody.
_WORDS_THAT_LEAVE_NO_TIME = ("out_of_time", "cannot_cross", "broken_tests")
_OVER_LIMIT = "tests_over_limit"
# The zygote's word for a program that was ended because we asked.
_CANCELLED = "cancelled"


@dataclass(frozen=True)
class Plans:
    """A program and its tests, each on its way to a slot."""

    program: Plan
    tests: Plan


@dataclass(frozen=True)
class _Told:
    """What tests reported. Nothing of it was written by the program, but how much there is may be its doing."""

    cases: tuple[CaseResult, ...]
    last: dict[str, str | None]
    """The line after them; empty where there is none."""


async def verified(plans: Plans, program: Loan, tests: Loan) -> Verification:
    """Run the program in the first slot and its tests in the second. The tests' process may outlive its report.

    Raises:
        SlotLostError: neither slot is to be used again; the program may be run again.
        SandboxError: we failed.
        UnusableTestsError: the tests say nothing of any program.
    """
    with ExitStack() as undo:
        plumbing, report = plumbing_of(plans.program), CappedReader(_REPORT_BYTES)
        undo.callback(plumbing.close)
        undo.callback(report.close)
        _start_both(plans, program, tests, plumbing, report)
        tests_end = asyncio.ensure_future(end_of(plans.tests, tests.slot))
        tests.lasts_until(tests_end)

        def leave(seconds: float) -> None:
            # Never after its end: the slot has another program then.
            stopping = asyncio.get_running_loop().call_later(seconds, program.slot.stop)
            undo.callback(stopping.cancel)

        ended, told = await _end_of_both(
            end_of(plans.program, program.slot), _word_of_tests(tests_end, report, leave)
        )
        plumbing.read_what_is_left()
        execution = execution_of(plans.program, plumbing, ended)
    verification = _verification(execution, told, tests_end)
    if verification.end == "cannot_cross":
        return verification
    if verification.end == "out_of_time" or ended.report.reason == _CANCELLED:
        late = execution.model_copy(update={"limit_hit": execution.limit_hit or "wall"})
        return replace(verification, execution=late)
    return verification


def plans_of(code: ExecutableCode, tests: str, limits: Limits, stdin: str, files: Files) -> Plans:
    """How the two are run.

    Either may wait for the other, so each has the other's time on the clock beside its own.
    """
    both_seconds = limits.wall_seconds + _TESTS_CPU_SECONDS
    attached = (NO_HARNESS, files)
    program = plan_of(code, limits, stdin, attached, for_everybody=False)
    tests_code = ExecutableCode(language=Language.PYTHON, code=tests)
    tester = plan_of(tests_code, _TESTS_LIMITS, "", attached, for_everybody=False)
    return Plans(
        program=_changed(program, wall_seconds=both_seconds, words=(ANSWERS,)),
        tests=_changed(tester, wall_seconds=both_seconds, words=(TESTS, str(limits.wall_seconds))),
    )


def _changed(plan: Plan, *, wall_seconds: float, words: tuple[str, ...]) -> Plan:
    fields = vars(plan.request)
    argv = (*plan.request.argv, *words)
    return replace(plan, request=Request(**{**fields, "wall_seconds": wall_seconds, "argv": argv}))


def _start_both(
    plans: Plans, program: Loan, tests: Loan, plumbing: Plumbing, report: CappedReader
) -> None:
    with ExitStack() as undo:
        questions, answers = os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC)
        # What tests print is for nobody.
        nothing = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        for descriptor in (*questions, *answers, nothing):
            undo.callback(os.close, descriptor)
        # The tests first: they have more to do before they can ask.
        streams = (nothing, nothing, nothing)
        send(plans.tests, tests.slot, (*streams, answers[0], questions[1], report.write_end))
        start(plans.program, program.slot, plumbing, (questions[0], answers[1]))
    report.start(tests.slot.stop)
    report.watch()


async def _word_of_tests(
    end: "asyncio.Future[Ended]", report: CappedReader, leave: Callable[[float], None]
) -> _Told:
    """Wait for their report, or their end if that comes without one; then leave the program some seconds to end.

    None are left if it was waited for in vain, or is not to be judged.
    """
    reported = asyncio.ensure_future(report.ended.wait())
    try:
        await asyncio.wait((reported, end), return_when=asyncio.FIRST_COMPLETED)
    finally:
        reported.cancel()
    report.read_what_is_left()
    told = _read(report.kept, is_cut=report.truncated)
    word = told.last.get("end")
    if word in (None, _OVER_LIMIT):
        # It may be that somebody killed them.
        await end
    leave(0 if word in _WORDS_THAT_LEAVE_NO_TIME else _END_SECONDS)
    return told


async def _end_of_both(
    end: Coroutine[None, None, Ended], tests: Coroutine[None, None, _Told]
) -> tuple[Ended, _Told]:
    try:
        async with asyncio.TaskGroup() as group:
            ended = group.create_task(end)
            told = group.create_task(tests)
    except* (SlotLostError, SandboxError) as errors:
        raise errors.exceptions[0] from None
    return ended.result(), told.result()


def _verification(execution: Execution, told: _Told, end: "asyncio.Future[Ended]") -> Verification:
    match told.last:
        case {"end": "finished" | "untried" as word}:
            return Verification(execution, word, "", None, told.cases)
        case {"end": "failed", "verdict": str(verdict), "why": str(why)}:
            return Verification(execution, "failed", why, Verdict(verdict), told.cases)
        case {
            "end": "program_ended" | "out_of_time" | "tests_over_limit" | "cannot_cross" as word,
            "why": str(why),
        }:
            return Verification(execution, word, why, None, told.cases, told.last.get("case"))
        case {"end": "broken_tests", "why": str(why)}:
            raise UnusableTestsError(" ".join(why.split()))
        case _:
            return _without_a_word(execution, told, end.result().report)


def _without_a_word(execution: Execution, told: _Told, ended: Report) -> Verification:
    if ended.reason in ("cpu", "wall", "memory", "processes"):
        # Whoever returns what a test chokes on, or never comes to an end with, has not passed it.
        why = f"its tests came to no end: they went over their own limit ({ended.reason})"
        return Verification(execution, "tests_over_limit", why, None, told.cases)
    raise SandboxError(
        "the tests ended without saying how", facts={"wait status": str(ended.wait_status)}
    )


def _read(report: bytes, *, is_cut: bool) -> _Told:
    """The report as far as it can be read. Where that is not to its end, its last line is that it has none."""
    *lines, rest = report.split(b"\n")
    said = list(islice(_readable(lines), _MOST_CASES_OF_A_PART if is_cut else None))
    cases = tuple(one for one in said if isinstance(one, CaseResult))
    if is_cut:
        why = f"its tests reported more than {_REPORT_BYTES >> 20} MiB"
    elif rest or len(said) < len(lines):
        why = "its tests were stopped in the middle of their report"
    else:
        last = said[-1] if said else None
        return _Told(cases, last if isinstance(last, dict) else {})
    return _Told(cases[:_MOST_CASES_OF_A_PART], {"end": _OVER_LIMIT, "why": why})


def _readable(lines: list[bytes]) -> Iterator[CaseResult | dict[str, str | None]]:
    """Cases, and what is said of the end, up to the first line that is neither."""
    for line in lines:
        try:
            words = json.loads(line)
            if not isinstance(words, dict):
                return
            said = _writable(words)
            yield said if "end" in said else CaseResult.model_validate(said)
        except (ValueError, RecursionError):
            return


def _writable(words: dict[str, object]) -> dict[str, str | None]:
    # Half a surrogate pair is text to Python, and to nobody who reads the record.
    return {
        name: None if text is None else str(text).encode("utf-8", "backslashreplace").decode()
        for name, text in words.items()
    }
