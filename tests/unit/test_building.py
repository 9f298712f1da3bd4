"""What is made of compiled programs, how often, and what is said where nothing is."""

import asyncio
import base64

import pytest

from jobs.handed_back import Artefact
from jobs.languages import Language
from jobs.limits import Limits
from jobs.models import ExecutableCode, Execution
from tests.requiring import require
from tests.unit.executions import execution
from tests.waiting import wait_until
from worker.sandbox import NO_HARNESS, Files, Harness, InterpreterMissingError, find_interpreter
from worker.sandbox.building import Workshop
from worker.sandbox.plan import Plan


class _Compiler:
    """Runs nothing, and makes what it is told."""

    def __init__(self, ended: Execution | None = None, size: int = 10) -> None:
        self.plans: list[Plan] = []
        content = base64.b64encode(bytes(size)).decode()
        made = Artefact(name="program", size_bytes=size, content_base64=content, truncated=False)
        self._ended = ended or execution(artefacts=(made,))
        self.is_free = asyncio.Event()
        self.is_free.set()

    async def __call__(self, plan: Plan) -> Execution:
        self.plans.append(plan)
        await self.is_free.wait()
        return self._ended


async def _made(
    workshop: Workshop, program: str = "int main;", tests: str | None = None
) -> Files | Execution:
    try:
        find_interpreter(Language.C)
    except InterpreterMissingError as error:
        require(error.message, available=False)
    code = ExecutableCode(language=Language.C, code=program)
    harness = NO_HARNESS if tests is None else Harness(tests=tests)
    return await workshop.made_of(code, harness, Limits(), for_everybody=False)


async def test_a_program_is_compiled_once_and_with_other_tests_again() -> None:
    """A check of many cases runs one program many times; with other tests it is another program."""
    compiler = _Compiler()
    workshop = Workshop(compiler)
    first = await _made(workshop)
    assert first == await _made(workshop) == Files(given={"program": bytes(10)})
    assert len(compiler.plans) == 1
    await _made(workshop, tests="a")
    await _made(workshop, program="int other;")
    assert len(compiler.plans) == 3


@pytest.mark.parametrize("ended", [None, execution(exit_code=1)], ids=["made", "not made"])
async def test_who_asks_for_what_is_being_made_waits_for_it(ended: Execution | None) -> None:
    """Samples of one task are often one program, and a compiler takes all of a processor."""
    compiler = _Compiler(ended)
    compiler.is_free.clear()
    workshop = Workshop(compiler)
    askers = [asyncio.create_task(_made(workshop)) for _ in range(3)]
    await wait_until(lambda: bool(compiler.plans), 5, "the compiler")
    compiler.is_free.set()
    first, *others = await asyncio.gather(*askers)
    assert others == [first, first]
    assert len(compiler.plans) == 1
    await _made(workshop)
    assert len(compiler.plans) == (1 if ended is None else 2)


async def test_whoever_gives_up_takes_the_program_from_nobody_else() -> None:
    """Of two jobs with one program, the one that is cancelled may be the one that has it compiled."""
    compiler = _Compiler()
    compiler.is_free.clear()
    workshop = Workshop(compiler)
    first, other = (asyncio.create_task(_made(workshop)) for _ in range(2))
    await wait_until(lambda: bool(compiler.plans), 5, "the compiler")
    first.cancel()
    await asyncio.wait([first])
    assert first.cancelled()
    compiler.is_free.set()
    assert await other == Files(given={"program": bytes(10)})
    assert len(compiler.plans) == 2


async def test_few_programs_are_kept() -> None:
    """A worker that lives for weeks must not keep all that it ever made."""
    compiler = _Compiler()
    workshop = Workshop(compiler)
    for number in [*range(17), 0]:
        await _made(workshop, program=f"int a{number};")
    assert len(compiler.plans) == 18


async def test_a_large_program_makes_the_others_go() -> None:
    """Their number says nothing about the memory they take."""
    compiler = _Compiler(size=40 * 1024 * 1024)
    workshop = Workshop(compiler)
    for program in ("int a;", "int b;", "int a;"):
        await _made(workshop, program=program)
    assert len(compiler.plans) == 3


async def test_a_compiler_has_limits_of_its_own_and_as_much_room_as_the_program() -> None:
    """A slot of another size would have to be made for each of the two in turn."""
    compiler = _Compiler()
    await _made(Workshop(compiler))
    [plan] = compiler.plans
    assert plan.limits.memory_mib > Limits().memory_mib
    assert plan.limits.scratch_mib == Limits().scratch_mib


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        (execution(exit_code=None, signal=9, limit_hit="cpu"), "more than 30 s of CPU time"),
        (execution(exit_code=None, signal=9, limit_hit="wall"), "more than 60 s on the clock"),
        (execution(exit_code=None, signal=9, limit_hit="memory"), "more than 1024 MiB of memory"),
        (execution(exit_code=1, stderr="gcc: fatal error: File size limit exceeded"), "64 MiB for"),
        (execution(exit_code=1, stderr="cc1plus: out of memory allocating 9 bytes"), "1024 MiB of"),
        (execution(exit_code=None, signal=11), "the compiler itself crashed"),
        (execution(exit_code=0), "the compiler made no program"),
        (execution(exit_code=1, stderr="program.c:1:1: error: x"), "program.c:1:1: error: x"),
    ],
    ids=["cpu", "wall", "memory", "file", "memory in words", "crash", "nothing", "error"],
)
async def test_where_nothing_was_made_it_is_said_why(ended: Execution, words: str) -> None:
    """A limit of the compiler's is none of the program's, and its time is not either."""
    given = ended.model_copy(update={"cpu_seconds": 9.0})
    failed = await _made(Workshop(_Compiler(given)))
    assert isinstance(failed, Execution)
    assert (failed.compile_failed, failed.limit_hit, failed.signal) == (True, None, None)
    assert failed.exit_code == 1
    assert failed.cpu_seconds == 0.0
    assert words in failed.stderr


async def test_what_is_added_to_a_compiler_s_words_is_in_every_form_of_them() -> None:
    """Lengths that contradict their text make a record look damaged."""
    said = b"\xff: error"
    given = execution(exit_code=None, signal=9, limit_hit="cpu", stderr="\ufffd: error").model_copy(
        update={"stderr_bytes": len(said), "stderr_base64": base64.b64encode(said).decode()}
    )
    failed = await _made(Workshop(_Compiler(given)))
    assert isinstance(failed, Execution)
    exact = base64.b64decode(failed.stderr_base64 or "")
    assert exact.decode("utf-8", "replace") == failed.stderr
    assert failed.stderr_bytes == len(exact)
    assert exact.startswith(said + b"\npromptmill: ")
