"""Tests of a program in a slot of their own: the two started together, tied by two pipes, and read apart."""

import asyncio
import json
import os
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from dataclasses import replace

from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import CaseResult, ExecutableCode, Execution
from jobs.verdicts import Verdict

from .carrying import end_of, plumbing_of, send, start
from .contract import NO_FILES, NO_HARNESS, Verification
from .errors import SandboxError
from .inside.protocol import Report, Request
from .inside.python_program import ANSWERS, TESTS
from .pipes import CappedReader, Plumbing
from .plan import Plan, plan_of
from .reading import execution_of
from .slot import Ended, Slot, SlotLostError
from .slots import Lease

TESTS_SCRATCH_MIB = 16
"""The size of the scratch directory of tests."""
# What tests may use themselves. They are not the program's judge by their speed: this only ends those that never end.
_TESTS_CPU_SECONDS = 60.0
_TESTS_LIMITS = Limits(
    cpu_seconds=_TESTS_CPU_SECONDS, memory_mib=1024, scratch_mib=TESTS_SCRATCH_MIB
)
_REPORT_BYTES = 32 << 20
# What a program may take to end when its tests have.
_END_SECONDS = 10.0
# The zygote's word for a program that was ended because we asked.
_CANCELLED = "cancelled"


async def verified(plans: tuple[Plan, Plan], program: Lease, tests: Lease) -> Verification:
    """Run the program in the first slot and its tests in the second. The tests' process may outlive its report.

    Raises:
        SlotLostError: neither slot is to be used again; the program may be run again.
        SandboxError: we failed, or the tests are none.
    """
    with ExitStack() as undo:
        plumbing, report = plumbing_of(plans[0]), CappedReader(_REPORT_BYTES)
        undo.callback(plumbing.close)
        undo.callback(report.close)
        _start_both(plans, (program.slot, tests.slot), plumbing, report)
        tests.end = asyncio.ensure_future(end_of(plans[1], tests.slot))

        def leave(seconds: float) -> None:
            # Never after its end: the slot has another program then.
            stopping = asyncio.get_running_loop().call_later(seconds, program.slot.stop)
            undo.callback(stopping.cancel)

        ended = await _end_of_both(
            end_of(plans[0], program.slot), _word_of_tests(tests.end, report, leave)
        )
        plumbing.read_what_is_left()
        execution = execution_of(plans[0], plumbing, ended)
    verification = _verification(execution, report.kept, tests.end)
    if verification.end == "out_of_time" or ended.report.reason == _CANCELLED:
        late = execution.model_copy(update={"limit_hit": execution.limit_hit or "wall"})
        return replace(verification, execution=late)
    return verification


def plans_of(code: ExecutableCode, tests: str, limits: Limits, stdin: str) -> tuple[Plan, Plan]:
    """The program's and the tests'.

    Either may wait for the other, so each has the other's time on the clock beside its own.
    """
    both_seconds = limits.wall_seconds + _TESTS_CPU_SECONDS
    nothing = (NO_HARNESS, NO_FILES)
    program = plan_of(code, limits, stdin, nothing, for_everybody=False)
    tests_code = ExecutableCode(language=Language.PYTHON, code=tests)
    tester = plan_of(tests_code, _TESTS_LIMITS, "", nothing, for_everybody=False)
    return (
        _changed(program, wall_seconds=both_seconds, words=(ANSWERS,)),
        _changed(tester, wall_seconds=both_seconds, words=(TESTS, str(limits.wall_seconds))),
    )


def _changed(plan: Plan, *, wall_seconds: float, words: tuple[str, ...]) -> Plan:
    fields = vars(plan.request)
    argv = (*plan.request.argv, *words)
    return replace(plan, request=Request(**{**fields, "wall_seconds": wall_seconds, "argv": argv}))


def _start_both(
    plans: tuple[Plan, Plan], slots: tuple[Slot, Slot], plumbing: Plumbing, report: CappedReader
) -> None:
    with ExitStack() as undo:
        questions, answers = os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC)
        # What tests print is for nobody.
        nothing = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        for descriptor in (*questions, *answers, nothing):
            undo.callback(os.close, descriptor)
        # The tests first: they have more to do before they can ask.
        streams = (nothing, nothing, nothing)
        send(plans[1], slots[1], (*streams, answers[0], questions[1], report.write_end))
        start(plans[0], slots[0], plumbing, (questions[0], answers[1]))
    report.start(slots[1].stop)


async def _word_of_tests(
    end: "asyncio.Future[Ended]", report: CappedReader, leave: Callable[[float], None]
) -> None:
    """Wait for their report, or their end if that comes without one; then leave the program some seconds to end.

    None are left if it was waited for in vain.
    """
    reported = asyncio.ensure_future(report.ended.wait())
    try:
        await asyncio.wait((reported, end), return_when=asyncio.FIRST_COMPLETED)
    finally:
        reported.cancel()
    report.read_what_is_left()
    word = _read(report.kept)[1].get("end")
    if not word:
        await end
    leave(0 if word == "out_of_time" else _END_SECONDS)


async def _end_of_both(
    end: Coroutine[None, None, Ended], tests: Coroutine[None, None, None]
) -> Ended:
    try:
        async with asyncio.TaskGroup() as group:
            ended = group.create_task(end)
            group.create_task(tests)
    except* (SlotLostError, SandboxError) as errors:
        raise errors.exceptions[0] from None
    return ended.result()


def _verification(
    execution: Execution, report: bytes, end: "asyncio.Future[Ended]"
) -> Verification:
    cases, last = _read(report)
    match last:
        case {"end": "finished"}:
            return Verification(execution, "finished", "", None, cases)
        case {"end": "failed", "verdict": str(verdict), "why": str(why)}:
            return Verification(execution, "failed", why, Verdict(verdict), cases)
        case {
            "end": "program_ended" | "out_of_time" | "tests_over_limit" | "cannot_cross" as word,
            "why": str(why),
        }:
            return Verification(execution, word, why, None, cases)
        case {"end": "broken_tests", "why": str(why)}:
            raise SandboxError("these tests cannot be run", facts={"reason": why})
        case _:
            return _without_a_word(execution, cases, end.result().report)


def _without_a_word(
    execution: Execution, cases: tuple[CaseResult, ...], ended: Report
) -> Verification:
    if ended.reason in ("cpu", "wall", "memory", "processes"):
        # Whoever returns what a test chokes on, or never comes to an end with, has not passed it.
        why = f"its tests came to no end: they went over their own limit ({ended.reason})"
        return Verification(execution, "tests_over_limit", why, None, cases)
    raise SandboxError(
        "the tests ended without saying how", facts={"wait status": str(ended.wait_status)}
    )


def _read(report: bytes) -> tuple[tuple[CaseResult, ...], dict[str, str | None]]:
    """The cases, and the line after them, empty where there is none. Nothing of it was written by the program."""
    lines = [json.loads(line) for line in report.split(b"\n") if line]
    last = lines.pop() if lines and "end" in lines[-1] else {}
    return tuple(CaseResult.model_validate(_writable(line)) for line in lines), _writable(last)


def _writable(line: dict[str, str | None]) -> dict[str, str | None]:
    # Half a surrogate pair is text to Python, and to nobody who reads the record.
    return {
        name: text and text.encode("utf-8", "backslashreplace").decode()
        for name, text in line.items()
    }
