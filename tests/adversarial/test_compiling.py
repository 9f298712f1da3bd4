"""Compilers run what strangers wrote: confined like programs, once for each program, under limits of their own."""

import asyncio
from pathlib import Path

import pytest

from jobs.checkers import ExitsCleanly
from jobs.languages import Language
from jobs.models import ExecutableCode, Execution
from jobs.verdicts import Verdict
from tests.requiring import require
from worker.sandbox import (
    Files,
    FilesTooLargeError,
    InterpreterMissingError,
    Sandbox,
    ZygoteSandbox,
    find_interpreter,
)
from worker.solver.judge import judge

from .programs import LIMITS

pytestmark = [pytest.mark.adversarial, pytest.mark.timeout(240)]

_READS = """\
#include <stdio.h>
int main(void) { int n = 0; scanf("%d", &n); printf("%d\\n", 2 * n); return 0; }
"""
# Each instance asks for two others: no compiler comes to the end of it.
_ENDLESS = """\
template <int depth, int path> struct Tree { Tree<depth - 1, 2 * path> a; Tree<depth - 1, 2 * path + 1> b; };
template <int path> struct Tree<0, path> { int leaf; };
int main() { Tree<26, 1> tree; return sizeof tree == 1; }
"""
_LARGE = "int numbers[1 << 26] = {1};\nint main(void) { return numbers[1]; }\n"
_THREE_MIB = "char large[3 << 20] = {1};\nint main(void) { return large[1]; }\n"
_ONE_MIB = LIMITS.model_copy(update={"scratch_mib": 1})


def _c(program: str, language: Language = Language.C) -> ExecutableCode:
    try:
        find_interpreter(language, for_everybody=True)
    except InterpreterMissingError as error:
        require(error.message, available=False)
    return ExecutableCode(language=language, code=program)


async def test_a_program_larger_than_its_directory_is_told_so_and_not_taken_for_our_failure(
    strict: Sandbox,
) -> None:
    """It cannot be put there, however often it is tried."""
    code = _c(_THREE_MIB)
    execution = await strict.run(code, _ONE_MIB)
    assert execution.compile_failed
    assert "and the directory that it runs in holds 1 MiB" in execution.stderr
    assert judge(code, execution, ExitsCleanly(), _ONE_MIB).verdict is Verdict.COMPILE_ERROR
    assert (await strict.run(code, LIMITS)).exit_code == 0


async def test_files_that_leave_no_room_for_what_is_compiled_are_their_jobs_fault(
    strict: Sandbox,
) -> None:
    """The program alone would fit: no model could have written one that does."""
    code = _c("int main(void) { return 0; }")
    with pytest.raises(FilesTooLargeError, match="and it holds 1 MiB"):
        await strict.run(code, _ONE_MIB, files=Files({"filler": bytes(1_030_000)}))


async def test_where_a_directory_has_no_bound_nothing_is_too_large_for_it(
    on_disk: Sandbox,
) -> None:
    """A program there may write as much; what it is compiled to need not be smaller."""
    assert (await on_disk.run(_c(_THREE_MIB), _ONE_MIB)).exit_code == 0


@pytest.mark.alone
async def test_a_program_that_is_run_for_several_inputs_is_compiled_once(walled: Sandbox) -> None:
    """The compiler takes a hundred times as long as the program."""
    code = _c(_READS)
    began = asyncio.get_running_loop().time()
    first = await walled.run(code, LIMITS, stdin="1")
    compiled = asyncio.get_running_loop().time()
    others = [await walled.run(code, LIMITS, stdin=str(n)) for n in range(2, 6)]
    ended = asyncio.get_running_loop().time()
    assert [one.stdout for one in (first, *others)] == ["2\n", "4\n", "6\n", "8\n", "10\n"]
    assert (ended - compiled) / len(others) < compiled - began


async def test_two_runs_of_one_program_at_one_time_have_it_compiled_once(
    walled: ZygoteSandbox,
) -> None:
    """Samples of one task are often one program, and compilers share the processors with programs."""
    code = _c(f"{_READS}/* of two */\n")
    # A slot for each, so that none is made or ended meanwhile.
    await asyncio.gather(*(walled.run(_c(_READS), LIMITS, stdin="1") for _ in range(2)))
    before = _n_runs(walled)
    runs = [walled.run(code, LIMITS, stdin=str(n)) for n in (1, 2)]
    assert [one.stdout for one in await asyncio.gather(*runs)] == ["2\n", "4\n"]
    assert _n_runs(walled) == before + 3


def _n_runs(sandbox: ZygoteSandbox) -> int:
    return sum(slot.n_runs for slot in sandbox._programs._idle)


async def test_the_compilers_time_is_not_the_programs(walled: Sandbox) -> None:
    """Limits are set for what a program does."""
    hello = _c("#include <iostream>\nint main() { std::cout << 1; }\n", Language.CPP)
    tight = LIMITS.model_copy(update={"cpu_seconds": 0.2, "memory_mib": 16})
    execution = await walled.run(hello, tight)
    assert (execution.stdout, execution.limit_hit) == ("1", None)
    assert execution.cpu_seconds < 0.2


async def test_a_compiler_that_runs_into_its_own_limits_says_so(strict: Sandbox) -> None:
    """To the model it must not look as if its program had done so."""
    code = _c(_LARGE)
    execution = await strict.run(code, LIMITS)
    judgement = judge(code, execution, ExitsCleanly(), LIMITS)
    assert judgement.verdict is Verdict.COMPILE_ERROR, execution
    assert "the compiler needed more than 64 MiB for a file" in judgement.explanation
    assert (execution.cpu_seconds, execution.limit_hit) == (0.0, None)


@pytest.mark.parametrize("way", ["#include", ".incbin", "/proc"])
async def test_a_compiler_reads_no_file_of_the_host(
    walled: Sandbox, way: str, tmp_path: Path
) -> None:
    """It reads whatever a program names, and quotes it in its errors, or packs it into the program."""
    secret = tmp_path / "secret.h"
    secret.write_text("canary_of_the_host\n")
    for folder in (secret, *tmp_path.parents[:-2], tmp_path):
        folder.chmod(folder.stat().st_mode | 0o055)
    program = {
        "#include": f'#include "{secret}"\nint main(void) {{ return 0; }}\n',
        ".incbin": f'__asm__(".incbin \\"{secret}\\"");\nint main(void) {{ return 0; }}\n',
        "/proc": f'__asm__(".incbin \\"/proc/self/root{secret}\\"");\nint main(void) {{ return 0; }}\n',
    }[way]
    execution = await walled.run(_c(program), LIMITS)
    assert execution.compile_failed, execution
    assert "canary_of_the_host" not in execution.stderr


async def test_program_and_compiler_share_nothing(walled: Sandbox) -> None:
    """Beside the program lies neither its source nor anything that the compiler needed."""
    program = '#include <stdlib.h>\nint main(void) { return system("ls -a . $TMPDIR"); }\n'
    execution = await walled.run(_c(program), LIMITS)
    listed = {line for line in execution.stdout.split() if not line.endswith(":")}
    assert listed == {".", "..", "program"}, execution


async def test_what_a_compiled_program_leaves_is_collected_without_itself(walled: Sandbox) -> None:
    """The binary is ours to give, and nothing that the program made."""
    program = '#include <stdio.h>\nint main(void) { fputs("x", fopen("made", "w")); return 0; }\n'
    execution = await walled.run(_c(program), LIMITS, files=Files({"given": b"y"}, 10, 100))
    assert [one.name for one in execution.artefacts] == ["made"]


async def test_a_compile_can_be_cancelled(strict: Sandbox) -> None:
    """Whoever gave the job up waits for no compiler."""
    code = _c(_ENDLESS, Language.CPP)
    task = asyncio.create_task(_run(strict, code))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await task
    assert task.cancelled()


async def _run(sandbox: Sandbox, code: ExecutableCode) -> Execution:
    return await sandbox.run(code, LIMITS)
