"""Honest programs run as they would anywhere: walls that break them get switched off."""

import pytest

from worker.sandbox import Harness, Sandbox

from .programs import LIMITS, javascript, python, sh

pytestmark = pytest.mark.adversarial

_STANDARD_LIBRARY = """
import concurrent.futures, json, multiprocessing, sqlite3, subprocess, tempfile
with tempfile.NamedTemporaryFile("w+") as file:
    file.write("x"); file.flush(); assert open(file.name).read() == "x"
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    assert sum(pool.map(abs, range(10))) == 45
if __name__ == "__main__":
    with multiprocessing.Pool(2) as pool:
        assert pool.map(abs, [-1, -2]) == [1, 2]
assert sqlite3.connect(":memory:").execute("select 1").fetchone() == (1,)
assert subprocess.run(["echo", "hi"], capture_output=True, text=True).stdout == "hi\\n"
print("fine")
"""


async def test_the_standard_library_works(strict: Sandbox) -> None:
    """Threads, processes, temporary files, databases: what programs are made of."""
    execution = await strict.run(python(_STANDARD_LIBRARY), LIMITS)
    assert (execution.stdout, execution.stderr) == ("fine\n", "")


async def test_nothing_but_the_standard_library_can_be_imported(sandbox: Sandbox) -> None:
    """A program that uses what happens to be installed here fails on the next machine."""
    execution = await sandbox.run(python("import sys, pip"), LIMITS)
    assert "No module named 'pip'" in execution.stderr


@pytest.mark.parametrize("ending", ["exit()", "quit(0)", "import sys; sys.exit()"])
async def test_every_usual_way_to_end_a_python_program_exists(
    sandbox: Sandbox, ending: str
) -> None:
    """Models write `exit()`; an isolated interpreter without `site` has none."""
    execution = await sandbox.run(python(ending), LIMITS)
    assert (execution.exit_code, execution.stderr) == (0, "")


async def test_standard_input_of_any_size_is_fed(sandbox: Sandbox) -> None:
    """A pipe holds 64 KiB; whoever writes more before reading hangs."""
    text = "zeile \N{SNOWMAN}\n" * 300_000
    execution = await sandbox.run(
        python("import sys; print(len(sys.stdin.read()))"), LIMITS, stdin=text
    )
    assert execution.stdout == f"{len(text)}\n"


async def test_standard_input_that_nobody_reads_is_no_trouble(sandbox: Sandbox) -> None:
    """Most programs ignore it."""
    execution = await sandbox.run(python("print('done')"), LIMITS, stdin="x" * 3_000_000)
    assert (execution.stdout, execution.exit_code) == ("done\n", 0)


async def test_a_program_without_input_meets_its_end_at_once(sandbox: Sandbox) -> None:
    """A program that asks must fail, not wait for a person."""
    execution = await sandbox.run(python("input()"), LIMITS)
    assert "EOFError" in execution.stderr


async def test_bytes_that_are_no_text_are_replaced(sandbox: Sandbox) -> None:
    """A record is JSON; one stray byte must not lose the rest."""
    execution = await sandbox.run(
        python("import os; os.write(1, b'a\\x00\\xff\\xfe\\xed\\xa0\\x80z')"), LIMITS
    )
    assert execution.stdout.startswith("a\0\N{REPLACEMENT CHARACTER}")
    assert execution.stdout.endswith("z")
    assert execution.stdout_bytes == 8


async def test_a_source_of_several_mebibytes_runs(sandbox: Sandbox) -> None:
    """Tables written out by a model are long; arguments and environments are not."""
    program = "table = '" + "x" * 3_000_000 + "'\nprint(len(table))"
    execution = await sandbox.run(python(program), LIMITS)
    assert execution.stdout == "3000000\n"


async def test_lines_in_a_traceback_are_the_program_s(sandbox: Sandbox) -> None:
    """The model is shown the traceback and has only its own lines to compare it with."""
    execution = await sandbox.run(
        python("x = 1\n\nraise KeyError(x)"), LIMITS, harness=Harness(tests="pass")
    )
    assert 'program.py", line 3, in <module>' in execution.stderr
    assert execution.stderr.count("File ") == 1


async def test_streams_can_be_opened_by_name(sandbox: Sandbox) -> None:
    """Shell programs write to /dev/stderr, which fails where the pipe belongs to another user."""
    execution = await sandbox.run(sh("echo out > /dev/stdout; echo err > /dev/stderr"), LIMITS)
    assert (execution.stdout, execution.stderr) == ("out\n", "err\n")


async def test_a_broken_pipe_ends_a_shell_pipeline(sandbox: Sandbox) -> None:
    """Python ignores SIGPIPE, and whoever it starts would inherit that: `yes` would complain, or never end."""
    execution = await sandbox.run(sh("yes | head -n 1"), LIMITS)
    assert (execution.stdout, execution.stderr, execution.exit_code) == ("y\n", "", 0)


@pytest.mark.parametrize(
    "program",
    [
        "const fs = require('fs'); console.log(typeof fs)",
        "import fs from 'node:fs';\nconsole.log(typeof fs)",
    ],
    ids=["commonjs", "module"],
)
async def test_both_kinds_of_javascript_run(sandbox: Sandbox, program: str) -> None:
    """Models write either, and node decides by the file's name."""
    execution = await sandbox.run(javascript(program), LIMITS)
    assert (execution.stdout, execution.stderr) == ("object\n", "")


async def test_webassembly_runs(sandbox: Sandbox) -> None:
    """It reserves gigabytes of addresses it never uses; a limit on address space would forbid it."""
    program = "new WebAssembly.Memory({initial: 1}); console.log('ok')"
    execution = await sandbox.run(javascript(program), LIMITS)
    assert execution.stdout == "ok\n"


@pytest.mark.parametrize(
    "program",
    [
        python("def f(:\n  pass"),
        javascript("const = 1"),
        javascript("export const = 1"),
        sh("if true; then"),
    ],
    ids=["python", "commonjs", "module", "sh"],
)
async def test_a_program_its_language_refuses_is_told_from_one_that_fails(
    sandbox: Sandbox, program: object
) -> None:
    """A compile error and a crash ask for different repairs."""
    execution = await sandbox.run(program, LIMITS)  # type: ignore[arg-type]
    assert (execution.compile_failed, execution.exit_code == 0) == (True, False)


@pytest.mark.parametrize(
    "program",
    [
        python("eval('(')"),
        python("raise SyntaxError('mine')"),
        javascript("eval('(')"),
        javascript("JSON.parse('{')"),
        javascript("throw new SyntaxError('mine')"),
        sh("eval '('"),
    ],
    ids=[
        "python eval",
        "python raise",
        "javascript eval",
        "javascript json",
        "javascript throw",
        "sh eval",
    ],
)
async def test_a_syntax_error_while_running_is_no_compile_error(
    sandbox: Sandbox, program: object
) -> None:
    """The program itself was well-formed."""
    execution = await sandbox.run(program, LIMITS)  # type: ignore[arg-type]
    assert (execution.compile_failed, execution.exit_code == 0) == (False, False)


async def test_a_short_run_reports_what_it_used(sandbox: Sandbox) -> None:
    """Numbers in the record are compared between runs; a zero would be taken for one."""
    execution = await sandbox.run(python("print(sum(range(3_000_000)))"), LIMITS)
    assert 0.01 < execution.cpu_seconds < 2
    assert 0.01 < execution.wall_seconds < 4
    assert execution.peak_memory_kib is not None
    assert 3_000 < execution.peak_memory_kib < 40_000
