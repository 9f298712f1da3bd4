"""The language table: files, lines and the words of failing programs."""

import pytest

from jobs.languages import Language
from worker.sandbox import NO_HARNESS, Harness
from worker.sandbox.languages import (
    ROWS,
    ran_out_of_memory,
    source_of,
    was_refused_by_compiler,
)


def test_every_language_has_a_row() -> None:
    """A language that can be asked for and not be run is a crash in the middle of a night."""
    assert set(ROWS) == set(Language)


@pytest.mark.parametrize(
    ("program", "name"),
    [
        ("import fs from 'fs';", "work/program.mjs"),
        ("import 'fs';", "work/program.mjs"),
        ("const a = 1;\nexport { a };", "work/program.mjs"),
        ("export default function () {}", "work/program.mjs"),
        ("export const a = 1;", "work/program.mjs"),
        ("const fs = require('fs');", "work/program.cjs"),
        ("exports.a = 1;", "work/program.cjs"),
        ("const m = await_import('x'); import('fs');", "work/program.cjs"),
        ("// import nothing\nconst important = 1;", "work/program.cjs"),
    ],
)
def test_the_kind_of_a_javascript_file_follows_its_source(program: str, name: str) -> None:
    """Node refuses `import` in one kind and `require` in the other."""
    assert source_of(Language.JAVASCRIPT, program, NO_HARNESS).name == name


@pytest.mark.parametrize("language", list(Language), ids=str)
def test_a_program_keeps_its_lines_with_tests_after_it(language: Language) -> None:
    """Errors name lines; the model knows only those of its own program."""
    program = "first\nsecond"
    text = source_of(language, program, Harness(tests="tests")).text
    assert text.startswith(f"{program}\n")
    assert text.splitlines()[3] == "tests"


@pytest.mark.parametrize("language", list(Language), ids=str)
def test_a_program_without_tests_is_run_as_it_is(language: Language) -> None:
    """Not a byte of ours is in what the model wrote."""
    assert source_of(language, "anything", NO_HARNESS).text == "anything"


@pytest.mark.parametrize(
    ("language", "stderr", "expected"),
    [
        (Language.PYTHON, "Traceback ...\nMemoryError\n", True),
        (Language.PYTHON, "MemoryError", True),
        (Language.PYTHON, "ValueError: MemoryError\n", False),
        (
            Language.JAVASCRIPT,
            "\nFATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
            True,
        ),
        (Language.JAVASCRIPT, "RangeError: Array buffer allocation failed", True),
        (Language.JAVASCRIPT, "RangeError: Maximum call stack size exceeded", False),
        (Language.SH, "sort: Cannot allocate memory", False),
    ],
)
def test_a_refused_allocation_is_read_from_the_language_s_own_words(
    language: Language, stderr: str, expected: bool
) -> None:
    """The kernel says nothing when it refuses memory; the interpreter does."""
    assert ran_out_of_memory(language, stderr) is expected


@pytest.mark.parametrize(
    ("language", "stderr", "expected"),
    [
        (
            Language.PYTHON,
            '  File "/s/work/program.py", line 1\n    x=(\n      ^\nSyntaxError: never closed\n',
            True,
        ),
        (
            Language.PYTHON,
            '  File "/s/work/program.py", line 2\n    x\nIndentationError: unexpected indent\n',
            True,
        ),
        (
            Language.PYTHON,
            'Traceback (most recent call last):\n  File "/s/work/program.py", line 1\nSyntaxError: x',
            False,
        ),
        (Language.PYTHON, '  File "/s/work/other.py", line 1\nSyntaxError: x', False),
        (Language.SH, "/s/work/program.sh: 3: Syntax error: end of file unexpected", True),
        (Language.SH, "/s/work/program.sh: 1: eval: Syntax error: word unexpected", False),
    ],
)
def test_a_compile_error_is_read_from_the_language_s_own_words(
    language: Language, stderr: str, expected: bool
) -> None:
    """It asks the model for another repair than a crash does."""
    assert was_refused_by_compiler(language, stderr) is expected


@pytest.mark.parametrize(
    ("language", "stderr"),
    [
        (Language.PYTHON, '  File "/x/work/program.py", line 1\n' + "x\n" * 300_000),
        (Language.PYTHON, '  File "' * 100_000),
        (
            Language.JAVASCRIPT,
            "x/work/program.cjs:1\n" + "SyntaxError: \n" * 80_000 + "    at program.cjs\n",
        ),
        (Language.SH, "/work/program.sh: 1" * 60_000),
    ],
    ids=["python", "python file", "javascript", "sh"],
)
def test_no_output_makes_a_compiler_s_words_hard_to_find(language: Language, stderr: str) -> None:
    """They are looked for where every other job of the worker waits; a search that takes squares of a length hangs
    here."""
    assert isinstance(was_refused_by_compiler(language, stderr), bool)
