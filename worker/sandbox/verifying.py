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


async def verified(plans: tuple[Plan, Plan], slots: tuple[Slot, Slot]) -> Verification:
    """Run the program in the first slot and its tests in the second.

    Raises:
        SlotLostError: neither slot is to be used again; the program may be run again.
        SandboxError: we failed, or the tests are none.
    """
    program, tester = plans
    with ExitStack() as undo:
        plumbing, report = plumbing_of(program), CappedReader(_REPORT_BYTES)
        undo.callback(plumbing.close)
        undo.callback(report.close)
        _start_both(program, tester, slots, plumbing, report)

        def leave(seconds: float) -> None:
            # Never after its end: the slot has another program then.
            stopping = asyncio.get_running_loop().call_later(seconds, slots[0].stop)
            undo.callback(stopping.cancel)

        ended, tests_ended = await _both(
            end_of(program, slots[0]), _end_of_tests(end_of(tester, slots[1]), report, leave)
        )
        plumbing.read_what_is_left()
        execution = execution_of(program, plumbing, ended)
    verification = _verification(execution, report.kept, tests_ended.report)
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
    program: Plan, tester: Plan, slots: tuple[Slot, Slot], plumbing: Plumbing, report: CappedReader
) -> None:
    with ExitStack() as undo:
        questions, answers = os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC)
        # What tests print is for nobody.
        nothing = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        for descriptor in (*questions, *answers, nothing):
            undo.callback(os.close, descriptor)
        # The tests first: they have more to do before they can ask.
        streams = (nothing, nothing, nothing)
        send(tester, slots[1], (*streams, answers[0], questions[1], report.write_end))
        start(program, slots[0], plumbing, (questions[0], answers[1]))
    report.start(slots[1].stop)


async def _end_of_tests(
    end: Coroutine[None, None, Ended], report: CappedReader, leave: Callable[[float], None]
) -> Ended:
    """Wait for it, and leave the program some seconds to end as well: none if it was waited for in vain."""
    ended = await end
    report.read_what_is_left()
    was_in_vain = _read(report.kept)[1].get("end") == "out_of_time"
    leave(0 if was_in_vain else _END_SECONDS)
    return ended


async def _both(
    first: Coroutine[None, None, Ended], second: Coroutine[None, None, Ended]
) -> tuple[Ended, Ended]:
    try:
        async with asyncio.TaskGroup() as group:
            tasks = group.create_task(first), group.create_task(second)
    except* (SlotLostError, SandboxError) as errors:
        raise errors.exceptions[0] from None
    return tasks[0].result(), tasks[1].result()


def _verification(execution: Execution, report: bytes, ended: Report) -> Verification:
    cases, last = _read(report)
    if ended.reason in ("cpu", "wall", "memory", "processes"):
        # Whoever returns what a test chokes on, or never comes to an end with, has not passed it.
        why = f"its tests came to no end: they went over their own limit ({ended.reason})"
        return Verification(execution, "tests_over_limit", why, None, cases)
    match last:
        case {"end": "finished"}:
            return Verification(execution, "finished", "", None, cases)
        case {"end": "failed", "verdict": str(verdict), "why": str(why)}:
            return Verification(execution, "failed", why, Verdict(verdict), cases)
        case {"end": "program_ended" | "out_of_time" | "cannot_cross" as end, "why": str(why)}:
            return Verification(execution, end, why, None, cases)
        case {"end": "broken_tests", "why": str(why)}:
            raise SandboxError("these tests cannot be run", facts={"reason": why})
        case _:
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
